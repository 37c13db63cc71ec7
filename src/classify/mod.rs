//! The judge of messages: what a message is, and what it says about the mail it reports on.
//!
//! Pure, and it never fails: what no format claims is `ordinary` where somebody wrote it, else `unknown`, with the reason.
//! To add a way of writing, add a file to `formats/`, its row to `FORMATS`, and its samples to `tests/samples/`.

mod cause;
mod formats;
mod injector;
mod kind;
mod original;
mod reading;
mod recipients;
mod reply;
mod signal;
mod told;

use std::net::IpAddr;

pub use cause::Cause;
pub use formats::{FORMATS, Format, Layer};
pub use kind::Kind;
pub use told::Told;

use self::reading::Reading;
use self::signal::Common;
use crate::mail::{Action, Header, Mailbox, Message, ReversePath, Status, hops};

/// Goes up whenever a message might be judged differently than before; every verdict carries it.
pub const VERSION: u32 = 3;

/// What the SMTP session said, as far as it is known: files have no session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub reverse_path: Option<ReversePath>,
    pub client: Option<IpAddr>,
    /// Who the message was for.
    pub recipient: Option<Mailbox>,
    /// So many Received lines at the top were written by hosts that we trust, behind the client.
    pub trusted_hops: usize,
}

/// What a message was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub kind: Kind,
    /// The row of `FORMATS` that claimed it; `none` where none did.
    pub format: &'static str,
    pub report: Report,
    /// What spoke for it, in words for an operator; no address stands in them.
    pub reasons: Vec<String>,
    /// What spoke against its being a report.
    pub doubts: Vec<String>,
}

/// What a report says, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub reporting_mta: Option<String>,
    pub original_envelope_id: Option<String>,
    /// The original's envelope sender; where that isn't told, whom its header names.
    pub original_sender: Option<Mailbox>,
    pub original_from: Option<Mailbox>,
    pub original_message_id: Option<String>,
    /// As the original's header has it.
    pub original_date: Option<String>,
    pub recipients: Vec<Recipient>,
    /// Who handed the original to the relay.
    pub injector: Option<IpAddr>,
    /// The host that wrote the report, where its header tells: the writer of its oldest Received line.
    pub generator: Option<String>,
    /// Another host, or a user of the same one, handed the report to whoever brought it, so that one only carried it.
    pub carried: bool,
    /// In whose name it was written: for an automatic reply, the one who is away.
    pub writer: Option<Mailbox>,
    /// For an automatic reply: nothing that RFC 3834 forbids was seen.
    pub keeps_rfc3834: bool,
}

/// One recipient that a report speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    pub mailbox: Option<Mailbox>,
    pub action: Option<Action>,
    pub status: Option<Status>,
    /// Another host refused it; else the reporting MTA failed by itself.
    pub remote: bool,
    /// The other host, where it is told: a name, or an address.
    pub remote_mta: Option<String>,
    /// The mail was for another address, which an alias or a user's forward turned into this one.
    pub expanded: bool,
    pub cause: Cause,
    pub diagnostic: Option<String>,
}

impl Recipient {
    fn of(mailbox: Option<Mailbox>) -> Self {
        Recipient { mailbox, ..Recipient::default() }
    }
}

/// What a format makes of a message that it claims.
pub struct Claim {
    pub kind: Kind,
    pub report: Report,
    pub reasons: Vec<String>,
}

/// Judges a message.
pub fn classify(message: &Message, session: &Session) -> Verdict {
    let reading = Reading::new(message, session);
    let claimed = FORMATS.iter().enumerate().find_map(|(at, format)| {
        (format.claim)(&reading, reading.shown(at)).map(|claim| (format.name, claim))
    });
    let Some((format, Claim { mut kind, mut report, mut reasons })) = claimed else {
        return unclaimed(&reading);
    };
    let mut doubts = Vec::new();
    if matches!(kind, Kind::DsnFailed | Kind::NonstandardNdr) {
        let names_recipients = report.recipients.iter().any(|recipient| recipient.mailbox.is_some());
        let found = formats::imitation::doubts(&reading, names_recipients);
        if formats::imitation::is_imitation(&found) {
            kind = Kind::FakeNdr;
        }
        doubts.extend(found.into_iter().map(|(_, doubt)| doubt.to_owned()));
    }
    match &session.reverse_path {
        Some(ReversePath::Null) => reasons.push("sent from the null reverse-path".to_owned()),
        Some(ReversePath::Address(_)) if kind.comes_from_the_null_reverse_path() => {
            doubts
                .push("not sent from the null reverse-path, which a report must be (RFC 3464 §2)".to_owned());
        }
        _ => {}
    }
    if let (Some(sender), Some(recipient)) = (&report.original_sender, &session.recipient) {
        let same = sender.folded() == recipient.folded();
        reasons.push(format!(
            "the original's sender is {} that received the report",
            if same { "the address" } else { "not the address" }
        ));
    }
    if matches!(kind, Kind::AutoReply | Kind::Challenge) {
        let faults = reply_faults(&reading);
        report.keeps_rfc3834 = faults.is_empty();
        doubts.extend(faults.into_iter().map(str::to_owned));
    }
    (report.generator, report.carried) = way(message, session, kind);
    report.writer.clone_from(&reading.from);
    let told = [(Common::Expired, Cause::Expired), (Common::Full, Cause::Mailbox)];
    let words = told.into_iter().find_map(|(words, cause)| reading.says(words).then_some(cause));
    let again = reading.original.as_ref().is_some_and(|original| original.handed_in_again);
    let expanded = again || reading.says(Common::Expanded);
    let addressed = reading.original.as_ref().and_then(|original| original.addressed.as_ref());
    for recipient in &mut report.recipients {
        // What the relay itself wrote of whom it took the mail for.
        let other =
            addressed.zip(recipient.mailbox.as_ref()).is_some_and(|(of, to)| of.folded() != to.folded());
        recipient.expanded |= expanded || other;
        recipient.cause = Cause::of(recipient.status, recipient.diagnostic.as_deref());
        if let (Cause::Address | Cause::System, Some(cause)) = (recipient.cause, words) {
            recipient.cause = cause;
        }
    }
    Verdict { kind, format, report, reasons, doubts }
}

