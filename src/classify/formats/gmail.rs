//! Reports of Gmail and Google Groups. Groups writes in the reader's language, so fields recognise
//! it.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "gmail",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Field(
                "from",
                &["mailer-daemon@googlemail.com", "mailer-daemon@gmail.com", "mailer-daemon@google.com"],
            ),
            reason: "the From field names Google's mail system",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "this is an automatically generated delivery status notification delivery to the following recipient",
                "delivery to the following recipient failed permanently",
                "delivery to the following recipients failed permanently",
                "technical details of permanent failure",
                "technical details of temporary failure",
                "delivery to the following recipient has been delayed",
                "there was a problem delivering your message to ",
                "your message wasn't delivered to ",
                "we're writing to let you know that the group you tried to contact",
            ]),
            reason: "describes the failure in Gmail's words",
        },
        FormatSignal {
            mark: Pattern::Field("x-failed-recipients", &[]),
            reason: "names the failed recipients in X-Failed-Recipients",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    // Exim also writes X-Failed-Recipients, so that field alone is not enough.
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
