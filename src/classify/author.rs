//! The author of a message: the mail system of the relay, or a user of it.

use minicbor::{Decode, Encode};

use super::session::SessionFacts;
use crate::mail::{Message, ReversePath, hops};

/// Who wrote a message, as far as its envelope and its header show.
///
/// Users of a well-run provider can write any text. Only what the mail system of a relay wrote may
/// count against the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Author {
    /// The envelope is not known, as for a message from a file.
    #[default]
    #[n(0)]
    Unknown,
    /// A user, a script or a webmail client: the reverse-path is not null, or the header shows that
    /// a user submitted the message.
    #[n(1)]
    User,
    /// The mail system: the reverse-path is null, and nothing shows that a user submitted the
    /// message.
    #[n(2)]
    MailSystem,
}

impl Author {
    /// Whether the author is not known.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Author::Unknown)
    }

    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Author::Unknown => "unknown",
            Author::User => "user",
            Author::MailSystem => "mail-system",
        }
    }
}

/// The author of a message, and what shows it.
pub(super) fn author(message: &Message, session: &SessionFacts) -> (Author, &'static str) {
    let mark = user_mark(message, session);
    match (&session.reverse_path, mark) {
        (_, Some(mark)) => (Author::User, mark),
        (Some(ReversePath::Address(_)), None) => (Author::User, "not sent from the null reverse-path"),
        (Some(ReversePath::Null), None) => (Author::MailSystem, "sent from the null reverse-path"),
        (None, None) => (Author::Unknown, "the reverse-path is not known"),
    }
}

/// What shows that a user, a script or a webmail client submitted a message, if anything does.
fn user_mark(message: &Message, session: &SessionFacts) -> Option<&'static str> {
    if hops(&message.header).skip(session.trusted_hops).any(|hop| hop.submission.is_some()) {
        return Some("a Received field says that a user submitted it");
    }
    message.header.fields().iter().find_map(|field| {
        let name = field.name.to_ascii_lowercase();
        let begins = |names: &[&str]| names.iter().any(|start| name.starts_with(start));
        if begins(SUBMISSION_FIELDS) {
            Some("a header field says that a user, a script or a webmail client submitted it")
        } else if begins(LIST_FIELDS) {
            Some("it came through a mailing list")
        } else if PROGRAM_FIELDS.contains(&name.as_str()) && names_client(&field.value) {
            Some("a mail client or a script names itself as its writer")
        } else {
            None
        }
    })
}

/// Whether a field names a mail client, a webmail program or a library of scripts.
fn names_client(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let begins_word = |at: usize| !value[..at].ends_with(|c: char| c.is_ascii_alphabetic());
    CLIENTS.iter().any(|client| value.match_indices(client).any(|(at, _)| begins_word(at)))
}

/// Beginnings of the names of header fields, in lower case, that are written when a user, a script
/// or a webmail client submits a message.
const SUBMISSION_FIELDS: &[&str] = &[
    "x-originating-ip",
    "x-originating-email",
    "x-php-",
    "x-authenticated-",
    "x-authentication-warning",
    "x-auth-id",
    "x-auth-user",
    "x-source-",
    "x-get-message-sender-via",
    "x-webmail-",
    "x-http-",
];
/// Beginnings of the names of header fields, in lower case, that mailing lists write.
const LIST_FIELDS: &[&str] = &["list-", "x-beenthere", "x-mailing-list", "mailing-list"];
/// Header fields, in lower case, in which the writing program names itself.
const PROGRAM_FIELDS: &[&str] = &["user-agent", "x-mailer"];
/// Names of mail clients, webmail programs and libraries of scripts, in lower case.
const CLIENTS: &[&str] = &[
    "alpine",
    "apple mail",
    "evolution",
    "horde",
    "k-9",
    "kmail",
    "mozilla",
    "mutt",
    "nodemailer",
    "openwebmail",
    "outlook",
    "php",
    "pine",
    "rainloop",
    "roundcube",
    "snappymail",
    "sogo",
    "squirrelmail",
    "swiftmailer",
    "thunderbird",
    "webmail",
    "zimbra",
];
