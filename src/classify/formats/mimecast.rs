//! Reports of Mimecast.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::Mailbox;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "mimecast",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "this is a delivery failure notification message indicating that an email",
                "an email that you attempted to send to the following address could not be delivered",
                "could not be delivered. the problem appears to be :",
            ]),
            reason: "describes the failure in Mimecast's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "additional information follows :",
                "attempt(s) to deliver over a period of",
            ]),
            reason: "lists the delivery attempts in Mimecast's words",
        },
        FormatSignal {
            mark: Pattern::Field("x-mimecast-originator", &["<>"]),
            reason: "X-Mimecast-Originator names the null reverse-path",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = shown.at(0).then(|| report_in_words(reading, shown)).flatten()?;
    let sender = || reading.word_behind("indicating that an email ").and_then(Mailbox::parse);
    claim.report.original_sender = claim.report.original_sender.or_else(sender);
    Some(claim)
}
