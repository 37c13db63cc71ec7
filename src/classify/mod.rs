//! The judge of messages: what a message is, and what it says about the mail it reports on.
//!
//! Pure, and it never fails: what no format claims is `unknown`, with the reason. To add a way of writing a bounce,
//! add a file to `formats/`, its row to `FORMATS`, and its samples to `tests/samples/`.

mod formats;
mod injector;
mod kind;

use std::net::IpAddr;

pub use formats::{FORMATS, Format};
pub use kind::Kind;

use crate::mail::{Action, Mailbox, Message, ReversePath, Status};

/// Goes up whenever a message might be judged differently than before; every verdict carries it.
pub const VERSION: u32 = 1;

/// What the SMTP session said, as far as it is known: files have no session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub reverse_path: Option<ReversePath>,
    pub client: Option<IpAddr>,
    /// Who the message was for.
    pub recipient: Option<Mailbox>,
}

/// What a message was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub kind: Kind,
    /// The row of `FORMATS` that claimed it; `none` where none did.
    pub format: &'static str,
    pub report: Report,
    /// Why, in words for an operator; no address stands in them.
    pub reasons: Vec<String>,
}

/// What a report says, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub reporting_mta: Option<String>,
    pub original_envelope_id: Option<String>,
    pub original_sender: Option<Mailbox>,
    pub recipients: Vec<Recipient>,
    /// Who handed the original to the relay.
    pub injector: Option<IpAddr>,
}

/// One recipient that a report speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub mailbox: Option<Mailbox>,
    pub action: Option<Action>,
    pub status: Option<Status>,
    /// The other host that refused it; without one the reporting MTA failed by itself.
    pub remote_mta: Option<String>,
}

/// What a format makes of a message that it claims.
pub struct Claim {
    pub kind: Kind,
    pub report: Report,
    pub reasons: Vec<String>,
}

/// Judges a message.
pub fn classify(message: &Message, session: &Session) -> Verdict {
    let claimed = FORMATS.iter().find_map(|format| (format.claim)(message).map(|claim| (format.name, claim)));
    let Some((format, Claim { kind, report, mut reasons })) = claimed else {
        return Verdict {
            kind: Kind::Unknown,
            format: "none",
            report: Report::default(),
            reasons: vec!["no format that this classifier knows".to_owned()],
        };
    };
    match &session.reverse_path {
        Some(ReversePath::Null) => reasons.push("sent from the null reverse-path".to_owned()),
        Some(ReversePath::Address(_)) => {
            reasons
                .push("not sent from the null reverse-path, which a report must be (RFC 3464 §2)".to_owned());
        }
        None => {}
    }
    if let (Some(sender), Some(recipient)) = (&report.original_sender, &session.recipient) {
        let same = sender.folded() == recipient.folded();
        reasons.push(format!(
            "the original's sender is {} that received the report",
            if same { "the address" } else { "not the address" }
        ));
    }
    Verdict { kind, format, report, reasons }
}

/// The verdict on a session that named a trap as recipient and left before DATA.
pub fn callout() -> Verdict {
    Verdict {
        kind: Kind::Callout,
        format: "session",
        report: Report::default(),
        reasons: vec!["the client named the recipient and left without sending a message".to_owned()],
    }
}
