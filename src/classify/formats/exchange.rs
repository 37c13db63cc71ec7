//! Plain-text reports of Microsoft Exchange, from Exchange 5.5 to Exchange Online.

use super::told;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::reading::MessageReading;
use crate::classify::report_in_words::{report_in_words, words_claim};
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "exchange",
    layer: Layer::Words,
    signals: &[
        FormatSignal {
            mark: Pattern::Words(&[
                "did not reach the following recipient(s):",
                "did not reach the following recipient:",
                "--- non-delivery report --- the email below could not be delivered to",
                "your message did not reach some or all of the intended recipients",
                "delivery has failed to these recipients or groups",
                "delivery has failed to these recipients or distribution lists",
                "the following recipient(s) cannot be reached",
                "the following recipient(s) could not be reached",
                "nachricht hat einige oder alle empfänger nicht erreicht",
                "folgende empfänger konnten nicht erreicht werden",
                "n'a pas atteint certains ou tous",
                "impossible de joindre le(s) destinataire(s)",
                "no ha llegado a algunos o todos los destinatarios",
                "uw bericht heeft enkele of alle",
            ]),
            reason: "describes the failure in Exchange's words",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "generating server: ",
                "diagnostic information for administrators:",
                "informations de diagnostic pour les administrateurs",
                "diagnoseinformationen für administratoren",
                "información de diagnóstico para administradores",
                "informazioni di diagnostica per gli amministratori",
                "diagnostische gegevens voor beheerders",
                "diagnostische informatie voor beheerders",
                "informações de diagnóstico para administradores",
                "informacje diagnostyczne dla administratorów",
                // Only ASCII letters match in either case, so the first letter is left out.
                "иагностические сведения для администраторов",
                "管理者向けの診断情報",
                "管理员的诊断信息",
                "給系統管理員的診斷資訊",
                "관리자를 위한 진단 정보",
                "yöneticiler için tanılama bilgileri",
                "diagnostisk information för administratörer",
                "diagnosticeringsoplysninger til administratorer",
                "diagnoseinformasjon for administratorer",
            ]),
            reason: "has the heading of Exchange's diagnostic information",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "msexch:ims:",
                "msexch:msexchangemta:",
                "the mts-id of the original message is:",
            ]),
            reason: "quotes identifiers of Exchange's transport",
        },
        FormatSignal {
            mark: Pattern::Field("x-ms-embedded-report", &[]),
            reason: "X-MS-Embedded-Report says that it contains a report",
        },
        FormatSignal {
            mark: Pattern::Field("x-ms-exchange-message-is-ndr", &[]),
            reason: "X-MS-Exchange-Message-Is-Ndr says that it is a report",
        },
        FormatSignal {
            mark: Pattern::Field("x-dsncontext", &[]),
            reason: "has Exchange's field X-DSNContext",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    // A report that an Exchange rule wrote repeats the header fields of the refused message, among
    // them those of a mailing list, so it can look like a list post.
    let opens =
        reading.words.trim_start().starts_with("--- Non-Delivery Report ---") && reading.signs.recipients;
    let by_rule = || opens.then(|| words_claim(reading, shown.reasons()))?;
    let mut claim = report_in_words(reading, shown).or_else(by_rule)?;
    claim.report.reporting_mta = reading.host_behind("generating server: ");
    Some(told::complete(claim, reading))
}
