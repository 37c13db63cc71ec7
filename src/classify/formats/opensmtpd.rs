//! Reports of OpenSMTPD from before it wrote delivery-status fields.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "opensmtpd",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&["hi! this is the mailer-daemon, please do not reply to this e-mail"]),
            reason: "opens with OpenSMTPD's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "an error has occurred while attempting to deliver a message for the following list of recipients",
            ]),
            reason: "describes the failure in OpenSMTPD's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["below is a copy of the original message:"]),
            reason: "announces the copy of the message in OpenSMTPD's words",
        },
        FormatSignal {
            mark: Pattern::Words(&["a message is delayed for more than"]),
            reason: "describes the delay in OpenSMTPD's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    (shown.at(0) || shown.at(1) || shown.at(3)).then(|| report_in_words(reading, shown)).flatten()
}
