//! Reports of phquery, which looks up recipients in a directory (CCSO nameserver).

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "phquery",
    layer: Layer::Words,
    signals: &[
        Signal { mark: Mark::Words(&["error detail (phquery "]), reason: "says that phquery wrote it" },
        Signal {
            mark: Mark::Words(&["message not delivered to the following"]),
            reason: "describes the failure in phquery's words",
        },
        Signal {
            mark: Mark::Subject(&["returned mail - nameserver error report"]),
            reason: "the subject is phquery's",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(0).then(|| report_in_words(reading, shown)).flatten()
}
