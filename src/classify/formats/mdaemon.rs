//! Reports of MDaemon.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mdaemon",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Field("x-mddsn-message", &[]),
            reason: "X-MDDSN-Message says that it is a report",
        },
        FormatSignal { mark: Pattern::Field("from", &["mdaemon@"]), reason: "the From field names MDaemon" },
        FormatSignal {
            mark: Pattern::Words(&[
                "the attached message had permanent fatal delivery errors",
                "the attached message has been removed from the mail queue",
                "your message was not delivered!",
                "no such user here. there is no user by that name at this server",
                "the following addresses did not receive a copy of your message",
            ]),
            reason: "describes the failure in MDaemon's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["session transcript follows", "--- session transcript ---"]),
            reason: "introduces the session transcript in MDaemon's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let claim =
        [0, 2, 3].into_iter().any(|at| shown.at(at)).then(|| report_in_words(reading, shown)).flatten()?;
    Some(told::complete(claim, reading))
}
