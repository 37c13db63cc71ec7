//! Plain-text reports of Sendmail 5, and of programs that imitate it.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "sendmail",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&["- transcript of session follows -", "-transcript of session follows-"]),
            reason: "introduces a session transcript in Sendmail's words",
        },
        Signal {
            mark: Mark::Words(&[
                "the following addresses had permanent fatal errors",
                "the following addresses had permanent delivery errors",
                "the following addresses had transient non-fatal errors",
                "the following addresses had delivery errors",
                "the following addresses had delivery problems",
            ]),
            reason: "introduces the failed addresses in Sendmail's words",
        },
        Signal {
            mark: Mark::Words(&["- unsent message follows -"]),
            reason: "introduces the returned message in the words of Sendmail 5",
        },
        Signal { mark: Mark::Subject(&["returned mail: "]), reason: "the subject is Sendmail's" },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    report_in_words(reading, shown)
}
