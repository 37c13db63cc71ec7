//! Reports of m-FILTER by Digital Arts, which are in Japanese.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mfilter",
    layer: Layer::Words,
    signals: &[
        Signal { mark: Mark::Field("x-mailer", &["m-filter"]), reason: "written by m-FILTER" },
        Signal {
            mark: Mark::Words(&["-------server message", "-------smtp command"]),
            reason: "introduces the quoted session in m-FILTER's words",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
