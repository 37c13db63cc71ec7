//! Claims and reads reports in plain text, for all formats that are recognised by their words.

use super::common_signals::CommonSignals;
use super::format::FormatClaim;
use super::kind::Kind;
use super::reading::MessageReading;
use super::report::{ReportFields, ReportedRecipient};
use super::signal::{ShownSignals, SignClass};
use crate::mail::{DsnAction, Mailbox};

/// Claims a report in plain text, which needs two kinds of signs. One of them must be a pattern of
/// the format in the text or in a field.
pub(super) fn report_in_words(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    if !(shown.has(SignClass::Words) || shown.has(SignClass::Field)) {
        return None;
    }
    let signs = reading.signs;
    // People quote reports, especially on mailing lists. The From field must name a mail system; or
    // the message must not be a list post and must have the null reverse-path, a field of the
    // format, or a returned original.
    let written = signs.mail_system
        || (signs.null_path || shown.has(SignClass::Field) || signs.copy) && !signs.list_post;
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
    (classes.into_iter().filter(|seen| *seen).count() >= 2).then(|| words_claim(reading, shown.reasons()))
}

/// Reads a report in plain text.
pub(super) fn words_claim(reading: &MessageReading<'_>, mut reasons: Vec<String>) -> FormatClaim {
    let (delay, permanent) = (reading.says(CommonSignals::Delay), reading.says(CommonSignals::Permanent));
    let signs = reading.signs;
    let common = [
        (signs.mail_system, "the From field or the Content-Type is that of a mail system"),
        (signs.copy, "returns the original or its header, or announces a copy"),
        (signs.recipients, "lists the failed recipient on its own line"),
        (signs.reply, "quotes an SMTP reply or an enhanced status code"),
        (delay, "says that delivery is still being tried"),
    ];
    reasons.extend(common.into_iter().filter(|(seen, _)| *seen).map(|(_, reason)| reason.to_owned()));
    // Well-run hosts also report successes and delays, which must not score. The report is of a
    // failure only if it is of neither.
    let (kind, action) = if reading.says(CommonSignals::Success) && !permanent && !signs.reply {
        (Kind::DsnSuccess, DsnAction::Delivered)
    } else if delay && !permanent {
        (Kind::DsnDelayed, DsnAction::Delayed)
    } else {
        (Kind::NonstandardNdr, DsnAction::Failed)
    };
    FormatClaim {
        kind,
        reasons,
        report: ReportFields { recipients: recipients(reading, action), ..reading.returned() },
    }
}

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
            diagnostic: only.and_then(|named| named.diagnostic.clone()),
            ..ReportedRecipient::default()
        }
    };
    let failed = reading.header().all("X-Failed-Recipients").flat_map(|field| field.split(','));
    let failed: Vec<ReportedRecipient> = failed.filter_map(Mailbox::find).map(of).collect();
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
    original_for.into_iter().map(of).collect()
}
