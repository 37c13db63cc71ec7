//! Notices of mail servers to their own postmaster about mail that they hold or refused.
//!
//! They tell nothing to a sender, so they are no reports. A notice with a delivery-status part,
//! such as a copy of a report, is claimed before by its fields.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::Mailbox;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "postmaster-notice",
    layer: Layer::Notices,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "i tried to deliver a bounce message to this address, but the bounce bounced",
            ]),
            reason: "qmail tells the postmaster that a report could not be delivered",
        },
        FormatSignal {
            mark: Pattern::Subject(&["message frozen"]),
            reason: "the subject is that of Exim's notices of frozen messages",
        },
        FormatSignal {
            mark: Pattern::Words(&[" has been frozen", " was frozen on arrival by ", "*** frozen"]),
            reason: "tells in Exim's words that a message is frozen",
        },
        FormatSignal {
            mark: Pattern::Subject(&[" smtp server: errors from ", " smtp client: errors from "]),
            reason: "the subject is that of Postfix's notices of SMTP sessions",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "transcript of session follows. out: ",
                "transcript of session follows. in: ",
                "for other details, see the local mail logfile",
            ]),
            reason: "introduces a session transcript in Postfix's words",
        },
        FormatSignal {
            mark: Pattern::Subject(&["postmaster notify: ", "postmaster copy: ", "postmaster warning: "]),
            reason: "the subject says that the message is for the postmaster",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let doubled = shown.at(0);
    let frozen = shown.at(2) && (shown.at(1) || tells_frozen_message(reading.words));
    let session = shown.at(3) && shown.at(4);
    let copied = shown.at(5) && reading.signs.mail_system;
    let addressed = is_to_own_postmaster(reading);
    let mut reasons = shown.reasons();
    if addressed {
        reasons.push("the mail system writes to the postmaster of its own domain".to_owned());
    }
    let is_notice = doubled || frozen || session || copied || addressed;
    (is_notice && !reading.signs.list_post).then(|| FormatClaim {
        kind: Kind::Unknown,
        reasons,
        report: ReportFields::default(),
    })
}

/// Whether a mail system writes to the postmaster of the domain that it writes from, about mail that
/// the postmaster did not send.
fn is_to_own_postmaster(reading: &MessageReading<'_>) -> bool {
    let to = reading.header().field("To").and_then(Mailbox::find);
    let sender = reading.original.as_ref().and_then(|original| original.sender.as_ref());
    reading.signs.mail_system
        && to.zip(reading.from.as_ref()).is_some_and(|(to, from)| {
            let is_postmaster = to.local().eq_ignore_ascii_case("postmaster") && to.domain() == from.domain();
            is_postmaster && sender.is_none_or(|sender| sender.folded() != to.folded())
        })
}

/// Whether a line says `Message ID has been frozen`, where the ID is Exim's: three words of letters
/// and digits with hyphens between them.
fn tells_frozen_message(words: &str) -> bool {
    let is_id = |word: &str| {
        word.split('-').count() == 3
            && word.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    // The notice is short, and this line is its first or its second.
    words.lines().take(LINES_MAX).any(|line| {
        let mut line = line.split_ascii_whitespace();
        line.next().is_some_and(|first| first.eq_ignore_ascii_case("message"))
            && line.next().is_some_and(is_id)
    })
}

/// Number of lines in which the line about a frozen message is looked for.
const LINES_MAX: usize = 10;
