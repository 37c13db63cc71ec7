//! Reports of Amazon SES and WorkMail without a delivery-status part, and notifications in JSON.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "amazon",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "\"notificationtype\":\"bounce\"",
                "\\\"notificationtype\\\":\\\"bounce\\\"",
            ]),
            reason: "the notification is about a bounce, according to its JSON",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "an error occurred while trying to deliver the mail to the following recipients",
                "an error occurred while trying to deliver this message to the recipient",
            ]),
            reason: "describes the failure in the words of Amazon SES",
        },
        FormatSignal { mark: Pattern::Field("x-amz-sns-message-id", &[]), reason: "sent by Amazon SNS" },
        FormatSignal {
            mark: Pattern::Field("x-mailer", &["amazon workmail"]),
            reason: "written by Amazon WorkMail",
        },
        FormatSignal { mark: Pattern::Field("x-ses-outgoing", &[]), reason: "sent by Amazon SES" },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
