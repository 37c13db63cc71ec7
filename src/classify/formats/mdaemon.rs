//! Reports of MDaemon.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mdaemon",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Field("x-mddsn-message", &[]),
            reason: "X-MDDSN-Message says that it is a report",
        },
        Signal { mark: Mark::Field("from", &["mdaemon@"]), reason: "the From field names MDaemon" },
        Signal {
            mark: Mark::Words(&[
                "the attached message had permanent fatal delivery errors",
                "the attached message has been removed from the mail queue",
                "your message was not delivered!",
                "no such user here. there is no user by that name at this server",
                "the following addresses did not receive a copy of your message",
                "session transcript follows",
            ]),
            reason: "describes the failure in MDaemon's words",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) || shown.at(2)).then(|| report_in_words(reading, shown)).flatten()
}
