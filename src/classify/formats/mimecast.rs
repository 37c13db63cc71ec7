//! Reports of Mimecast.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mimecast",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "this is a delivery failure notification message indicating that an email",
                "an email that you attempted to send to the following address could not be delivered",
                "could not be delivered. the problem appears to be :",
            ]),
            reason: "describes the failure in Mimecast's words",
        },
        Signal {
            mark: Mark::Words(&[
                "additional information follows :",
                "attempt(s) to deliver over a period of",
            ]),
            reason: "lists the delivery attempts in Mimecast's words",
        },
        Signal {
            mark: Mark::Field("x-mimecast-originator", &["<>"]),
            reason: "X-Mimecast-Originator names the null reverse-path",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(0).then(|| report_in_words(reading, shown)).flatten()
}
