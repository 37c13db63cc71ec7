//! Reports of Amazon SES and WorkMail without a delivery-status part, and notifications in JSON.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "amazon",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "\"notificationtype\":\"bounce\"",
                "\\\"notificationtype\\\":\\\"bounce\\\"",
            ]),
            reason: "the notification is about a bounce, according to its JSON",
        },
        Signal {
            mark: Mark::Words(&[
                "an error occurred while trying to deliver the mail to the following recipients",
                "an error occurred while trying to deliver this message to the recipient",
            ]),
            reason: "describes the failure in the words of Amazon SES",
        },
        Signal { mark: Mark::Field("x-amz-sns-message-id", &[]), reason: "sent by Amazon SNS" },
        Signal { mark: Mark::Field("x-mailer", &["amazon workmail"]), reason: "written by Amazon WorkMail" },
        Signal { mark: Mark::Field("x-ses-outgoing", &[]), reason: "sent by Amazon SES" },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
