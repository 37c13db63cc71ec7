//! Yahoo and the houses that ran on it (SBC, Rogers, BT).

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "yahoo",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "unable to deliver message to the following address(es)",
                "sorry, we were unable to deliver your message to the following address",
                "i'm afraid i wasn't able to deliver the following message",
            ]),
            reason: "opens as Yahoo does",
        },
        Signal {
            mark: Mark::Words(&["--- original message follows"]),
            reason: "announces the copy of the message as Yahoo does",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let mut claim = shown.at(0).then(|| report_in_words(reading, shown)).flatten()?;
    claim.report.reporting_mta = reading.host_behind("message from ");
    Some(claim)
}
