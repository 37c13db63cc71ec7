//! Reports of Gmail and Google Groups. Groups writes in the reader's language, so fields recognise
//! it.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::{failure_claim, report_in_words};
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
                "delivery to the following recipient failed permanently",
                "delivery to the following recipients failed permanently",
                "technical details of permanent failure",
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
        FormatSignal {
            mark: Pattern::Words(&[
                "delivery to the following recipient has been delayed",
                "technical details of temporary failure",
            ]),
            reason: "describes the delay in Gmail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "this is an automatically generated delivery status notification delivery to the following recipient",
            ]),
            reason: "opens with Gmail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["groups.google.com/support"]),
            reason: "refers to the help of Google Groups, as its refusals do in every language",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    // Exim also writes X-Failed-Recipients, so that field alone is not enough.
    let by_google = [0, 1, 3, 4].into_iter().any(|at| shown.at(at));
    let is_groups_refusal = [0, 2, 5].into_iter().all(|at| shown.at(at));
    let in_words = by_google.then(|| report_in_words(reading, shown)).flatten();
    let claim = in_words.or_else(|| is_groups_refusal.then(|| failure_claim(reading, shown.reasons())))?;
    Some(told::complete(claim, reading))
}
