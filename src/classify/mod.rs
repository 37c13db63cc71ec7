//! Classifies messages: what kind of message one is, and what a report says about the original.
//!
//! Classification does no input or output and never fails. A message that no format claims is
//! [`Kind::Ordinary`] if nothing suggests that a program sent it, else [`Kind::Unknown`]. To
//! support another format, add a file to `formats/`, a row to [`FORMATS`], and samples to
//! `tests/samples/`, and raise [`VERSION`].

mod author;
mod authorship;
mod cause;
mod cause_signs;
mod cleaned_text;
mod format;
mod formats;
mod handed_in;
mod injector;
mod json;
mod kind;
mod languages;
mod original;
mod phrase_table;
mod reading;
mod recipients;
mod refusal;
mod reply;
mod report;
mod report_in_words;
mod search;
mod session;
mod signal;
mod statement_search;
mod statements;
mod subject_lines;
mod verdict;

use std::net::IpAddr;
use std::sync::LazyLock;

pub use author::Author;
pub use cause::Cause;
pub use format::{Format, Layer};
pub use formats::FORMATS;
pub use handed_in::HandedIn;
pub use json::VerdictJson;
pub use kind::Kind;
pub use languages::{LANGUAGES, Language};
pub use refusal::{RefusalSense, refusal_sense};
pub use report::{ReportFields, ReportedRecipient};
pub use session::SessionFacts;
pub use verdict::{Verdict, callout, null_rejected};

use self::authorship::author;
use self::cause_signs::{CauseSigns, cause};
use self::format::FormatClaim;
use self::reading::MessageReading;
use self::search::SignalSearch;
use crate::mail::{Header, Mailbox, Message, ReceivedHop};

/// Version of the classifier, stored with every verdict in the journal. Increase it with every
/// change that may classify a message differently.
pub const VERSION: u32 = 5;

static SEARCH: LazyLock<SignalSearch> =
    LazyLock::new(|| SignalSearch::new(FORMATS.iter().map(|format| format.signals)));

/// Classifies a message that `session` brought.
pub fn classify(message: &Message, session: &SessionFacts) -> Verdict {
    let reading = MessageReading::new(message, session, &SEARCH);
    let claimed = FORMATS.iter().enumerate().find_map(|(at, format)| {
        (format.claim)(&reading, reading.shown(at)).map(|claim| (format.name, claim))
    });
    let Some((format, FormatClaim { mut kind, mut report, mut reasons })) = claimed else {
        return unclaimed(&reading, session);
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
    let (author, mark) = author(&reading, session);
    report.author = author;
    if author == Author::User && kind.may_score() {
        doubts.push(format!("a user of the relay may have written it: {mark}"));
    } else {
        reasons.push(mark.to_owned());
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
    (report.generator, report.carried) = way(&reading, session);
    report.writer.clone_from(&reading.from);
    judge_recipients(&reading, kind, &mut report.recipients);
    Verdict { kind, format, report, reasons, doubts }
}

/// Reads for every recipient of a report why delivery failed, and whether another address led to it.
fn judge_recipients(reading: &MessageReading<'_>, kind: Kind, recipients: &mut [ReportedRecipient]) {
    let again = reading.original.as_ref().is_some_and(|original| original.handed_in_again);
    let expanded = again || EXPANDED.iter().any(|phrase| reading.line.contains(phrase));
    let addressed = reading.original.as_ref().and_then(|original| original.addressed.as_ref());
    let is_only = recipients.len() == 1;
    for recipient in recipients {
        // The relay's own Received field says for which address it took the original.
        let other =
            addressed.zip(recipient.mailbox.as_ref()).is_some_and(|(of, to)| of.folded() != to.folded());
        recipient.expanded |= expanded || other;
        recipient.cause = match kind {
            // A filter wrote the notice, or a rule of the recipient refused the message.
            Kind::ContentNotice | Kind::MdnReject => Cause::Policy,
            _ => cause_for(reading, recipient, is_only),
        };
    }
}

/// Phrases that Exim, Postfix and Sendmail write after an address that another address expanded to.
const EXPANDED: [&str; 2] = ["(generated from", "(expanded from"];

/// Why delivery to a recipient failed. The reply that the report quotes for the recipient and the
/// status code decide. If they do not say it, the lines about the recipient do. If these do not say
/// it either, the whole text does, if it is about this recipient only.
fn cause_for(reading: &MessageReading<'_>, recipient: &ReportedRecipient, is_only: bool) -> Cause {
    let signs = |text: Option<&str>| text.map(|text| reading.cause_signs(text)).unwrap_or_default();
    let folded = recipient.mailbox.as_ref().map(Mailbox::folded);
    let named = reading.named.iter().find(|named| Some(named.mailbox.folded()) == folded);
    let lines = || signs(named.and_then(|named| named.diagnostic.as_deref()));
    // Without a reply, the lines about the recipient take its place beside the status.
    let reply = recipient.diagnostic.as_deref().map_or_else(lines, |reply| signs(Some(reply)));
    let of_group = [reply, recipient.status.map(CauseSigns::of_status).unwrap_or_default()];
    cause(&of_group)
        .or_else(|| cause(&[lines()]))
        .or_else(|| cause(&[signs(is_only.then_some(reading.line.as_str()))]))
        .unwrap_or_default()
}

/// Every format that would claim a message, in the order of [`FORMATS`]. The tests check that
/// exactly one of them belongs to the first layer that claims it.
pub fn claims(message: &Message, session: &SessionFacts) -> Vec<(Layer, &'static str)> {
    let reading = MessageReading::new(message, session, &SEARCH);
    let claiming = FORMATS
        .iter()
        .enumerate()
        .filter(|(at, format)| (format.claim)(&reading, reading.shown(*at)).is_some());
    claiming.map(|(_, format)| (format.layer, format.name)).collect()
}

/// The verdict on a message that no format claims.
fn unclaimed(reading: &MessageReading<'_>, session: &SessionFacts) -> Verdict {
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
        report: ReportFields { author: author(reading, session).0, ..ReportFields::default() },
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
/// relay. Any other client address, or one that cannot be read, means that another host handed the
/// report in.
fn way(reading: &MessageReading<'_>, session: &SessionFacts) -> (Option<String>, bool) {
    let hops = &reading.hops;
    let generator = hops.iter().rev().find_map(|hop| hop.by.clone());
    let foreign = |address: IpAddr| !address.is_loopback() && Some(address) != session.client;
    let is_foreign = |hop: &ReceivedHop| hop.has_unclear_address || hop.from_address.is_some_and(foreign);
    let carried = session.client.is_some() && hops.iter().any(is_foreign);
    (generator, carried)
}
