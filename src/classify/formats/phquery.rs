//! Reports of phquery, which looks up recipients in a directory (CCSO nameserver).

use super::{Format, Layer, ShownSignals, report_in_words};
use crate::classify::FormatClaim;
use crate::classify::reading::MessageReading;
use crate::classify::signal::{FormatSignal, Pattern};

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
