//! Classifies messages: what kind of message one is, and what a report says about the original.
//!
//! Classification does no input or output and never fails. A message that no format claims is
//! [`Kind::Ordinary`] if nothing suggests that a program sent it, else [`Kind::Unknown`]. To
//! support another format, add a file to `formats/`, a row to [`FORMATS`], and samples to
//! `tests/samples/`.

mod cause;
mod formats;
mod injector;
mod json;
mod kind;
mod original;
mod reading;
mod recipients;
mod reply;
mod signal;

use std::net::IpAddr;

pub use cause::Cause;
pub use formats::{FORMATS, Format, Layer};
pub use json::VerdictJson;
pub use kind::Kind;

use self::reading::MessageReading;
use self::signal::CommonSignals;
use crate::mail::{DsnAction, EnhancedStatus, Header, Mailbox, Message, ReversePath, hops};

/// Version of the classifier, stored with every verdict in the journal. Increase it with every
/// change that may classify a message differently.
pub const VERSION: u32 = 3;

/// What is known of the SMTP session that brought the message.
///
/// A field is unset if its value is unknown, as it may be for a message from a file.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    /// The address in MAIL FROM.
    pub reverse_path: Option<ReversePath>,
    /// The address of the relay that brought the message.
    pub client: Option<IpAddr>,
    /// The address in RCPT TO.
    pub recipient: Option<Mailbox>,
    /// Number of Received fields at the top that trusted hosts wrote after they took the message
    /// from the relay. The classifier skips these fields.
    pub trusted_hops: usize,
}

/// The result of classifying a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kind of the message.
    pub kind: Kind,
    /// The name of the row of [`FORMATS`] that claimed the message; `none` if no row did, `session`
    /// or `log` if there was no message.
    pub format: &'static str,
    /// What the message reports. It is empty for a kind that reports nothing, such as ordinary
    /// mail.
    pub report: ReportFields,
    /// The reasons for the verdict, for the operator. They contain no addresses.
    pub reasons: Vec<String>,
    /// The reasons against the message being a genuine report, for the operator.
    pub doubts: Vec<String>,
}

/// The contents of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFields {
    /// The name of the MTA that wrote the report (RFC 3464 §2.2.2).
    pub reporting_mta: Option<String>,
    /// The envelope identifier of the original (RFC 3464 §2.2.1).
    pub original_envelope_id: Option<String>,
    /// The reverse-path of the original, or, if the report does not give it, the sender in its
    /// header.
    pub original_sender: Option<Mailbox>,
    /// The address in the From field of the original.
    pub original_from: Option<Mailbox>,
    /// The Message-ID field of the original.
    pub original_message_id: Option<String>,
    /// The Date field of the original, unparsed.
    pub original_date: Option<String>,
    /// The recipients that the report is about.
    pub recipients: Vec<ReportedRecipient>,
    /// The host that handed the original to the relay.
    pub injector: Option<IpAddr>,
    /// The host that wrote the oldest Received field of the report, which is normally the host that
    /// wrote the report.
    pub generator: Option<String>,
    /// The relay only carried the report: another host, or a local user of a host, submitted it.
    pub carried: bool,
    /// The address in the From field of the report: for an automatic reply, the responder.
    pub writer: Option<Mailbox>,
    /// For an automatic reply or a challenge: it complies with RFC 3834, as far as can be seen.
    pub follows_rfc3834: bool,
}

/// One recipient that a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// The address of the recipient.
    pub mailbox: Option<Mailbox>,
    /// What happened to the message for this recipient (RFC 3464 §2.3.3).
    pub action: Option<DsnAction>,
    /// The enhanced status code (RFC 3463).
    pub status: Option<EnhancedStatus>,
    /// Another host refused the recipient. If false, the reporting MTA itself could not deliver.
    pub remote: bool,
    /// The name or address of the other host, if the report gives it.
    pub remote_mta: Option<String>,
    /// The original was addressed to another address, which an alias or a user's forward expanded
    /// to this one.
    pub expanded: bool,
    /// Why delivery failed.
    pub cause: Cause,
    /// The reply or the explanation that the report quotes for this recipient.
    pub diagnostic: Option<String>,
}

impl ReportedRecipient {
    fn of(mailbox: Option<Mailbox>) -> Self {
        ReportedRecipient { mailbox, ..ReportedRecipient::default() }
    }
}

/// What a format makes of a message that it claims.
pub struct FormatClaim {
    /// The kind of the message.
    pub kind: Kind,
    /// What the message reports.
    pub report: ReportFields,
    /// The reasons for the claim, for the operator.
    pub reasons: Vec<String>,
}

