//! Automatic replies, whether or not they comply with RFC 3834.

use super::{Format, Layer, Shown};
use crate::classify::reading::Reading;
use crate::classify::signal::{Class, Mark, Signal};
use crate::classify::{Claim, Kind, Report};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "auto-reply",
    layer: Layer::Replies,
    signals: &[
        Signal {
            mark: Mark::Field("auto-submitted", &["auto-replied"]),
            reason: "Auto-Submitted says that it is a reply",
        },
        Signal { mark: Mark::Field("x-autoreply", &[]), reason: "has the field X-Autoreply" },
        Signal { mark: Mark::Field("x-autoreply-from", &[]), reason: "has the field X-Autoreply-From" },
        Signal { mark: Mark::Field("x-autorespond", &[]), reason: "has the field X-Autorespond" },
        Signal { mark: Mark::Field("x-mail-autoreply", &[]), reason: "has the field X-Mail-Autoreply" },
        Signal { mark: Mark::Field("precedence", &["auto_reply"]), reason: "has Precedence: auto_reply" },
        Signal { mark: Mark::Field("x-precedence", &["auto_reply"]), reason: "has X-Precedence: auto_reply" },
        Signal {
            mark: Mark::Field("x-apple-action", &["vacation"]),
            reason: "X-Apple-Action says that it is a vacation reply",
        },
        Signal {
            mark: Mark::Field("x-ms-exchange-generated-message-source", &["mailbox rules agent"]),
            reason: "written by a mailbox rule of Exchange",
        },
        Signal {
            mark: Mark::Field("delivered-to", &["autoresponder"]),
            reason: "Delivered-To names an autoresponder",
        },
        Signal {
            mark: Mark::Subject(&[
                "out of office",
                "out of the office",
                "auto reply",
                "auto-reply",
                "autoreply",
                "auto response",
                "auto-response",
                "autoresponse",
                "automatic reply",
                "automatic response",
                "automated reply",
                "automated response",
                "away from my mail",
                "abwesenheit",
                "automatische antwort",
                "réponse automatique",
                "absence du bureau",
                "respuesta automática",
                "fuera de la oficina",
                "resposta automática",
                "risposta automatica",
                "fuori sede",
                "automatisch antwoord",
                "automatyczna odpowiedź",
                "автоответ",
                "автоматический ответ",
                "自動応答",
                "自動返信",
                "自动回复",
                "自動回覆",
                "자동 회신",
                "otomatik yanıt",
                "autosvar",
                "frånvaro",
            ]),
            reason: "the subject is that of an automatic reply",
        },
        Signal {
            mark: Mark::Words(&[
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
    ],
    claim,
};

/// Number of signals, from the first on, that are enough alone, because they mark nothing but
/// automatic replies.
const DECISIVE: usize = 10;

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let decisive = (0..DECISIVE).any(|at| shown.at(at));
    // Advertisements mention holidays, and list posts mention automatic replies.
    let many = || reading.signs.list_post || reading.line.contains("://");
    let spoken = shown.has(Class::Subject) && shown.has(Class::Words) && !many();
    (decisive || spoken).then(|| {
        let original_sender = reading.original.as_ref().and_then(|original| original.sender.clone());
        Claim {
            kind: Kind::AutoReply,
            reasons: shown.reasons(),
            report: Report { original_sender, ..Report::default() },
        }
    })
}
