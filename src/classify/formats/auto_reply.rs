//! Automatic replies, whether or not they comply with RFC 3834.

use super::auto_reply_subjects::SUBJECTS;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "auto-reply",
    layer: Layer::Replies,
    signals: &[
        FormatSignal {
            mark: Pattern::Field("auto-submitted", &["auto-replied"]),
            reason: "Auto-Submitted says that it is a reply",
        },
        FormatSignal { mark: Pattern::Field("x-autoreply", &[]), reason: "has the field X-Autoreply" },
        FormatSignal {
            mark: Pattern::Field("x-autoreply-from", &[]),
            reason: "has the field X-Autoreply-From",
        },
        FormatSignal { mark: Pattern::Field("x-autorespond", &[]), reason: "has the field X-Autorespond" },
        FormatSignal {
            mark: Pattern::Field("x-mail-autoreply", &[]),
            reason: "has the field X-Mail-Autoreply",
        },
        FormatSignal {
            mark: Pattern::Field("precedence", &["auto_reply"]),
            reason: "has Precedence: auto_reply",
        },
        FormatSignal {
            mark: Pattern::Field("x-precedence", &["auto_reply"]),
            reason: "has X-Precedence: auto_reply",
        },
        FormatSignal {
            mark: Pattern::Field("x-apple-action", &["vacation"]),
            reason: "X-Apple-Action says that it is a vacation reply",
        },
        FormatSignal {
            mark: Pattern::Field("delivered-to", &["autoresponder"]),
            reason: "Delivered-To names an autoresponder",
        },
        FormatSignal {
            mark: Pattern::Subject(SUBJECTS),
            reason: "the subject is that of an automatic reply",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "out of the office",
                "out of office",
                "away from the office",
                "away from my desk",
                "i am currently away",
                "i am on vacation",
                "i'm on vacation",
                "i will be on vacation",
                "i am on holiday",
                "i am on leave",
                "ich bin im urlaub",
                "i am currently out of",
                "i will be out of",
                "i am out of the office",
                "i am away",
                "i'm away",
                "i will be away",
                "on annual leave",
                "maternity leave",
                "limited access to email",
                "limited access to my",
                "i will be reading my mail when",
                "will be back on",
                "i will return",
                "will respond to your message",
                "reply to your message when i return",
                "this is an automated response",
                "this is an automatic reply",
                "this is an automated reply",
                "thank you for your message. we have received",
                "nicht im büro",
                "bin ich nicht im haus",
                "ich bin ab dem",
                "werde ich ihre nachricht",
                "absent du bureau",
                "je suis absent",
                "estoy de vacaciones",
                "estaré fuera",
                "fuera de la oficina",
                "estou de férias",
                "fora do escritório",
                "sono in ferie",
                "fuori ufficio",
                "met vakantie",
                "jestem na urlopie",
                "nieobecn",
                "в отпуске",
                "휴가",
                "izindeyim",
                "på semester",
            ]),
            reason: "says that the responder is away, or that the reply is automatic",
        },
        FormatSignal {
            mark: Pattern::Field("x-ms-exchange-generated-message-source", &["mailbox rules agent"]),
            reason: "written by a mailbox rule of Exchange",
        },
        FormatSignal {
            mark: Pattern::Field("x-ms-exchange-inbox-rules-loop", &[]),
            reason: "passed through a mailbox rule of Exchange",
        },
        FormatSignal {
            mark: Pattern::Field("x-auto-response-suppress", &["all", "oof"]),
            reason: "X-Auto-Response-Suppress asks for no automatic reply",
        },
        FormatSignal {
            mark: Pattern::Field("auto-submitted", &["auto-generated"]),
            reason: "Auto-Submitted says that a program wrote it",
        },
    ],
    claim,
};

/// Number of signals, from the first on, that are enough alone, because they mark nothing but
/// automatic replies.
const DECISIVE: usize = 9;

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let decisive = (0..DECISIVE).any(|at| shown.at(at));
    let (subject, words) = (shown.at(DECISIVE), shown.at(DECISIVE + 1));
    // Advertisements mention holidays, and list posts mention automatic replies.
    let many = || reading.signs.list_post || reading.line.contains("://");
    let spoken = subject && words && !many();
    // A daemon sends reports. If the report cannot be read, it is still not a reply.
    let is_reply = (decisive || spoken || is_of_exchange(reading, shown)) && !reading.signs.daemon;
    is_reply.then(|| {
        let original_sender = reading.original.as_ref().and_then(|original| original.sender.clone());
        FormatClaim {
            kind: Kind::AutoReply,
            reasons: shown.reasons(),
            report: ReportFields { original_sender, ..ReportFields::default() },
        }
    })
}

/// Whether the message is an out-of-office reply of Exchange or Microsoft 365.
///
/// They declare it as `auto-generated`, as monitoring mail does. It is a reply because it names the
/// message that it answers, or because a mailbox rule wrote it, and it has the subject of one.
/// Mailbox rules also forward mail, so the subject is always required.
fn is_of_exchange(reading: &MessageReading<'_>, shown: ShownSignals) -> bool {
    let [by_rule, through_rule, suppresses, generated] = [2, 3, 4, 5].map(|at| shown.at(DECISIVE + at));
    let header = reading.header();
    let answers = header.field("In-Reply-To").is_some() || header.field("References").is_some();
    let is_reply = by_rule || through_rule || suppresses || generated && answers;
    shown.at(DECISIVE) && is_reply && !reading.signs.list_post
}
