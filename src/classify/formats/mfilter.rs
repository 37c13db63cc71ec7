//! m-FILTER (Digital Arts), which writes in Japanese.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "mfilter",
    layer: Layer::Words,
    signals: &[
        Signal { mark: Mark::Field("x-mailer", &["m-filter"]), reason: "written by m-FILTER" },
        Signal {
            mark: Mark::Words(&["-------server message", "-------smtp command"]),
            reason: "quotes the session as m-FILTER does",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
