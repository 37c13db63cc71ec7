//! Postfix's words without its fields: before version 2.0, or where a gateway lost them; and its notes to a postmaster.

use super::{Format, Layer, Shown, report_in_words};
use crate::classify::Claim;
use crate::classify::reading::Reading;
use crate::classify::signal::{Mark, Signal};

pub(super) const FORMAT: Format = Format {
    name: "postfix",
    layer: Layer::Words,
    signals: &[
        Signal {
            mark: Mark::Words(&[
                "i'm sorry to have to inform you that the message returned below could not be delivered",
                "i'm sorry to have to inform you that your message could not be delivered",
                "i'm sorry to have to inform you that your message could not be be delivered",
                "this is the mail system at host ",
                "this is the postfix program at host ",
                "this is the mail delivery agent at ",
            ]),
            reason: "opens as Postfix does",
        },
        Signal {
            mark: Mark::Words(&["you can delete your own text from the"]),
            reason: "asks for the report to be included as Postfix does",
        },
        Signal {
            mark: Mark::Subject(&["postfix smtp server: errors from"]),
            reason: "its subject is that of Postfix's notes to a postmaster",
        },
        Signal {
            mark: Mark::Words(&["transcript of session follows. out: 220 "]),
            reason: "shows the session as Postfix does",
        },
    ],
    claim,
};

fn claim(reading: &Reading<'_>, shown: Shown) -> Option<Claim> {
    let mut claim = report_in_words(reading, shown)?;
    claim.report.reporting_mta =
        ["program at host ", "mail system at host "].iter().find_map(|phrase| reading.host_behind(phrase));
    Some(claim)
}
