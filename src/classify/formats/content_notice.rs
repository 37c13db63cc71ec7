//! Notices of content and virus filters to the sender of a message, which is often forged.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::recipients::labelled;
use crate::classify::report::{ReportFields, ReportedRecipient};
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::{DsnAction, Header, Mailbox};

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
                    "mailscanner",
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
                "mailscanner email virus",
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
    let mut reasons = shown.reasons();
    let by_filter = || reading.signs.mail_system || shown.at(1) || !labelled(reading.words).is_empty();
    if is_of_mail_scanner(reading.header()) && !reading.signs.list_post && by_filter() {
        reasons.push("X-...-MailScanner says that MailScanner wrote it".to_owned());
        return Some(notice(reading, reasons));
    }
    // Worms send mail with such a subject and a filter's name, so the text must say what was found.
    // People warn each other of viruses and companies advertise filters, so a program must have
    // sent the message, and not to a list.
    let signs = reading.signs;
    let by_program = shown.at(0) || signs.mail_system || shown.at(1) || signs.copy;
    (shown.at(3) && shown.has_two_classes() && by_program && !signs.list_post && !answers(reading))
        .then(|| notice(reading, reasons))
}

/// The claim of a notice, with the recipients that it lists.
fn notice(reading: &MessageReading<'_>, reasons: Vec<String>) -> FormatClaim {
    let refused = |mailbox| ReportedRecipient {
        action: Some(DsnAction::Failed),
        ..ReportedRecipient::of(Some(mailbox))
    };
    // Some notices list the address that they are sent to in the place of the recipient.
    let to = reading.header().field("To").and_then(Mailbox::find);
    let is_own = |mailbox: &Mailbox| to.as_ref().is_some_and(|to| to.folded() == mailbox.folded());
    let listed = labelled(reading.words).into_iter().filter(|mailbox| !is_own(mailbox));
    let recipients = listed.map(refused).collect();
    FormatClaim {
        kind: Kind::ContentNotice,
        reasons,
        report: ReportFields { recipients, ..reading.returned() },
    }
}

/// Whether MailScanner wrote the message, in whatever language.
///
/// MailScanner marks its notices in its own field, whose name contains the name of the organisation:
/// `X-<org>-MailScanner: generated`. In mail that it only scanned, the field has another value.
fn is_of_mail_scanner(header: &Header) -> bool {
    let has_name = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("x-") && name.ends_with("-mailscanner")
    };
    let is_generated = |value: &str| GENERATED.iter().any(|own| value.trim().eq_ignore_ascii_case(own));
    header.fields().iter().any(|field| is_generated(&field.value) && has_name(&field.name))
}

/// The value of MailScanner's field in its notices. The Catalan, Czech and Slovak notices translate
/// it.
const GENERATED: [&str; 4] = ["generated", "generat", "vytvoren", "vytvoreny"];

/// Whether the message is a person's reply to another message.
fn answers(reading: &MessageReading<'_>) -> bool {
    reading.header().field("In-Reply-To").is_some() && reading.from.is_some() && !reading.signs.mail_system
}
