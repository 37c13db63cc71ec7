//! Reports of Trend Micro InterScan Messaging Security.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "interscan",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&["message from interscan messaging security suite"]),
            reason: "opens with InterScan's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "unable to deliver message to <",
                "the following mail could not be delivered",
            ]),
            reason: "describes the failure in InterScan's words",
        },
        FormatSignal {
            mark: Pattern::Field("content-type", &["interscan_nt_mime_boundary"]),
            reason: "the MIME boundary is InterScan's",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
