//! Reports of AOL, which names its own users by their screen names without a domain.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportedRecipient;
use crate::classify::report_in_words::report_in_words;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::{DsnAction, Mailbox};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "aol",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Field("from", &["mailer-daemon@aol.com"]),
            reason: "the From field names AOL's mail system",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "your mail to the following recipients could not be delivered",
                "your mail to the following recipient could not be delivered",
                "the user(s) account is temporarily over quota",
                "the user(s) account is disabled",
            ]),
            reason: "describes the failure in AOL's words",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let mut claim = (shown.at(0) && shown.at(1)).then(|| report_in_words(reading, shown)).flatten()?;
    let named = screen_names(reading.words);
    if !named.is_empty() {
        claim.report.recipients = named;
    }
    Some(claim)
}

/// The names on lines of their own that follow a line with a final colon.
fn screen_names(words: &str) -> Vec<ReportedRecipient> {
    let below = words.lines().map(str::trim).skip_while(|line| !line.ends_with(':')).skip(1);
    let named = below.skip_while(|line| line.is_empty()).map_while(|line| {
        // AOL's screen names have 3 to 32 letters, digits, dots and underscores.
        let sound = (3..=32).contains(&line.len())
            && line.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
        sound.then(|| Mailbox::parse(&format!("{line}@aol.com"))).flatten()
    });
    named
        .map(|mailbox| ReportedRecipient {
            action: Some(DsnAction::Failed),
            ..ReportedRecipient::of(Some(mailbox))
        })
        .collect()
}
