//! Reports of Yahoo, and of the providers that used its mail system (SBC, Rogers, BT).

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "yahoo",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "unable to deliver message to the following address(es)",
                "sorry, we were unable to deliver your message to the following address",
                "i'm afraid i wasn't able to deliver the following message",
            ]),
            reason: "opens with Yahoo's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["--- original message follows"]),
            reason: "announces the copy of the message in Yahoo's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = shown.at(0).then(|| report_in_words(reading, shown)).flatten()?;
    claim.report.reporting_mta = reading.host_behind("message from ");
    Some(claim)
}
