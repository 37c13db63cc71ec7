//! Japanese mobile carriers: au (EZweb, KDDI) and their kin.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "mobile-carriers",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "each of the following recipients was rejected by a remote mail server",
                "the user(s) account is disabled",
                "the following recipients did not receive this message",
                "could not be delivered to: <",
            ]),
            reason: "says what happened as au does",
        },
        Signal {
            mark: Mark::Words(&["your mail sent on: "]),
            reason: "names the mail by its date as au does",
        },
        Signal {
            mark: Mark::Field("from", &["postmaster@ezweb.ne.jp", ".dion.ne.jp", ".auone-net.jp"]),
            reason: "sent in au's name",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) && (shown.at(1) || shown.at(2))).then(|| report_in_words(reading, shown)).flatten()
}
