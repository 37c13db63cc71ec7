//! Reports of Amazon SES and WorkMail without a delivery-status part, and notifications in JSON.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportedRecipient;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::{DsnAction, EnhancedStatus, Mailbox};

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
    let mut claim = (shown.at(0) || shown.at(1)).then(|| report_in_words(reading, shown)).flatten()?;
    if shown.at(0) {
        let json = reading.line.replace("\\\"", "\"");
        let action = (claim.kind == Kind::NonstandardNdr).then_some(DsnAction::Failed);
        claim.report.recipients = bounced(&json, action);
        let sender = value_behind(&json, "\"source\":\"").and_then(Mailbox::parse);
        claim.report.original_sender = claim.report.original_sender.or(sender);
        let mta = value_behind(&json, "\"reportingMTA\":\"").and_then(|name| name.split("; ").last());
        claim.report.reporting_mta = mta.map(str::to_ascii_lowercase);
    }
    Some(claim)
}

/// Largest number of recipients that are read from one notification.
const BOUNCED_MAX: usize = 64;

/// The recipients in the array `bouncedRecipients` of a notification.
fn bounced(json: &str, action: Option<DsnAction>) -> Vec<ReportedRecipient> {
    let array = json.split_once("\"bouncedRecipients\":[").map_or("", |(_, rest)| rest);
    let array = array.split(']').next().unwrap_or_default();
    let recipient = |object: &str| {
        let mailbox = Mailbox::parse(value_behind(object, "\"emailAddress\":\"")?)?;
        let diagnostic = value_behind(object, "\"diagnosticCode\":\"");
        Some(ReportedRecipient {
            action,
            status: value_behind(object, "\"status\":\"").and_then(EnhancedStatus::find),
            diagnostic: diagnostic.map(|reply| reply.trim_start_matches("smtp; ").to_owned()),
            ..ReportedRecipient::of(Some(mailbox))
        })
    };
    array.split('}').take(BOUNCED_MAX).filter_map(recipient).collect()
}

/// The text between a key with its opening quote and the next quote.
fn value_behind<'j>(json: &'j str, key: &str) -> Option<&'j str> {
    json.split_once(key)?.1.split('"').next()
}
