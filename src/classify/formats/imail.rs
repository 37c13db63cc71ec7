//! Reports of Ipswitch IMail, whose mailer is called SMTP32.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "imail",
    layer: Layer::Words,
    signals: &[
        FormatSignal { mark: Pattern::Field("x-mailer", &["<smtp32 "]), reason: "written by IMail's mailer" },
        FormatSignal {
            mark: Pattern::Words(&[
                "unknown user: ",
                "unknown host: ",
                "undeliverable to ",
                "user mailbox exceeds allowed size: ",
                "user mailbox exceeds",
                "invalid final delivery userid: ",
                "delivery failed 5 attempts: ",
                "delivery failed 10 attempts: ",
                "delivery failed 20 attempts: ",
                "delivery userid: ",
            ]),
            reason: "describes the failure in IMail's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["original message follows."]),
            reason: "announces the copy of the message in IMail's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    (shown.at(0) || shown.at(1) && shown.at(2) && reading.signs.mail_system)
        .then(|| report_in_words(reading, shown))
        .flatten()
}
