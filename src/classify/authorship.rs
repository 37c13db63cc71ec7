//! Tells from the envelope and the header who wrote a message.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::author::Author;
use super::reading::MessageReading;
use super::search::contains;
use super::session::SessionFacts;
use crate::mail::ReversePath;

/// The author of a message, and what shows it.
pub(super) fn author(reading: &MessageReading<'_>, session: &SessionFacts) -> (Author, &'static str) {
    match (&session.reverse_path, user_mark(reading)) {
        (_, Some(mark)) => (Author::User, mark),
        (Some(ReversePath::Address(_)), None) => (Author::User, "not sent from the null reverse-path"),
        (Some(ReversePath::Null), None) => (Author::MailSystem, "sent from the null reverse-path"),
        (None, None) => (Author::Unknown, "the reverse-path is not known"),
    }
}

/// What shows that a user, a script or a webmail client submitted a message, if anything does.
fn user_mark(reading: &MessageReading<'_>) -> Option<&'static str> {
    if reading.hops.iter().any(|hop| hop.submission.is_some()) {
        return Some("a Received field says that a user submitted it");
    }
    reading.header().fields().iter().find_map(|field| {
        let name = field.name.to_ascii_lowercase();
        let begins = |names: &[&str]| names.iter().any(|start| name.starts_with(start));
        // Some hosts write an empty field when no user submitted the message.
        if field.value.trim().is_empty() {
            None
        } else if begins(SUBMISSION_FIELDS)
            || SUBMISSION_PARTS_SEARCH.is_match(&name)
            || SUBMISSION_NAMES.contains(&name.as_str())
        {
            Some("a header field says that a user, a script or a webmail client submitted it")
        } else if begins(LIST_FIELDS) {
            Some("it came through a mailing list")
        } else if PROGRAM_FIELDS.contains(&name.as_str()) && !names_mail_system(&field.value) {
            Some("a program that is not known as a mail system names itself as its writer")
        } else {
            None
        }
    })
}

/// Whether a field names a mail system or a filter as the program that wrote the message.
fn names_mail_system(value: &str) -> bool {
    MAIL_SYSTEMS.iter().any(|system| contains(value, system))
}

/// Beginnings of the names of header fields, in lower case, that are written when a user, a script
/// or a webmail client submits a message, or when a person sends it on.
const SUBMISSION_FIELDS: &[&str] = &[
    "resent-",
    "x-originating-",
    "x-php-",
    "x-authentication-warning",
    "x-auth-id",
    "x-kerio-user",
    "x-mail-client-ip",
    "x-mb-message-source",
    "x-remote-user",
    "x-rocket-received",
    "x-sent-by",
    "x-yandex-sender-",
    "x-zimbra-client-ip",
    "x-source-",
    "x-get-message-sender-via",
    "x-google-original-from",
    "x-google-sender-",
    "x-webmail",
    "x-http-",
    "x-script",
];
/// Whole names of such fields, in lower case.
const SUBMISSION_NAMES: &[&str] = &["x-auth", "x-sender", "x-sender-id"];
/// Parts of the names of such fields, in lower case.
const SUBMISSION_PARTS: &[&str] =
    &["authenticated", "authuser", "auth-user", "auth-sender", "-sasl-", "-userinfo", "submitted-by"];
static SUBMISSION_PARTS_SEARCH: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new(SUBMISSION_PARTS).expect("the parts are few and short"));
/// Beginnings of the names of header fields, in lower case, that mailing lists write.
const LIST_FIELDS: &[&str] = &[
    "list-",
    "mailing-list",
    "x-beenthere",
    "x-google-group-id",
    "x-list",
    "x-mailing-list",
    "x-mailman-version",
    "x-ml-name",
    "x-campaign",
];
/// Header fields, in lower case, in which the writing program names itself.
const PROGRAM_FIELDS: &[&str] = &["user-agent", "x-mailer"];
/// Names of mail systems and filters that write reports, in lower case. Every other program that
/// names itself may be a user's.
const MAIL_SYSTEMS: &[&str] = &[
    "<smtp32",
    "amazon workmail",
    "bitdefender",
    "exim",
    "groupwise",
    "gwava",
    "internet mail service",
    "interscan",
    "local-mailhub",
    "m-filter",
    "mailmarshal",
    "mailscanner",
    "mdaemon",
    "mime-tools",
    "mimesweeper",
    "notification service",
    "ntmail",
    "postfix",
    "scanmail",
    "sinamail",
    "surfcontrol",
    "vpop3",
];
