//! Plain-text reports of programs without a format of their own.
//!
//! Three kinds of signs must agree: the sender, the wording, and something that normally only a
//! mail system has, which is the original, a list of failed recipients, or an SMTP reply.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::words_claim;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals, SignClass};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "general",
    layer: Layer::General,
    signals: &[
        FormatSignal { mark: Pattern::Words(FAILURE), reason: "says that a message could not be delivered" },
        FormatSignal {
            mark: Pattern::Words(REASONS),
            reason: "gives a typical reason for a failed delivery",
        },
        FormatSignal { mark: Pattern::Subject(SUBJECTS), reason: "the subject is typical of a report" },
        FormatSignal {
            mark: Pattern::Field("auto-submitted", &["auto-replied", "auto-generated"]),
            reason: "Auto-Submitted says that it is automatic",
        },
        FormatSignal {
            mark: Pattern::Field("x-failed-recipients", &[]),
            reason: "names the failed recipients in X-Failed-Recipients",
        },
        FormatSignal {
            mark: Pattern::Field("x-loop", &["mailer-daemon"]),
            reason: "X-Loop names MAILER-DAEMON",
        },
    ],
    claim,
};

/// Phrases which say that a message was not delivered, in several languages.
const FAILURE: &[&str] = &[
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "can not be delivered",
    "can't be delivered",
    "could not deliver",
    "couldn't deliver",
    "cannot deliver",
    "unable to deliver",
    "not able to deliver",
    "wasn't able to deliver",
    "was not delivered",
    "wasn't delivered",
    "not been delivered",
    "not delivered to",
    "failed to deliver",
    "failed to be delivered",
    "delivery failed",
    "delivery has failed",
    "delivery failure",
    "delivery error",
    "delivery to the following",
    "trouble delivering",
    "error sending your mail",
    "error delivering",
    "undeliverable",
    "undelivered",
    "non-delivery",
    "nondelivery",
    "did not reach",
    "could not be reached",
    "has been returned because",
    "returned to sender",
    "message was rejected",
    "was automatically rejected",
    "did not exactly match",
    "message has been delayed",
    "mail has been delayed",
    "is not accepting mail from this sender",
    "could not be found in the",
    "these unresolved addresses",
    "could not be processed",
    "non-deliverable",
    "message refused",
    "has been rejected by",
    "konnte nicht ausgeliefert werden",
    "nicht alle empfänger erreicht",
    "配信不能",
    "被退回",
    "has not yet been delivered",
    "konnte nicht zugestellt werden",
    "konnten nicht zugestellt werden",
    "nicht zugestellt werden",
    "kann nicht zugestellt werden",
    "zustellung fehlgeschlagen",
    "unzustellbar",
    "n'a pas pu être remis",
    "n'a pu être remis",
    "n'a pas pu être délivré",
    "n'a pas été distribué",
    "n'a pas été remis",
    "échec de la remise",
    "non remis",
    "no se pudo entregar",
    "no pudo ser entregado",
    "no ha podido ser entregado",
    "no se ha podido entregar",
    "no fue entregado",
    "no se entregó",
    "não pôde ser entregue",
    "não foi entregue",
    "não pode ser entregue",
    "nao pode ser entregue",
    "nao pode ser enviada",
    "falha na entrega",
    "impossibile recapitare",
    "non è stato possibile recapitare",
    "non è stato recapitato",
    "non recapitabile",
    "mancato recapito",
    "kon niet worden bezorgd",
    "kon niet worden afgeleverd",
    "niet worden afgeleverd",
    "niet bezorgd",
    "nie mogła zostać dostarczona",
    "nie została dostarczona",
    "nie można dostarczyć",
    "не может быть доставлен",
    "не может быть доставлено",
    "не было доставлено",
    "не доставлено",
    "не удалось доставить",
    "невозможно доставить",
    "недоставленн",
    "配信できません",
    "配信できなかった",
    "配信されません",
    "送信できません",
    "送信に失敗",
    "配達できません",
    "お届けできません",
    "届けることができません",
    "无法投递",
    "无法送达",
    "未能送达",
    "投递失败",
    "发送失败",
    "传输失败",
    "退信",
    "無法遞送",
    "無法傳遞",
    "無法寄達",
    "배달되지 못",
    "배달할 수 없",
    "전송하지 못",
    "전달되지 못",
    "teslim edilemedi",
    "iletilemedi",
    "ulaştırılamadı",
    "kunde inte levereras",
    "gick inte att leverera",
    "kunne ikke leveres",
];

