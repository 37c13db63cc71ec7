//! Reports of Lotus Notes and HCL Domino.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "domino",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "was not delivered to: ",
                "nicht zugestellt an: ",
                "n'a pas été distribué à : ",
            ]),
            reason: "describes the failure in Domino's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "not listed in domino directory",
                "not listed in public name & address book",
                "user not listed in",
                "- failure reasons -",
            ]),
            reason: "gives a reason in Domino's words",
        },
        FormatSignal { mark: Pattern::Subject(&["delivery failure: "]), reason: "the subject is Domino's" },
        FormatSignal {
            mark: Pattern::Field("x-mimetrack", &[]),
            reason: "passed through Domino (X-MIMETrack)",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
