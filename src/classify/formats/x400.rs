//! Reports of gateways to X.400, and of MMTA.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "x400",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "your message was not delivered to: c=",
                "message could not be delivered to the following x.400",
            ]),
            reason: "describes the failure in the words of a gateway to X.400",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "non-delivery-report",
                "x400-received",
                "mta-id:",
                "non delivery reason code",
                "ndr reason code",
            ]),
            reason: "uses terms of X.400",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "this report relates to a message you sent with the following header fields",
                "the dsn/ndn for the message",
            ]),
            reason: "opens with the words of a gateway to X.400",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = (shown.at(0) || shown.at(2) || shown.at(1) && reading.signs.mail_system)
        .then(|| report_in_words(reading, shown))
        .flatten()?;
    claim.report.reporting_mta = reading.host_behind("reporting-mta: dns; ");
    Some(told::complete(claim, reading))
}
