//! Challenges, which ask the sender of a message to confirm that a person sent it.
//!
//! They are written by TMDA, ASK, BoxTrapper, Spam Arrest and similar programs.

use super::{Format, Layer, Shown, two_classes};
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};
use crate::classify::{Claim, Kind, Report};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "challenge",
    layer: Layer::Notices,
    signals: &[
        Signal { mark: Mark::Field("x-boxtrapper", &[]), reason: "written by BoxTrapper" },
        Signal { mark: Mark::Field("x-bluebottle-request", &[]), reason: "written by Bluebottle" },
        Signal { mark: Mark::Field("x-askversion", &[]), reason: "written by ASK" },
        Signal { mark: Mark::Field("x-spamarrest-noauth", &[]), reason: "written by Spam Arrest" },
        Signal { mark: Mark::Field("message-id", &["-tmda-confirm"]), reason: "the Message-ID is TMDA's" },
        Signal { mark: Mark::Field("content-type", &["mailinblack"]), reason: "written by Mailinblack" },
        Signal {
            mark: Mark::Subject(&[
                "verify#",
                "[qurb ",
                "please confirm your message",
                "requires verification",
                "bestätigen sie",
            ]),
            reason: "the subject asks for a confirmation",
        },
        Signal {
            mark: Mark::Words(&[
                "requires that you verify",
                "real live human being",
                "confirm that you are a human",
                "you are not a spammer",
                "just this once, please confirm",
                "is protected by spamarrest",
                "requires that new senders",
                "your message has been placed in a queue awaiting",
                "to release your message",
                "has not yet been delivered because",
                "um sicherzustellen, dass sie kein spammer",
                "veuillez confirmer que vous",
            ]),
            reason: "asks the sender to confirm that a person sent the message",
        },
    ],
    claim,
};

/// Number of signals, from the first on, each of which is typical of one product and enough alone.
const OWN_MARKS: usize = 6;

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let decisive = !reading.signs.list_post && (0..OWN_MARKS).any(|at| shown.at(at));
    let original_sender = reading.original.as_ref().and_then(|original| original.sender.clone());
    (decisive || two_classes(shown)).then(|| Claim {
        kind: Kind::Challenge,
        reasons: shown.reasons(),
        report: Report { original_sender, ..Report::default() },
    })
}
