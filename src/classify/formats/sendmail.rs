//! Plain-text reports of Sendmail 5, and of programs that imitate it.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "sendmail",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&["- transcript of session follows -", "-transcript of session follows-"]),
            reason: "introduces a session transcript in Sendmail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "the following addresses had permanent fatal errors",
                "the following addresses had permanent delivery errors",
                "the following addresses had delivery errors",
                "the following addresses had delivery problems",
            ]),
            reason: "introduces the failed addresses in Sendmail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["- unsent message follows -"]),
            reason: "introduces the returned message in the words of Sendmail 5",
        },
        FormatSignal { mark: Pattern::Subject(&["returned mail: "]), reason: "the subject is Sendmail's" },
        FormatSignal {
            mark: Pattern::Words(&["the following addresses had transient non-fatal errors"]),
            reason: "introduces the delayed addresses in Sendmail's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    Some(told::complete(report_in_words(reading, shown)?, reading))
}
