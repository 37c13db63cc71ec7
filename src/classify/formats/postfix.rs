//! Plain-text reports of Postfix.
//!
//! Reports have no delivery-status fields if Postfix is older than version 2.0 or a gateway removed
//! them.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "postfix",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "i'm sorry to have to inform you that the message returned below could not be delivered",
                "i'm sorry to have to inform you that your message could not be delivered",
                "i'm sorry to have to inform you that your message could not be be delivered",
            ]),
            reason: "describes the failure in Postfix's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "this is the mail system at host ",
                "this is the postfix program at host ",
                "this is the mail delivery agent at ",
            ]),
            reason: "opens with Postfix's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["you can delete your own text from the"]),
            reason: "asks in Postfix's words that the report be included",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = report_in_words(reading, shown)?;
    claim.report.reporting_mta = ["program at host ", "mail system at host ", "mail delivery agent at "]
        .iter()
        .find_map(|phrase| reading.host_behind(phrase));
    Some(told::complete(claim, reading))
}
