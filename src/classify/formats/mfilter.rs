//! Reports of m-FILTER by Digital Arts, which are in Japanese.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mfilter",
    layer: Layer::Words,
    signals: &[
        FormatSignal { mark: Pattern::Field("x-mailer", &["m-filter"]), reason: "written by m-FILTER" },
        FormatSignal {
            mark: Pattern::Words(&["-------server message", "-------smtp command"]),
            reason: "introduces the quoted session in m-FILTER's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
