//! Amazon SES and WorkMail, as far as they write no delivery-status: fields in the text, and notifications in JSON.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "amazon",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "\"notificationtype\":\"bounce\"",
                "\\\"notificationtype\\\":\\\"bounce\\\"",
            ]),
            reason: "says in JSON that it is about a bounce",
        },
        Signal {
            mark: Mark::Words(&[
                "an error occurred while trying to deliver the mail to the following recipients",
                "an error occurred while trying to deliver this message to the recipient",
            ]),
            reason: "says what happened as Amazon SES does",
        },
        Signal { mark: Mark::Field("x-amz-sns-message-id", &[]), reason: "brought by Amazon SNS" },
        Signal { mark: Mark::Field("x-mailer", &["amazon workmail"]), reason: "written by Amazon WorkMail" },
        Signal { mark: Mark::Field("x-ses-outgoing", &[]), reason: "sent by Amazon SES" },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()
}
