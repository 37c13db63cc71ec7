//! Reports of Lotus Notes and HCL Domino.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "domino",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "was not delivered to: ",
                "nicht zugestellt an: ",
                "n'a pas été distribué à : ",
            ]),
            reason: "describes the failure in Domino's words",
        },
        Signal {
            mark: Mark::Words(&[
                "not listed in domino directory",
                "not listed in public name & address book",
                "user not listed in",
                "- failure reasons -",
            ]),
            reason: "gives a reason in Domino's words",
        },
        Signal { mark: Mark::Subject(&["delivery failure: "]), reason: "the subject is Domino's" },
        Signal { mark: Mark::Field("x-mimetrack", &[]), reason: "passed through Domino (X-MIMETrack)" },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
