//! Delivery status notifications, which are judged by their machine-readable fields (RFC 3464, RFC
//! 6533).
//!
//! The machine-readable part may be anywhere: OpenSMTPD puts it into multipart/mixed, other
//! programs make it the top-level type, and gateways flatten it into the text. The text is used
//! only to recognise a content filter.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::{ReportFields, ReportedRecipient};
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::{DeliveryStatus, DsnAction, Header, Mailbox, MimePart, PartContent, RecipientStatus};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "rfc3464",
    layer: Layer::Fields,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "banned contents alert",
                "banned contents from you",
                "banned filename alert",
                "virus alert",
                "our content checker found",
            ]),
            reason: "a content filter reports what it found in the original",
        },
        FormatSignal {
            mark: Pattern::Words(&["final-recipient:"]),
            reason: "the delivery-status fields are in the text",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let Some((groups, status)) = fields(reading, shown) else { return without_recipients(reading) };
    let Some((kind, reason)) = kind(&status) else { return without_recipients(reading) };
    let mut reasons = vec![reason.to_owned()];
    if !reading.signs.typed {
        reasons.push(
            "the Content-Type is not multipart/report; report-type=delivery-status (RFC 6522 §3)".to_owned(),
        );
    }
    let filtered = kind == Kind::DsnFailed && shown.at(0) && !reading.line.contains(" said: ");
    if filtered {
        reasons.push(FORMAT.signals[0].reason.to_owned());
    }
    let kind = if filtered { Kind::ContentNotice } else { kind };
    Some(FormatClaim { kind, reasons, report: report(reading, &groups, status) })
}

/// What becomes of a message that says that it is a delivery report, and whose status part is missing
/// or names no recipient. It is neither a failure nor a reply, whatever its text says: the part that
/// is missing may say that the message was delayed or delivered.
fn without_recipients(reading: &MessageReading<'_>) -> Option<FormatClaim> {
    reading.signs.typed.then(|| FormatClaim {
        kind: Kind::Unknown,
        reasons: vec!["a delivery report by its Content-Type, without delivery-status fields".to_owned()],
        report: ReportFields {
            recipients: reading
                .named
                .iter()
                .map(|named| ReportedRecipient::of(Some(named.mailbox.clone())))
                .collect(),
            ..reading.returned()
        },
    })
}

/// The groups of fields, from the machine-readable part or, if there is none, from the text.
fn fields(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<(Vec<Header>, DeliveryStatus)> {
    let read = |groups: Vec<Header>| {
        let status = DeliveryStatus::from_groups(&groups);
        (!status.recipients.is_empty()).then_some((groups, status))
    };
    // Some gateways also give their text this media type.
    let of_part = reading.message.parts.iter().find_map(|part| match &part.content {
        PartContent::Fields(groups) if is_status_part(part, reading) => read(groups.clone()),
        _ => None,
    });
    let in_text = || {
        // No text is expected to contain more than 20 groups.
        (shown.at(1) && reading.signs.mail_system)
            .then(|| read(Header::report_groups(reading.words.as_bytes(), 20)))
            .flatten()
    };
    of_part.or_else(in_text)
}

/// Whether a part has the fields of this report. People forward reports, and automatic replies return
/// them, so a mail system must have written the message, or it must be a report by its type.
fn is_status_part(part: &MimePart, reading: &MessageReading<'_>) -> bool {
    let signs = reading.signs;
    let is_own = signs.mail_system || signs.typed || part.depth == 0;
    part.media_type.ends_with("delivery-status") && is_own
}

/// The kind by the actions of all recipients: one failed recipient makes it a report of a failure.
/// If no action is given, the status codes decide.
fn kind(status: &DeliveryStatus) -> Option<(Kind, &'static str)> {
    let actions: Vec<DsnAction> = status.recipients.iter().filter_map(|recipient| recipient.action).collect();
    let has = |wanted: DsnAction| actions.contains(&wanted);
    let class =
        |wanted: u8| status.recipients.iter().any(|r| r.status.is_some_and(|status| status.class == wanted));
    if has(DsnAction::Failed) {
        Some((Kind::DsnFailed, "delivery-status with Action: failed"))
    } else if has(DsnAction::Delayed) {
        Some((Kind::DsnDelayed, "delivery-status with Action: delayed"))
    } else if !actions.is_empty() {
        Some((Kind::DsnSuccess, "delivery-status without a failure or delay"))
    } else if class(5) || status.recipients.iter().any(refused) {
        Some((Kind::DsnFailed, "delivery-status with a status or a reply of class 5 and no action"))
    } else if class(4) {
        Some((Kind::DsnDelayed, "delivery-status with a status of class 4 and no action"))
    } else if class(2) {
        Some((Kind::DsnSuccess, "delivery-status with a status of class 2 and no action"))
    } else {
        None
    }
}

/// Whether the quoted reply of another host is a permanent refusal (RFC 3464 §2.3.6).
fn refused(recipient: &RecipientStatus) -> bool {
    recipient.status.is_none() && recipient.diagnostic.as_deref().is_some_and(|reply| reply.starts_with('5'))
}

fn report(reading: &MessageReading<'_>, groups: &[Header], status: DeliveryStatus) -> ReportFields {
    let postfix_sender = groups
        .iter()
        .find_map(|group| group.field("X-Postfix-Sender"))
        .and_then(|field| Mailbox::find(field.rsplit(';').next().unwrap_or(field)));
    let returned = reading.returned();
    ReportFields {
        original_sender: postfix_sender.or(returned.original_sender.clone()),
        recipients: status
            .recipients
            .into_iter()
            .map(|recipient| ReportedRecipient {
                expanded: matches!(
                    (&recipient.original_recipient, &recipient.final_recipient),
                    (Some(first), Some(last)) if first.folded() != last.folded() && last.domain().contains('.')
                ),
                // A final recipient whose domain has one label is an internal address of a gateway.
                mailbox: recipient
                    .final_recipient
                    .filter(|r| r.domain().contains('.') || recipient.original_recipient.is_none())
                    .or(recipient.original_recipient),
                action: recipient.action,
                status: recipient.status,
                remote: recipient
                    .remote_mta
                    .as_ref()
                    .is_some_and(|remote| Some(remote) != status.reporting_mta.as_ref()),
                remote_mta: recipient.remote_mta,
                diagnostic: recipient.diagnostic,
                ..ReportedRecipient::default()
            })
            .collect(),
        reporting_mta: status.reporting_mta,
        original_envelope_id: status.original_envelope_id,
        ..returned
    }
}
