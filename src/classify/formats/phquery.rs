//! phquery, which asked a directory (CCSO nameserver) for the recipient and found nobody.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "phquery",
    layer: Layer::Words,
    signals: &[
        Signal { mark: Mark::Words(&["error detail (phquery "]), reason: "names phquery as its writer" },
        Signal {
            mark: Mark::Words(&["message not delivered to the following"]),
            reason: "says what happened as phquery does",
        },
        Signal {
            mark: Mark::Subject(&["returned mail - nameserver error report"]),
            reason: "its subject is phquery's",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(0).then(|| report_in_words(reading, shown)).flatten()
}
