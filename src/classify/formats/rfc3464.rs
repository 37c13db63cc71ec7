//! Delivery status notifications (RFC 3464, RFC 6533), judged by their fields and by nothing else.
//!
//! The machine-readable part decides, wherever it stands: OpenSMTPD puts it into multipart/mixed, others make it the
//! top type. Prose never does.

use super::{injector, original_sender};
use crate::classify::{Claim, Kind, Recipient, Report};
use crate::mail::{Action, Content, DeliveryStatus, Header, Mailbox, Message};

pub(super) fn claim(message: &Message) -> Option<Claim> {
    let groups = message.parts.iter().find_map(|part| match &part.content {
        Content::Fields(groups) if part.media_type.ends_with("delivery-status") => Some(groups),
        _ => None,
    })?;
    let status = DeliveryStatus::from_groups(groups);
    let (kind, reason) = kind(&status)?;
    let mut reasons = vec![reason.to_owned()];
    let report_type = message.parts.first().and_then(|part| part.report_type.as_deref());
    if report_type != Some("delivery-status") {
        reasons.push("not typed multipart/report; report-type=delivery-status (RFC 6522 §3)".to_owned());
    }
    Some(Claim { kind, reasons, report: report(message, groups, status) })
}

/// The set of actions decides: one failure makes it a report of failure.
fn kind(status: &DeliveryStatus) -> Option<(Kind, &'static str)> {
    let actions: Vec<Action> = status.recipients.iter().filter_map(|recipient| recipient.action).collect();
    let has = |wanted: Action| actions.contains(&wanted);
    if has(Action::Failed) {
        Some((Kind::DsnFailed, "delivery-status with Action: failed"))
    } else if has(Action::Delayed) {
        Some((Kind::DsnDelayed, "delivery-status with Action: delayed"))
    } else if !actions.is_empty() {
        Some((Kind::DsnSuccess, "delivery-status without a failure or delay"))
    } else {
        None
    }
}

fn report(message: &Message, groups: &[Header], status: DeliveryStatus) -> Report {
    let original = message.original();
    let postfix_sender = groups
        .first()
        .and_then(|first| first.field("X-Postfix-Sender"))
        .and_then(|field| Mailbox::find(field.rsplit(';').next().unwrap_or(field)));
    Report {
        original_sender: postfix_sender.or_else(|| original.and_then(original_sender)),
        injector: injector(original),
        recipients: status
            .recipients
            .into_iter()
            .map(|recipient| Recipient {
                mailbox: recipient.final_recipient.or(recipient.original_recipient),
                action: recipient.action,
                status: recipient.status,
                remote_mta: recipient
                    .remote_mta
                    .filter(|remote| Some(remote) != status.reporting_mta.as_ref()),
            })
            .collect(),
        reporting_mta: status.reporting_mta,
        original_envelope_id: status.original_envelope_id,
    }
}
