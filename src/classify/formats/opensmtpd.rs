//! Reports of OpenSMTPD from before it wrote delivery-status fields.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "opensmtpd",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&["hi! this is the mailer-daemon, please do not reply to this e-mail"]),
            reason: "opens with OpenSMTPD's words",
        },
        Signal {
            mark: Mark::Words(&[
                "an error has occurred while attempting to deliver a message for the following list of recipients",
                "a message is delayed for more than",
            ]),
            reason: "describes the failure in OpenSMTPD's words",
        },
        Signal {
            mark: Mark::Words(&["below is a copy of the original message:"]),
            reason: "announces the copy of the message in OpenSMTPD's words",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
