//! Imitations of reports: malware and phishing mail with the subject or the words of a report.

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals, SignClass};
use crate::classify::statements::Statement;
use crate::mail::PartContent;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "imitation",
    layer: Layer::Replies,
    signals: &[
        FormatSignal {
            mark: Pattern::Subject(&[
                "mail delivery",
                "delivery failed",
                "delivery failure",
                "delivery status",
                "returned mail",
                "undeliver",
                "mail system error",
                "failure notice",
                "mail transaction failed",
                "server report",
                "pending messages",
                "messages pending",
                "undelivered mail",
                "incoming messages",
            ]),
            reason: "the subject is typical of a report",
        },
        FormatSignal {
            mark: Pattern::Words(&[
                "the message contains unicode characters",
                "the message cannot be represented in 7-bit",
                "mail transaction failed. partial message is available",
                "messages are pending",
                "pending messages",
                "undelivered messages",
                "failed to sync",
                "could not be delivered",
                "undelivered mails",
            ]),
            reason: "uses the wording of a report",
        },
    ],
    claim,
};

/// Sum of the weights of doubts from which a message is an imitation.
const DOUBT_MAX: u32 = 3;

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let pretends = shown.has(SignClass::Subject)
        && (shown.has(SignClass::Words) || reading.signs.mail_system || reading.signs.null_path)
        || shown.has(SignClass::Words) && reading.signs.mail_system;
    let doubts = doubts(reading, false);
    (pretends && is_imitation(&doubts)).then(|| FormatClaim {
        kind: Kind::FakeNdr,
        reasons: shown
            .reasons()
            .into_iter()
            .chain(doubts.into_iter().map(|(_, doubt)| doubt.to_owned()))
            .collect(),
        report: ReportFields::default(),
    })
}

/// Whether the doubts, which [`doubts`] returned, make the message an imitation.
pub(in crate::classify) fn is_imitation(doubts: &[(u32, &'static str)]) -> bool {
    doubts.iter().map(|(weight, _)| weight).sum::<u32>() >= DOUBT_MAX
}

/// The reasons against a message being a mail system's report, each with its weight.
///
/// `names_recipients` says whether the report names at least one failed recipient.
pub(in crate::classify) fn doubts(
    reading: &MessageReading<'_>,
    names_recipients: bool,
) -> Vec<(u32, &'static str)> {
    let parts = &reading.message.parts;
    // A returned original may have any file name. Only the names of other attachments are checked.
    let beside = parts.iter().filter(|part| {
        let kind = part.media_type.as_str();
        !(kind.starts_with("message/")
            || kind.starts_with("multipart/")
            || kind == "text/plain"
            || kind.contains("headers"))
    });
    let names: Vec<String> =
        beside.filter_map(|part| Some(part.name.as_ref()?.to_ascii_lowercase())).collect();
    let attached =
        |endings: &[&str]| names.iter().any(|name| endings.iter().any(|ending| name.ends_with(ending)));
    let texts = parts.iter().filter(|part| part.media_type.starts_with("text/"));
    let html_only = parts.iter().any(|part| part.media_type == "text/html")
        && texts.clone().all(|part| part.media_type == "text/html");
    let bare_original = parts.iter().any(|part| {
        matches!(&part.content, PartContent::Original(header) if header.field("Received").is_none() && header.fields().len() > 2)
    });
    // A genuine report, which returns the original, may refer the reader to a page.
    let lures = !reading.signs.copy && !reading.line.contains(" said: ") && reading.says(Statement::Lure);
    let linked = || reading.line.contains("http://") || reading.line.contains("https://");
    let found = [
        (attached(PROGRAMS), 3, "an executable file is attached, which no mail system sends"),
        (attached(ARCHIVES), 2, "an archive or a web page is attached"),
        (lures && linked(), 2, "asks the reader to follow a link or to log in"),
        (lures, 1, "asks the reader for something that no report asks for"),
        (!reading.signs.copy, 1, "does not return the original or its header"),
        (!names_recipients, 1, "names no failed recipient"),
        (html_only, 1, "the text is in HTML only"),
        (bare_original, 1, "the original has no Received field, which the relay would have added"),
    ];
    found.into_iter().filter(|(seen, ..)| *seen).map(|(_, weight, doubt)| (weight, doubt)).collect()
}

/// File name endings of executable files.
const PROGRAMS: &[&str] = &[
    ".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".hta", ".cpl",
    ".lnk", ".iso", ".img", ".jar", ".ps1", ".msi", ".docm", ".xlsm",
];
/// File name endings of archives and web pages.
const ARCHIVES: &[&str] = &[".zip", ".rar", ".7z", ".ace", ".gz", ".htm", ".html", ".shtml", ".svg"];
