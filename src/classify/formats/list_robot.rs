//! Automatic answers of mailing list software: held posts, confirmations and help.
//!
//! The patterns are those of Mailman, Majordomo, ezmlm, fml, mlmmj, LISTSERV, Ecartis and Sympa.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "list-robot",
    layer: Layer::Notices,
    signals: &[
        FormatSignal { mark: Pattern::Field("x-mlserver", &[]), reason: "written by fml" },
        FormatSignal { mark: Pattern::Field("x-ml-info", &[]), reason: "written by fml" },
        FormatSignal {
            mark: Pattern::Field(
                "from",
                &[
                    "majordomo@",
                    "listserv@",
                    "-request@",
                    "mailman@",
                    "-help@",
                    "+help@",
                    "+owner@",
                    "ecartis@",
                    "sympa@",
                ],
            ),
            reason: "the From field names mailing list software",
        },
        FormatSignal { mark: Pattern::Field("x-mailman-version", &[]), reason: "passed through Mailman" },
        FormatSignal {
            mark: Pattern::Words(&[
                "is being held until the list moderator can review it",
                "awaits moderator approval",
                "you are not a member of this mailing list",
                "are not allowed to post to this mailing list",
                "you are not allowed to post to the list",
                "to confirm that you would like",
                "confirm your subscription",
                "confirmation of your subscription",
                "someone (possibly you) has requested that your email address be added",
                "this is the ezmlm program",
                "this is the mlmmj program",
                "has requested that your email address",
                "i'm working for my owner",
                "acknowledgment: i have added the address",
                "to confirm that you want to",
                "the message from <",
                "welcome to the list",
                "duplicated message-id in",
                "your request to the",
                "results of your email commands",
                "was denied because",
                "the following commands are recognised",
            ]),
            reason: "uses the wording of mailing list software",
        },
        FormatSignal {
            mark: Pattern::Subject(&[
                "awaits moderator approval",
                "confirm subscribe",
                "confirm subscription",
                "confirmation for subscription",
                "confirm ",
                "your post to",
                "post to ",
                "results for ",
                "the results of your email commands",
                "welcome to ",
            ]),
            reason: "the subject is that of mailing list software",
        },
    ],
    claim,
};

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let decisive = shown.at(0) || shown.at(1);
    let by_robot = shown.at(4) && (shown.at(2) || shown.at(3) || shown.at(5));
    // A mail system wrote this: a report that came through a list, or one about mail of the list
    // software.
    let is_report = reading.signs.mail_system || reading.line.starts_with("--- Non-Delivery Report ---");
    ((decisive || by_robot) && !is_report).then(|| FormatClaim {
        kind: Kind::ListResponse,
        reasons: shown.reasons(),
        report: ReportFields::default(),
    })
}