/// Phrases that give a reason for a failed delivery.
const REASONS: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "no mailbox here by that name",
    "mailbox is full",
    "mailbox full",
    "quota exceeded",
    "over quota",
    "over disk quota",
    "exceeded storage allocation",
    "mailbox unavailable",
    "recipient address rejected",
    "recipient rejected",
    "host unknown",
    "unknown host",
    "domain name not found",
    "domain does not exist",
    "not listed in",
    "no matches to nameserver query",
    "does not have a final email delivery point",
    "account has been disabled",
    "account inactive",
    "is no longer valid",
    "has exceeded its",
    "mailbox is locked",
    "failed address:",
    "由于收件人不存在",
    "adresse ist unbekannt",
    "account is disabled",
    "mailbox does not exist",
    "invalid mailbox",
    "no valid recipients were found",
    "failed addresses follow",
    "failed recipient:",
    "--- non-delivery report ---",
    "message not delivered to the following",
];

/// Subjects that are typical of reports.
const SUBJECTS: &[&str] = &[
    "undeliver",
    "undelivered",
    "failure notice",
    "delivery failure",
    "delivery failed",
    "delivery problem",
    "delivery error",
    "delivery status notification",
    "delivery notification",
    "returned mail",
    "mail delivery",
    "message delivery",
    "returning message to sender",
    "returned to sender",
    "could not be delivered",
    "non-delivery",
    "nondeliverable",
    "mail system error",
    "mail blocked",
    "mail failure",
    "rejected message",
    "mail could not be delivered",
    "niet bestelbaar",
    "no se puede entregar",
    "failed mail",
    "mail failed",
    "unzustellbar",
    "non remis",
    "no entregado",
    "não entregue",
    "non recapitabile",
    "onbestelbaar",
    "не доставлено",
    "недоставленн",
    "配信不能",
    "エラーメール",
    "メールエラー",
    "退信",
    "无法投递",
    "系统退信",
    "传输失败",
    "배달되지",
    "teslim edilemedi",
    "olevererbart",
];

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let signs = reading.signs;
    let at_hand =
        [signs.copy, !reading.named.is_empty(), signs.reply].into_iter().filter(|seen| *seen).count();
    let said = shown.has(SignClass::Words);
    let subject = shown.at(2);
    // Any writer can mention an address or a number that looks like a reply. One such sign alone
    // therefore needs the subject of a report or the null reverse-path as well.
    let told = said
        && signs.mail_system
        && (signs.copy
            || signs.daemon && signs.recipients
            || at_hand >= 2
            || at_hand == 1 && (subject || signs.null_path));
    // Spam also comes from the null reverse-path, so more signs are required.
    let unnamed = said
        && signs.null_path
        && !signs.list_post
        && at_hand >= 2
        && (signs.copy || subject && shown.at(0) && shown.at(1));
    // The address of a program that may be a mail system proves as little, so more signs are
    // required.
    let by_program = shown.at(0)
        && subject
        && signs.program
        && !signs.list_post
        && at_hand >= 2
        && !reading.line.contains("://");
    let failed = said && shown.at(4) && at_hand >= 1;
    let implied = signs.mail_system && subject && (at_hand >= 2 || said && !reading.line.contains("://"));
    (told || unnamed || by_program || failed || implied).then(|| words_claim(reading, shown.reasons()))
}
