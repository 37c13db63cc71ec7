//! Ipswitch IMail, whose mailer calls itself SMTP32.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "imail",
    layer: Layer::Words,
    signals: &[
        Signal { mark: Mark::Field("x-mailer", &["<smtp32 "]), reason: "written by IMail's mailer" },
        Signal {
            mark: Mark::Words(&[
                "unknown user: ",
                "unknown host: ",
                "undeliverable to ",
                "user mailbox exceeds allowed size: ",
                "user mailbox exceeds",
                "invalid final delivery userid: ",
                "delivery failed 5 attempts: ",
                "delivery failed 10 attempts: ",
                "delivery failed 20 attempts: ",
                "delivery userid: ",
            ]),
            reason: "says what happened as IMail does",
        },
        Signal {
            mark: Mark::Words(&["original message follows."]),
            reason: "announces the copy as IMail does",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) || shown.at(1) && shown.at(2) && reading.signs.mail_system)
        .then(|| report_in_words(reading, shown))
        .flatten()
}
