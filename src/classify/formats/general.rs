//! Plain-text reports of programs without a format of their own.
//!
//! Three kinds of signs must agree: the sender, the wording, and something that normally only a
//! mail system has, which is the original, a list of failed recipients, or an SMTP reply.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::{gives_reason, words_claim};
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::classify::statements::Statement;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "general",
    layer: Layer::General,
    signals: &[
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
    let said = says_outcome(reading) || gives_reason(reading);
    let subject = shown.at(0);
    // Any writer can mention an address or a number that looks like a reply. One such sign alone
    // therefore needs the subject of a report or the null reverse-path as well.
    let by_system = said
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
        && (signs.copy
            || subject
                && signs.recipients
                && says_outcome(reading)
                && gives_reason(reading)
                && !reading.line.contains("://"));
    // The address of a program that may be a mail system proves as little, so more signs are
    // required.
    let by_program = says_outcome(reading)
        && subject
        && signs.program
        && !signs.list_post
        && at_hand >= 2
        && !reading.line.contains("://");
    let failed = said && shown.at(2) && at_hand >= 1;
    let claim =
        (by_system || unnamed || by_program || failed).then(|| words_claim(reading, shown.reasons()))??;
    Some(told::complete(claim, reading))
}

/// Whether the text says what became of the message.
fn says_outcome(reading: &MessageReading<'_>) -> bool {
    let outcomes = [Statement::Failed, Statement::Delayed, Statement::Delivered];
    outcomes.into_iter().any(|outcome| reading.says(outcome))
}
