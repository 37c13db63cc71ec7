//! Challenges, which ask the sender of a message to confirm that a person sent it.
//!
//! They are written by TMDA, ASK, BoxTrapper, Spam Arrest and similar programs.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "challenge",
    layer: Layer::Notices,
    signals: &[
        FormatSignal { mark: Pattern::Field("x-boxtrapper", &[]), reason: "written by BoxTrapper" },
        FormatSignal { mark: Pattern::Field("x-bluebottle-request", &[]), reason: "written by Bluebottle" },
        FormatSignal { mark: Pattern::Field("x-askversion", &[]), reason: "written by ASK" },
        FormatSignal { mark: Pattern::Field("x-spamarrest-noauth", &[]), reason: "written by Spam Arrest" },
        FormatSignal {
            mark: Pattern::Field("message-id", &["-tmda-confirm"]),
            reason: "the Message-ID is TMDA's",
        },
        FormatSignal {
            mark: Pattern::Field("content-type", &["mailinblack"]),
            reason: "written by Mailinblack",
        },
        FormatSignal {
            mark: Pattern::Subject(&[
                "verify#",
                "[qurb ",
                "please confirm your message",
                "requires verification",
                "bestätigen sie",
            ]),
            reason: "the subject asks for a confirmation",
        },
        FormatSignal {
            mark: Pattern::Words(&[
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

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let decisive = !reading.signs.list_post && (0..OWN_MARKS).any(|at| shown.at(at));
    let original_sender = reading.original.as_ref().and_then(|original| original.sender.clone());
    (decisive || shown.has_two_classes()).then(|| FormatClaim {
        kind: Kind::Challenge,
        reasons: shown.reasons(),
        report: ReportFields { original_sender, ..ReportFields::default() },
    })
}
