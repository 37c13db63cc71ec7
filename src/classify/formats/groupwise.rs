//! Reports of Novell GroupWise.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "groupwise",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Subject(&["message status - undeliverable"]),
            reason: "the subject is GroupWise's",
        },
        Signal {
            mark: Mark::Words(&["the message that you sent was undeliverable to the following"]),
            reason: "describes the failure in GroupWise's words",
        },
        Signal { mark: Mark::Field("x-mailer", &["groupwise"]), reason: "written by GroupWise" },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
