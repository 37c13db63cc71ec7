//! Notices of content and virus filters to the sender of a message, which is often forged.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "content-notice",
    layer: Layer::Notices,
    signals: &[
        FormatSignal {
            mark: Pattern::Field(
                "x-mailer",
                &[
                    "bitdefender",
                    "gwava",
                    "notification service",
                    "scanmail",
                    "mailmarshal",
                    "interscan notification",
                ],
            ),
            reason: "X-Mailer names the notification service of a filter",
        },
        FormatSignal {
            mark: Pattern::Field(
                "from",
                &[
                    "content-filter at ",
                    "antivirus@",
                    "anti-virus@",
                    "viruswall@",
                    "virusscan@",
                    "mailsweeper@",
                    "amavis@",
                    "noreply@bitdefender",
                ],
            ),
            reason: "the From field names a content filter",
        },
        FormatSignal {
            mark: Pattern::Subject(&[
                "infected message",
                "virus found",
                "virus detected",
                "virus alert",
                "virus warning",
                "virus in mail from you",
                "virus notification",
                "blocked message",
                "found an infected",
                "attachment blocked",
                "disallowed attachment",
                "virus gefunden",
                "virus détecté",
                "virus detectado",
                "virus rilevato",
            ]),
            reason: "the subject mentions a virus or banned content",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "detected and blocked an infected message",
                "virus was found in",
                "virus was detected in",
                "a virus was found",
                "a virus has been found",
                "a virus has been detected",
                "was infected with",
                "found an infected",
                "virus name",
                "our virus detector",
                "our virus checker found",
                "the message was blocked because",
                "attachment was removed because",
                "attachment type is not allowed",
                "ein virus gefunden",
                "enthielt einen virus",
                "contenait un virus",
                "contenía un virus",
                "conteneva un virus",
            ]),
            reason: "says that a virus or banned content was found",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    // Worms send mail with such a subject and a filter's name, so the text must say what was found.
    // People warn each other of viruses and companies advertise filters, so a program must have
    // sent the message, and not to a list.
    let signs = reading.signs;
    let by_program = shown.at(0) || signs.mail_system || signs.null_path || shown.at(1) || signs.copy;
    (shown.at(3) && shown.has_two_classes() && by_program && !signs.list_post && !answers(reading)).then(
        || FormatClaim { kind: Kind::ContentNotice, reasons: shown.reasons(), report: reading.returned() },
    )
}

/// Whether the message is a person's reply to another message.
fn answers(reading: &MessageReading<'_>) -> bool {
    reading.header().field("In-Reply-To").is_some() && reading.from.is_some() && !reading.signs.mail_system
}
