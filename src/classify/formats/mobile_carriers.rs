//! Reports of Japanese mobile carriers: au (EZweb, KDDI) and related providers.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mobile-carriers",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "each of the following recipients was rejected by a remote mail server",
                "the user(s) account is disabled",
                "the following recipients did not receive this message",
                "could not be delivered to: <",
            ]),
            reason: "describes the failure in au's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["your mail sent on: "]),
            reason: "gives the date of the mail in au's words",
        },
        FormatSignal {
            mark: Pattern::Field("from", &["postmaster@ezweb.ne.jp", ".dion.ne.jp", ".auone-net.jp"]),
            reason: "the From field names au",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let by_carrier = shown.at(0) && (shown.at(1) || shown.at(2));
    let claim = by_carrier.then(|| report_in_words(reading, shown)).flatten()?;
    Some(told::complete(claim, reading))
}
