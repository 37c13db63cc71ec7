//! Reports of the DragonFly Mail Agent.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "dragonfly",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&["this is the dragonfly mail agent "]),
            reason: "opens with the DragonFly Mail Agent's words",
        },
        Signal {
            mark: Mark::Words(&["there was an error delivering your mail to "]),
            reason: "describes the failure in the DragonFly Mail Agent's words",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let mut claim = report_in_words(reading, shown)?;
    // The line reads "This is the DragonFly Mail Agent v0.13 at relay.example."
    claim.report.reporting_mta = reading.line.split("DragonFly Mail Agent ").nth(1).and_then(|rest| {
        let mut words = rest.split(' ').skip(1);
        (words.next() == Some("at"))
            .then(|| words.next().map(|host| host.trim_end_matches('.').to_ascii_lowercase()))?
    });
    Some(claim)
}
