//! Abuse feedback reports (ARF, RFC 5965).

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "feedback",
    layer: Layer::Fields,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&["feedback-type: abuse", "feedback-type: auth-failure"]),
            reason: "the feedback report's fields are in the text",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "this is an email abuse report",
                "a message claiming to be from you has failed the published dmarc policy",
                "sent this email to unsubscribe from the message",
            ]),
            reason: "complains about a message on behalf of its recipient",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let parts = &reading.message.parts;
    let typed = parts.iter().any(|part| {
        part.report_type.as_deref() == Some("feedback-report") || part.media_type == "message/feedback-report"
    });
    (typed || shown.at(0) || shown.at(1)).then(|| {
        let mut reasons = shown.reasons();
        if typed {
            reasons.push("the Content-Type is that of a feedback report".to_owned());
        }
        FormatClaim { kind: Kind::FeedbackReport, reasons, report: reading.returned() }
    })
}
