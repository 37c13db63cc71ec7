//! Reports of the DragonFly Mail Agent.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "dragonfly",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&["this is the dragonfly mail agent "]),
            reason: "opens with the DragonFly Mail Agent's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["there was an error delivering your mail to "]),
            reason: "describes the failure in the DragonFly Mail Agent's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = report_in_words(reading, shown)?;
    // The line reads "This is the DragonFly Mail Agent v0.13 at relay.example."
    claim.report.reporting_mta = reading.line.split("DragonFly Mail Agent ").nth(1).and_then(|rest| {
        let mut words = rest.split(' ').skip(1);
        (words.next() == Some("at"))
            .then(|| words.next().map(|host| host.trim_end_matches('.').to_ascii_lowercase()))?
    });
    Some(claim)
}
