//! Notices of content and virus filters to a sender, who did not send what they found.

use super::{Format, Layer, Shown, returned, two_classes};
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};
use crate::classify::{Claim, Kind};

pub(super) const FORMAT: Format = Format {
    name: "content-notice",
    layer: Layer::Notices,
    signals: &[
        Signal {
            mark: Mark::Field(
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
            reason: "written by a filter's notification service",
        },
        Signal {
            mark: Mark::Field(
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
            reason: "sent in a content filter's name",
        },
        Signal {
            mark: Mark::Subject(&[
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
            reason: "its subject tells of a virus or of something banned",
        },
        Signal {
            mark: Mark::Words(&[
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
            reason: "says that it found a virus or something banned",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    // The subject alone with a filter's name would be what a worm writes; it has to say what it found.
    // People warn each other of viruses, and firms sell cures: a program has to speak, to one and not to many.
    let signs = reading.signs;
    let by_program = shown.at(0) || signs.mail_system || signs.null_path || shown.at(1) || signs.copy;
    (shown.at(3) && two_classes(shown) && by_program && !signs.list_post && !answers(reading))
        .then(|| Claim { kind: Kind::ContentNotice, reasons: shown.reasons(), report: returned(reading) })
}

/// Whether somebody answers somebody.
fn answers(reading: &Reading<'_>) -> bool {
    reading.header().field("In-Reply-To").is_some() && reading.from.is_some() && !reading.signs.mail_system
}
