//! What only pretends to be a report: a virus or a lure under a report's subject, and reports that give themselves away.

use super::{Format, Layer, Shown};
use crate::classify::reading::Reading;
use crate::classify::signal::{Class, Common, Mark, Signal};
use crate::classify::{Claim, Kind, Report};
use crate::mail::Content;

pub(super) const FORMAT: Format = Format {
    name: "imitation",
    layer: Layer::Replies,
    signals: &[
        Signal {
            mark: Mark::Subject(&[
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
            reason: "its subject is that of a report",
        },
        Signal {
            mark: Mark::Words(&[
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
            reason: "speaks as a report does",
        },
    ],
    claim,
};

/// Doubts that weigh so much, together, make a report an imitation.
const DOUBT_MAX: u32 = 3;

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let pretends = shown.has(Class::Subject)
        && (shown.has(Class::Words) || reading.signs.mail_system || reading.signs.null_path)
        || shown.has(Class::Words) && reading.signs.mail_system;
    let doubts = doubts(reading, false);
    (pretends && is_imitation(&doubts)).then(|| Claim {
        kind: Kind::FakeNdr,
        reasons: shown
            .reasons()
            .into_iter()
            .chain(doubts.into_iter().map(|(_, doubt)| doubt.to_owned()))
            .collect(),
        report: Report::default(),
    })
}

pub(in crate::classify) fn is_imitation(doubts: &[(u32, &'static str)]) -> bool {
    doubts.iter().map(|(weight, _)| weight).sum::<u32>() >= DOUBT_MAX
}

/// What speaks against a message being a mail system's report, with its weight.
pub(in crate::classify) fn doubts(reading: &Reading<'_>, names_recipients: bool) -> Vec<(u32, &'static str)> {
    let parts = &reading.message.parts;
    // A returned original may have any name; what is attached beside it may not.
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
        matches!(&part.content, Content::Original(header) if header.field("Received").is_none() && header.fields().len() > 2)
    });
    // Who returns the original may explain where to learn more.
    let lures = reading.says(Common::Lure) && !reading.signs.copy && !reading.line.contains(" said: ");
    let linked = || reading.line.contains("http://") || reading.line.contains("https://");
    let found = [
        (attached(PROGRAMS), 3, "a program is attached, which no mail system sends"),
        (attached(ARCHIVES), 2, "an archive or a page is attached"),
        (lures && linked(), 2, "asks its reader to follow a link or to log in"),
        (lures, 1, "asks its reader for something that no report asks for"),
        (!reading.signs.copy, 1, "returns nothing of the original"),
        (!names_recipients, 1, "names no failed recipient"),
        (html_only, 1, "is written in HTML alone"),
        (bare_original, 1, "the original has no Received line, which the relay itself would have written"),
    ];
    found.into_iter().filter(|(seen, ..)| *seen).map(|(_, weight, doubt)| (weight, doubt)).collect()
}

/// What a program's file ends with.
const PROGRAMS: &[&str] = &[
    ".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".hta", ".cpl",
    ".lnk", ".iso", ".img", ".jar", ".ps1", ".msi", ".docm", ".xlsm",
];
const ARCHIVES: &[&str] = &[".zip", ".rar", ".7z", ".ace", ".gz", ".htm", ".html", ".shtml", ".svg"];