/// Every format that would claim a message, layer by layer: of the first layer there is only one.
pub fn claims(message: &Message, session: &Session) -> Vec<(Layer, &'static str)> {
    let reading = Reading::new(message, session);
    let claiming = FORMATS
        .iter()
        .enumerate()
        .filter(|(at, format)| (format.claim)(&reading, reading.shown(*at)).is_some());
    claiming.map(|(_, format)| (format.layer, format.name)).collect()
}

/// A message that no format claims: somebody's, unless something says that a program sent it.
fn unclaimed(reading: &Reading<'_>) -> Verdict {
    let signs = reading.signs;
    let automatic = signs.mail_system
        || signs.null_path
        || reading.header().field("Auto-Submitted").is_some_and(|value| !value.eq_ignore_ascii_case("no"));
    let has_writer = reading.from.is_some();
    let (kind, reason) = if automatic || !has_writer {
        (Kind::Unknown, "no format that this classifier knows")
    } else {
        (Kind::Ordinary, "nothing says that a program sent it")
    };
    Verdict {
        kind,
        format: "none",
        report: Report::default(),
        reasons: vec![reason.to_owned()],
        doubts: Vec::new(),
    }
}

/// What an automatic reply does that RFC 3834 forbids.
fn reply_faults(reading: &Reading<'_>) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let automatic = |header: &Header| {
        header
            .field("Auto-Submitted")
            .is_some_and(|value| !value.trim().to_ascii_lowercase().starts_with("no"))
    };
    if !automatic(reading.header()) {
        faults.push("an automatic reply that doesn't say so in Auto-Submitted (RFC 3834 §5)");
    }
    let bulk = |header: &Header| {
        header.field("List-Id").is_some()
            || header.field("Precedence").is_some_and(|value| {
                ["bulk", "junk", "list"].iter().any(|kind| value.trim().eq_ignore_ascii_case(kind))
            })
    };
    if reading.original.as_ref().is_some_and(|original| automatic(original.header) || bulk(original.header)) {
        faults.push("a reply to mail that was itself automatic, or sent to many (RFC 3834 §2)");
    }
    faults
}

/// Where a report came from, by its own Received lines: the oldest one's writer, and whether it was handed on.
///
/// What the relay that brought it writes of its own queue names no other host, or the loopback.
fn way(message: &Message, session: &Session, kind: Kind) -> (Option<String>, bool) {
    let hops: Vec<_> = hops(&message.header).skip(session.trusted_hops).collect();
    let generator = hops.iter().rev().find_map(|hop| hop.by.clone());
    let foreign = |address: IpAddr| !address.is_loopback() && Some(address) != session.client;
    // Whoever wants to know whether a sender is a person has a program of his own that asks; a mail system reports by itself.
    let by_user = kind != Kind::Challenge;
    let carried = by_user && hops.iter().any(|hop| hop.by_local_user)
        || session.client.is_some() && hops.iter().filter_map(|hop| hop.from_address).any(foreign);
    (generator, carried)
}

/// The verdict on a session that named a trap as recipient and left before DATA.
/// Mail that a donor's MTA turned away, as its log says.
pub fn null_rejected() -> Verdict {
    Verdict {
        kind: Kind::NullRejected,
        format: "log",
        report: Report::default(),
        reasons: vec!["a log says that mail from the null reverse-path was turned away".to_owned()],
        doubts: Vec::new(),
    }
}

pub fn callout() -> Verdict {
    Verdict {
        kind: Kind::Callout,
        format: "session",
        report: Report::default(),
        reasons: vec!["the client named the recipient and left without sending a message".to_owned()],
        doubts: Vec::new(),
    }
}
