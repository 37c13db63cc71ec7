//! Gmail and Google Groups. What Groups says stands in the reader's language, so its fields tell it.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "gmail",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Field(
                "from",
                &["mailer-daemon@googlemail.com", "mailer-daemon@gmail.com", "mailer-daemon@google.com"],
            ),
            reason: "sent in the name of Google's mail system",
        },
        Signal {
            mark: Mark::Words(&[
                "this is an automatically generated delivery status notification delivery to the following recipient",
                "delivery to the following recipient failed permanently",
                "delivery to the following recipients failed permanently",
                "technical details of permanent failure",
                "technical details of temporary failure",
                "delivery to the following recipient has been delayed",
                "there was a problem delivering your message to ",
                "your message wasn't delivered to ",
                "we're writing to let you know that the group you tried to contact",
            ]),
            reason: "says what happened as Gmail does",
        },
        Signal {
            mark: Mark::Field("x-failed-recipients", &[]),
            reason: "names the failed recipients in X-Failed-Recipients",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    // X-Failed-Recipients is Exim's as well.
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
