//! Message disposition notifications (RFC 8098): receipts, and refusals by a filter.

use super::{Format, Layer, Shown, returned};
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};
use crate::classify::{Claim, Kind, Recipient, Report};
use crate::mail::{Action, Content, Header, Mailbox};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "disposition",
    layer: Layer::Fields,
    signals: &[
        Signal {
            mark: Mark::Field("auto-submitted", &["(rejected)"]),
            reason: "Auto-Submitted says that the message was rejected",
        },
        Signal {
            mark: Mark::Words(&[
                "was automatically rejected",
                "your message was rejected",
                "refused by the recipient",
                "the following reason was given",
            ]),
            reason: "the text says that the message was rejected",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let groups = reading.message.parts.iter().find_map(|part| match &part.content {
        Content::Fields(groups) if part.media_type.ends_with("disposition-notification") => Some(groups),
        _ => None,
    })?;
    let field = |name: &str| groups.iter().find_map(|group: &Header| group.field(name));
    let disposition = field("Disposition").unwrap_or_default().to_ascii_lowercase();
    // "manual-action" means that a person deleted the message (RFC 8098 §3.2.6).
    let by_program = disposition.contains("automatic-action") && disposition.contains("deleted");
    let rejected = by_program && shown.any() || shown.at(0) && shown.at(1);
    let mut reasons =
        vec![format!("a disposition notification: {}", if rejected { "a refusal" } else { "a receipt" })];
    reasons.extend(shown.reasons());
    let mailbox = field("Final-Recipient").or(field("Original-Recipient")).and_then(Mailbox::find);
    Some(Claim {
        kind: if rejected { Kind::MdnReject } else { Kind::Mdn },
        reasons,
        report: Report {
            reporting_mta: None,
            recipients: vec![Recipient {
                action: rejected.then_some(Action::Failed),
                ..Recipient::of(mailbox)
            }],
            ..returned(reading)
        },
    })
}
