//! Message disposition notifications (RFC 8098): receipts, and refusals by a filter.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::{ReportFields, ReportedRecipient};
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::{DsnAction, Header, Mailbox, PartContent};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "disposition",
    layer: Layer::Fields,
    signals: &[
        FormatSignal {
            mark: Pattern::Field("auto-submitted", &["(rejected)"]),
            reason: "Auto-Submitted says that the message was rejected",
        },
        FormatSignal {
            mark: Pattern::Words(&[
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

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let groups = reading.message.parts.iter().find_map(|part| match &part.content {
        PartContent::Fields(groups) if part.media_type.ends_with("disposition-notification") => Some(groups),
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
    Some(FormatClaim {
        kind: if rejected { Kind::MdnReject } else { Kind::Mdn },
        reasons,
        report: ReportFields {
            reporting_mta: None,
            recipients: vec![ReportedRecipient {
                action: rejected.then_some(DsnAction::Failed),
                ..ReportedRecipient::of(mailbox)
            }],
            ..reading.returned()
        },
    })
}
