//! Abuse feedback reports (ARF, RFC 5965).

use super::{Format, Layer, Shown, returned};
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};
use crate::classify::{Claim, Kind};

pub(super) const FORMAT: Format = Format {
    name: "feedback",
    layer: Layer::Fields,
    signals: &[
        Signal {
            mark: Mark::Words(&["feedback-type: abuse", "feedback-type: auth-failure"]),
            reason: "its fields stand in the text",
        },
        Signal {
            mark: Mark::Words(&[
                "this is an email abuse report",
                "a message claiming to be from you has failed the published dmarc policy",
                "sent this email to unsubscribe from the message",
            ]),
            reason: "complains of a message on its receiver's behalf",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let parts = &reading.message.parts;
    let typed = parts.iter().any(|part| {
        part.report_type.as_deref() == Some("feedback-report") || part.media_type == "message/feedback-report"
    });
    (typed || shown.at(0) || shown.at(1)).then(|| {
        let mut reasons = shown.reasons();
        if typed {
            reasons.push("typed as a feedback report".to_owned());
        }
        Claim { kind: Kind::FeedbackReport, reasons, report: returned(reading) }
    })
}
