//! Sendmail's words without its fields, as version 5 wrote them, and those of programs that imitate it.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "sendmail",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&["- transcript of session follows -", "-transcript of session follows-"]),
            reason: "shows a transcript as Sendmail does",
        },
        Signal {
            mark: Mark::Words(&[
                "the following addresses had permanent fatal errors",
                "the following addresses had permanent delivery errors",
                "the following addresses had transient non-fatal errors",
                "the following addresses had delivery errors",
                "the following addresses had delivery problems",
            ]),
            reason: "announces the failed addresses as Sendmail does",
        },
        Signal {
            mark: Mark::Words(&["- unsent message follows -"]),
            reason: "returns the message as Sendmail 5 does",
        },
        Signal { mark: Mark::Subject(&["returned mail: "]), reason: "its subject is Sendmail's" },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    report_in_words(reading, shown)
}