/// Classifies a message that `session` brought.
pub fn classify(message: &Message, session: &SessionFacts) -> Verdict {
    let reading = MessageReading::new(message, session);
    let claimed = FORMATS.iter().enumerate().find_map(|(at, format)| {
        (format.claim)(&reading, reading.shown(at)).map(|claim| (format.name, claim))
    });
    let Some((format, FormatClaim { mut kind, mut report, mut reasons })) = claimed else {
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
            doubts.push("not sent from the null reverse-path, as a report must be (RFC 3464 §2)".to_owned());
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
        report.follows_rfc3834 = faults.is_empty();
        doubts.extend(faults.into_iter().map(str::to_owned));
    }
    (report.generator, report.carried) = way(message, session, kind);
    report.writer.clone_from(&reading.from);
    let told = [(CommonSignals::Expired, Cause::Expired), (CommonSignals::Full, Cause::Mailbox)];
    let words = told.into_iter().find_map(|(words, cause)| reading.says(words).then_some(cause));
    let again = reading.original.as_ref().is_some_and(|original| original.handed_in_again);
    let expanded = again || reading.says(CommonSignals::Expanded);
    let addressed = reading.original.as_ref().and_then(|original| original.addressed.as_ref());
    for recipient in &mut report.recipients {
        // The relay's own Received field says for which address it took the original.
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

/// Every format that would claim a message, in the order of [`FORMATS`]. The tests check that
/// exactly one of them belongs to the first layer that claims it.
pub fn claims(message: &Message, session: &SessionFacts) -> Vec<(Layer, &'static str)> {
    let reading = MessageReading::new(message, session);
    let claiming = FORMATS
        .iter()
        .enumerate()
        .filter(|(at, format)| (format.claim)(&reading, reading.shown(*at)).is_some());
    claiming.map(|(_, format)| (format.layer, format.name)).collect()
}

/// The verdict on a message that no format claims.
fn unclaimed(reading: &MessageReading<'_>) -> Verdict {
    let signs = reading.signs;
    let automatic = signs.mail_system
        || signs.null_path
        || reading.header().field("Auto-Submitted").is_some_and(|value| !value.eq_ignore_ascii_case("no"));
    let has_writer = reading.from.is_some();
    let (kind, reason) = if automatic || !has_writer {
        (Kind::Unknown, "no known format, and it is automatic or has no From address")
    } else {
        (Kind::Ordinary, "nothing suggests that a program sent it")
    };
    Verdict {
        kind,
        format: "none",
        report: ReportFields::default(),
        reasons: vec![reason.to_owned()],
        doubts: Vec::new(),
    }
}

/// What an automatic reply does against RFC 3834.
fn reply_faults(reading: &MessageReading<'_>) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let automatic = |header: &Header| {
        header
            .field("Auto-Submitted")
            .is_some_and(|value| !value.trim().to_ascii_lowercase().starts_with("no"))
    };
    if !automatic(reading.header()) {
        faults.push("an automatic reply that the Auto-Submitted field does not declare (RFC 3834 §5)");
    }
    let bulk = |header: &Header| {
        header.field("List-Id").is_some()
            || header.field("Precedence").is_some_and(|value| {
                ["bulk", "junk", "list"].iter().any(|kind| value.trim().eq_ignore_ascii_case(kind))
            })
    };
    if reading.original.as_ref().is_some_and(|original| automatic(original.header) || bulk(original.header)) {
        faults.push(
            "a reply to a message that was itself automatic, or sent to a list or in bulk (RFC 3834 §2)",
        );
    }
    faults
}

/// The host that wrote the oldest Received field of a report, and whether the relay only carried
/// it.
///
/// The fields that a relay writes for its own report name no client, the loopback address, or the
/// relay. Any other client address means that another host handed the report in.
fn way(message: &Message, session: &SessionFacts, kind: Kind) -> (Option<String>, bool) {
    let hops: Vec<_> = hops(&message.header).skip(session.trusted_hops).collect();
    let generator = hops.iter().rev().find_map(|hop| hop.by.clone());
    let foreign = |address: IpAddr| !address.is_loopback() && Some(address) != session.client;
    // Challenges are often sent by a program of a user; a mail system writes its reports itself.
    let by_user = kind != Kind::Challenge;
    let carried = by_user && hops.iter().any(|hop| hop.by_local_user)
        || session.client.is_some() && hops.iter().filter_map(|hop| hop.from_address).any(foreign);
    (generator, carried)
}

/// The verdict on mail that the MTA of a donor rejected, according to its log.
pub fn null_rejected() -> Verdict {
    Verdict {
        kind: Kind::NullRejected,
        format: "log",
        report: ReportFields::default(),
        reasons: vec!["a log says that mail from the null reverse-path was rejected".to_owned()],
        doubts: Vec::new(),
    }
}

/// The verdict on a session that named a trap as recipient and ended before DATA.
pub fn callout() -> Verdict {
    Verdict {
        kind: Kind::Callout,
        format: "session",
        report: ReportFields::default(),
        reasons: vec![
            "the client named the recipient and ended the session without sending a message".to_owned(),
        ],
        doubts: Vec::new(),
    }
}
