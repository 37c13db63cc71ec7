//! The result of classifying a message, and the verdicts that need no message.

use super::author::Author;
use super::kind::Kind;
use super::report::ReportFields;

/// The result of classifying a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kind of the message.
    pub kind: Kind,
    /// The name of the row of [`FORMATS`](super::FORMATS) that claimed the message; `none` if no row did, `session`
    /// or `log` if there was no message.
    pub format: &'static str,
    /// What the message reports. It is empty for a kind that reports nothing, such as ordinary
    /// mail.
    pub report: ReportFields,
    /// The reasons for the verdict, for the operator. The reasons contain no addresses.
    pub reasons: Vec<String>,
    /// The reasons against the message being a genuine report, for the operator.
    pub doubts: Vec<String>,
}

/// The verdict on mail that the MTA of a donor rejected, according to its log. The log says that the
/// reverse-path was null.
pub fn null_rejected() -> Verdict {
    Verdict {
        kind: Kind::NullRejected,
        format: "log",
        report: ReportFields { author: Author::MailSystem, ..ReportFields::default() },
        reasons: vec!["a log says that mail from the null reverse-path was rejected".to_owned()],
        doubts: Vec::new(),
    }
}

/// The verdict on a session that named a trap as recipient and ended before DATA.
pub fn callout() -> Verdict {
    Verdict {
        kind: Kind::Callout,
        format: "session",
        report: ReportFields { author: Author::MailSystem, ..ReportFields::default() },
        reasons: vec![
            "the client named the recipient and ended the session without sending a message".to_owned(),
        ],
        doubts: Vec::new(),
    }
}
