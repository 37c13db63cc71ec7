//! Reports of Novell GroupWise.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "groupwise",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Subject(&["message status - undeliverable"]),
            reason: "the subject is GroupWise's",
        },
        FormatSignal {
            mark: Pattern::Words(&["the message that you sent was undeliverable to the following"]),
            reason: "describes the failure in GroupWise's words",
        },
        FormatSignal { mark: Pattern::Field("x-mailer", &["groupwise"]), reason: "written by GroupWise" },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
