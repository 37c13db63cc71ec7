//! Reports of Trend Micro InterScan Messaging Security.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "interscan",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&["message from interscan messaging security suite"]),
            reason: "opens with InterScan's words",
        },
        Signal {
            mark: Mark::Words(&[
                "unable to deliver message to <",
                "the following mail could not be delivered",
            ]),
            reason: "describes the failure in InterScan's words",
        },
        Signal {
            mark: Mark::Field("content-type", &["interscan_nt_mime_boundary"]),
            reason: "the MIME boundary is InterScan's",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    shown.at(1).then(|| report_in_words(reading, shown)).flatten()
}
