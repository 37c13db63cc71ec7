//! Reports of qmail in its plain-text format (QSBMF), which many programs imitate.
//!
//! The report has a paragraph for each recipient, which begins with `<address>:`, and a copy of the
//! message below a line that announces it. Many installations change the first lines, so that line
//! is a signal of its own.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "qmail",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "hi. this is the qmail-send program at ",
                "hi. this is the deliver program at ",
                "hi. this is the mail system at ",
            ]),
            reason: "opens with qmail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "i'm afraid i wasn't able to deliver your message to the following addresses",
                "this is a permanent error; i've given up. sorry it didn't work out",
            ]),
            reason: "describes the failure in qmail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "--- below this line is a copy of the message",
                "---below this line is a copy of the message",
                "--- below the next line is a copy of the message",
                "--- enclosed are the original headers of the message",
                "--- enclosed is a copy of the message",
                "--- mensaje original adjunto",
                "--- attachment is a copy of the message",
            ]),
            reason: "announces the copy of the message in qmail's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = report_in_words(reading, shown)?;
    claim.report.reporting_mta =
        ["send program at ", "deliver program at ", "this is the mail system at ", "mail delivery agent at "]
            .iter()
            .find_map(|phrase| reading.host_behind(phrase));
    Some(told::complete(claim, reading))
}
