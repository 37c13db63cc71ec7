//! Automatic answers of mailing list software: held posts, confirmations and help.
//!
//! The patterns are those of Sympa, Mailman, Majordomo, ezmlm, fml, mlmmj, LISTSERV, Ecartis,
//! SmartList, phpList, Google Groups and Discourse.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::Header;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "list-robot",
    layer: Layer::Notices,
    signals: &[
        FormatSignal { mark: Pattern::Field("x-mlserver", &[]), reason: "written by fml" },
        FormatSignal { mark: Pattern::Field("x-ml-info", &[]), reason: "written by fml" },
        FormatSignal {
            // List posts have the list's own address in X-Loop.
            mark: Pattern::Field("x-loop", &["sympa@", "majordomo@", "-request@"]),
            reason: "X-Loop names mailing list software",
        },
        FormatSignal {
            mark: Pattern::Field("x-list-administrivia", &["yes"]),
            reason: "X-List-Administrivia says that Mailman wrote it",
        },
        FormatSignal {
            mark: Pattern::Field("x-mailing-list-server", &[]),
            reason: "X-Mailing-List-Server names mailing list software",
        },
        FormatSignal {
            mark: Pattern::Field("from", ROBOTS),
            reason: "the From field names mailing list software",
        },
        FormatSignal {
            mark: Pattern::Field("from", LIST_ADDRESSES),
            reason: "the From field has an address of a mailing list that is not for posts",
        },
        FormatSignal { mark: Pattern::Field("x-mailman-version", &[]), reason: "passed through Mailman" },
        FormatSignal {
            mark: Pattern::Field("mailing-list", &["run by ezmlm"]),
            reason: "passed through ezmlm",
        },
        FormatSignal { mark: Pattern::Field("x-phplist-version", &[]), reason: "sent by phpList" },
        FormatSignal { mark: Pattern::Words(WORDS), reason: "uses the wording of mailing list software" },
        FormatSignal {
            mark: Pattern::Subject(SUBJECTS),
            reason: "the subject is that of mailing list software",
        },
    ],
    claim,
};

/// Number of signals, from the first on, that are enough alone: no list post has these fields.
const DECISIVE: usize = 5;

/// Addresses of mailing list software, in lower case.
const ROBOTS: &[&str] = &[
    "sympa@",
    "majordomo@",
    "listserv@",
    "mailman@",
    "listar@",
    "ecartis@",
    "listproc@",
    "lyris@",
    "noreply@googlegroups.com",
    "noreply@groups.io",
];

/// Addresses of a mailing list that its software writes under, in lower case.
const LIST_ADDRESSES: &[&str] = &[
    "-request@",
    "-owner@",
    "-bounces@",
    "-help@",
    "-subscribe@",
    "-unsubscribe@",
    "-editor@",
    "+request@",
    "+owner@",
    "+bounces@",
    "+help@",
    "+owners@googlegroups.com",
    "+managers@googlegroups.com",
];

/// Phrases of mailing list software.
const WORDS: &[&str] = &[
    "is being held until the list moderator can review it",
    "awaits moderator approval",
    "you are not a member of this mailing list",
    "are not allowed to post to this mailing list",
    "you are not allowed to post to the list",
    "you are not authorized to send mail to the",
    "has been rejected by the moderator",
    "has been submitted to the moderator of the",
    "to confirm that you would like",
    "confirm your subscription",
    "confirmation of your subscription",
    "someone (possibly you) has requested that your email address be added",
    "has subscribed your email address to the following newsletters",
    "this is the ezmlm program",
    "this is the mlmmj program",
    "has requested that your email address",
    "i'm working for my owner",
    "acknowledgment: i have added the address",
    "to confirm that you want to",
    "the message from <",
    "welcome to the list",
    "duplicated message-id in",
    "your request to the",
    "results of your email commands",
    "was denied because",
    "the following commands are recognised",
    "we're sorry, but your email message to [",
    "unfortunately, you are not allowed to post in this group",
];

/// Subjects of mailing list software.
const SUBJECTS: &[&str] = &[
    "awaits moderator approval",
    "confirm subscribe",
    "confirm subscription",
    "confirmation for subscription",
    "confirm ",
    "your post to",
    "post to ",
    "results for ",
    "majordomo results",
    "the results of your email commands",
    "welcome to ",
    "] email issue -- ",
];

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let decisive = (0..DECISIVE).any(|at| shown.at(at));
    let (robot, list_address, words, subject) = (shown.at(5), shown.at(6), shown.at(10), shown.at(11));
    let automatic = is_automatic(reading.header());
    let passed = (7..10).any(|at| shown.at(at));
    let by_words = words && (robot || list_address || passed || subject);
    // A help desk or the owner of a list may have such an address too, so fields must say that a
    // program wrote the message for a list.
    let by_list = automatic && reading.signs.list_post && (list_address || reading.signs.program);
    let by_robot = robot && (subject || automatic) || by_list;
    let by_forum = automatic && names_discourse(reading.header());
    ((decisive || by_words || by_robot || by_forum) && !is_report(reading)).then(|| FormatClaim {
        kind: Kind::ListResponse,
        reasons: reasons(shown, by_forum),
        report: ReportFields::default(),
    })
}

/// Whether a mail system wrote the message: a report that came through a list, or one about mail of
/// the list software.
fn is_report(reading: &MessageReading<'_>) -> bool {
    reading.signs.mail_system
        || reading.header().field("X-Failed-Recipients").is_some()
        || reading.line.starts_with("--- Non-Delivery Report ---")
}

fn reasons(shown: ShownSignals, by_forum: bool) -> Vec<String> {
    let mut reasons = shown.reasons();
    if by_forum {
        reasons.push("has Discourse's fields, and says that it is automatic".to_owned());
    }
    reasons
}

/// Whether the header says that a program sent the message.
fn is_automatic(header: &Header) -> bool {
    let submitted = header.field("Auto-Submitted").is_some_and(|value| {
        let value = value.trim();
        !value.is_empty() && !value.eq_ignore_ascii_case("no")
    });
    let precedence = header
        .field("Precedence")
        .is_some_and(|value| ["bulk", "junk"].iter().any(|kind| value.trim().eq_ignore_ascii_case(kind)));
    submitted || precedence
}

/// Whether a field of the forum software Discourse is in the header: `Discourse-...`, or
/// `X-Discourse-...` in old versions.
fn names_discourse(header: &Header) -> bool {
    header.fields().iter().any(|field| {
        let name = field.name.to_ascii_lowercase();
        name.strip_prefix("x-").unwrap_or(&name).starts_with("discourse-")
    })
}
