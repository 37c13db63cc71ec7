//! Claims and reads reports in plain text, for all formats that are recognised by their words.

use super::cleaned_text::addresses_in;
use super::format::FormatClaim;
use super::kind::Kind;
use super::reading::MessageReading;
use super::report::{ReportFields, ReportedRecipient};
use super::signal::{ShownSignals, SignClass};
use super::statements::Statement;
use crate::mail::{DsnAction, Mailbox};

/// Claims a report in plain text, which needs two kinds of signs. One of them must be a pattern of
/// the format in the text or in a field.
pub(super) fn report_in_words(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    if !(shown.has(SignClass::Words) || shown.has(SignClass::Field)) {
        return None;
    }
    let signs = reading.signs;
    // People quote reports, especially on mailing lists. The From field must name a mail system; or
    // the message must not be a list post and must have a field of the format or a returned original.
    let written = signs.mail_system || (shown.has(SignClass::Field) || signs.copy) && !signs.list_post;
    if !written {
        return None;
    }
    let classes = [
        shown.has(SignClass::Words),
        shown.has(SignClass::Field),
        signs.mail_system,
        signs.copy,
        signs.recipients,
        signs.reply,
    ];
    (classes.into_iter().filter(|seen| *seen).count() >= 2).then(|| words_claim(reading, shown.reasons()))?
}

/// Reads a report in plain text. `None` if the text does not say what became of the message.
pub(super) fn words_claim(reading: &MessageReading<'_>, mut reasons: Vec<String>) -> Option<FormatClaim> {
    let (kind, action, said) = outcome(reading)?;
    reasons.push(said.to_owned());
    Some(claim_of(reading, reasons, kind, action))
}

/// Reads a report of a failure, which signals of the format say.
pub(super) fn failure_claim(reading: &MessageReading<'_>, reasons: Vec<String>) -> FormatClaim {
    claim_of(reading, reasons, Kind::NonstandardNdr, DsnAction::Failed)
}

fn claim_of(
    reading: &MessageReading<'_>,
    mut reasons: Vec<String>,
    kind: Kind,
    action: DsnAction,
) -> FormatClaim {
    let signs = reading.signs;
    let common = [
        (signs.mail_system, "the From field or the Content-Type is that of a mail system"),
        (signs.copy, "returns the original or its header, or announces a copy"),
        (signs.recipients, "lists the failed recipient on its own line"),
        (signs.reply, "quotes an SMTP reply or an enhanced status code"),
    ];
    reasons.extend(common.into_iter().filter(|(seen, _)| *seen).map(|(_, reason)| reason.to_owned()));
    let report = ReportFields { recipients: recipients(reading, action), ..reading.returned() };
    FormatClaim { kind, reasons, report }
}

/// What the text says that became of the message, and by which words. Nothing is assumed: a text
/// that says neither a failure nor a delay nor a delivery is no report.
///
/// Well-run hosts also report deliveries and delays, which must not score. A text that also says one
/// of these is a report of a failure only if it says that the failure is final.
fn outcome(reading: &MessageReading<'_>) -> Option<(Kind, DsnAction, &'static str)> {
    let is_final = reading.says(Statement::Permanent);
    let is_refused = reading.signs.refusal;
    if reading.says(Statement::Delivered) && !is_final && !is_refused {
        // Programs of users write that a message was delivered, too.
        return reading.signs.mail_system.then_some((
            Kind::DsnSuccess,
            DsnAction::Delivered,
            "says that the message was delivered",
        ));
    }
    if reading.says(Statement::Delayed) && !is_final {
        return Some((Kind::DsnDelayed, DsnAction::Delayed, "says that delivery is still being tried"));
    }
    let said = if reading.says(Statement::Failed) || is_final {
        "says that the message was not delivered"
    } else if gives_reason(reading) {
        "says why the message was not delivered"
    } else if is_refused {
        "quotes a reply that refuses the message for good"
    } else {
        return None;
    };
    Some((Kind::NonstandardNdr, DsnAction::Failed, said))
}

/// Whether the text gives a reason that only a failed delivery has. A host that can't be reached may
/// also be the reason of a delay, and a notice to an administrator speaks of content, too.
pub(super) fn gives_reason(reading: &MessageReading<'_>) -> bool {
    reading.says(Statement::Address) || reading.says(Statement::Mailbox)
}

/// Largest number of recipients that are read from X-Failed-Recipients.
const FAILED_MAX: usize = 64;

/// The recipients in X-Failed-Recipients, with what the text says about them. Without that field,
/// these are the recipients that the text names, or else the only address in the To field of the
/// original.
fn recipients(reading: &MessageReading<'_>, action: DsnAction) -> Vec<ReportedRecipient> {
    let of = |mailbox: Mailbox| {
        let named = reading.named.iter().find(|named| named.mailbox.folded() == mailbox.folded());
        let only = named.or_else(|| reading.named.first().filter(|_| reading.named.len() == 1));
        ReportedRecipient {
            mailbox: Some(mailbox),
            action: Some(action),
            status: only.and_then(|named| named.status),
            remote: only.is_some_and(|named| named.remote),
            remote_mta: only.filter(|named| named.remote).and_then(|named| named.remote_mta.clone()),
            diagnostic: only.and_then(|named| named.reply()).map(str::to_owned),
            ..ReportedRecipient::default()
        }
    };
    let failed = reading.header().all("X-Failed-Recipients").flat_map(|field| field.split(','));
    let failed: Vec<ReportedRecipient> = failed.take(FAILED_MAX).filter_map(Mailbox::find).map(of).collect();
    if !failed.is_empty() {
        return failed;
    }
    if !reading.named.is_empty() {
        return reading.named.iter().map(|named| of(named.mailbox.clone())).collect();
    }
    let original_for = reading.original.as_ref().and_then(|original| {
        let mut to = original.header.field("To")?.split(',');
        let only = to.next().and_then(Mailbox::find)?;
        to.next().is_none().then_some(only)
    });
    // A text that names another address is about that one. If it names several, it is not understood.
    let mut others = other_addresses(reading, original_for.as_ref());
    let meant = match others.len() {
        0 => original_for,
        1 => others.pop(),
        _ => None,
    };
    meant.into_iter().map(of).collect()
}

/// The addresses in the text that are neither the given one nor ones that reports usually contain: the
/// sender's, the trap's, and those of the writer's domain, at which help is offered.
fn other_addresses(reading: &MessageReading<'_>, given: Option<&Mailbox>) -> Vec<Mailbox> {
    let sender = reading.original.as_ref().and_then(|original| original.sender.as_ref());
    let reader = reading.header().field("To").and_then(Mailbox::find);
    let known = [given, sender, reading.addressed, reader.as_ref()];
    let from = reading.from.as_ref().map(Mailbox::domain);
    let places = addresses_in(&reading.line).into_iter().take(ADDRESSES_MAX);
    let named = places.filter_map(|place| Mailbox::parse(reading.line[place].trim_end_matches('.')));
    let is_other = |named: &Mailbox| {
        let is_known = known.into_iter().flatten().any(|known| known.folded() == named.folded());
        !is_known && !from.is_some_and(|from| is_within(from, named.domain()))
    };
    let mut others: Vec<Mailbox> = named.filter(is_other).collect();
    others.dedup_by(|one, other| one.folded() == other.folded());
    others
}

/// Whether a domain is another one, or lies below it.
fn is_within(domain: &str, other: &str) -> bool {
    domain.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Largest number of addresses of the text that are compared.
const ADDRESSES_MAX: usize = 64;
