//! Plain-text reports of Exim, and of systems that use its words.
//!
//! Among these are 1&1 and GMX, Mail.Ru, Zoho, MX Logic and MailFoundry.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "exim",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "this message was created automatically by mail delivery software",
                "this message was created automatically by the mail system",
                "created automatically by the smtp relay on",
            ]),
            reason: "opens with Exim's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "a message that you sent could not be delivered to",
                "a message that you have sent could not be delivered to",
                "a message that you sent was rejected by the local scanning code",
                "a message that you sent contained one or more recipient addresses that were incorrectly constructed",
                "a message that you sent contained no recipient addresses",
                "a message that you sent using the -t command line option",
                "this message has been rejected because it has",
            ]),
            reason: "describes the failure in Exim's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "a message that you sent has not yet been delivered",
                "has not been delivered to one or more of its recipients after more than",
                "has not been delivered to all of its recipients after more than",
            ]),
            reason: "describes the delay in Exim's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = report_in_words(reading, shown)?;
    claim.report.reporting_mta =
        ["by the smtp relay on ", " on the queue on "].iter().find_map(|phrase| reading.host_behind(phrase));
    Some(told::complete(claim, reading))
}
