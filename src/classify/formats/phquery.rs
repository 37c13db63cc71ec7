//! Reports of phquery, which looks up recipients in a directory (CCSO nameserver).

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "phquery",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&["error detail (phquery "]),
            reason: "says that phquery wrote it",
        },
        FormatSignal {
            mark: Pattern::Words(&["message not delivered to the following"]),
            reason: "describes the failure in phquery's words",
        },
        FormatSignal {
            mark: Pattern::Subject(&["returned mail - nameserver error report"]),
            reason: "the subject is phquery's",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    shown.at(0).then(|| report_in_words(reading, shown)).flatten()
}
