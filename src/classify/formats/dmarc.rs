//! DMARC aggregate reports, which are recognised by the name of the compressed file (RFC 9990,
//! which replaced RFC 7489 §7.2 in May 2026).

use super::report_file::has_period;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};
use crate::mail::MimePart;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format {
    name: "dmarc",
    layer: Layer::Fields,
    signals: &[FormatSignal {
        mark: Pattern::Subject(&["report domain:"]),
        reason: "the subject is that of an aggregate report",
    }],
    claim,
};

/// Media types of a file with XML, compressed or not.
const XML_TYPES: [&str; 7] = [
    "application/gzip",
    "application/x-gzip",
    "application/zip",
    "application/x-zip-compressed",
    "application/xml",
    "text/xml",
    "application/octet-stream",
];

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let is_file = |part: &&MimePart| XML_TYPES.contains(&part.media_type.as_str()) && !is_json(part);
    let mut files = reading.message.parts.iter().filter(is_file);
    let reported = files.any(|part| shown.any() || part.name.as_deref().is_some_and(names_report));
    reported.then(|| {
        let mut reasons = shown.reasons();
        reasons.push("has an attached file as aggregate reports do".to_owned());
        FormatClaim { kind: Kind::DmarcReport, reasons, report: ReportFields::default() }
    })
}

/// Whether a file is that of a TLS report, which has the same form of name and subject.
fn is_json(part: &MimePart) -> bool {
    let name = part.name.as_deref().unwrap_or_default().to_ascii_lowercase();
    name.ends_with(".json") || name.ends_with(".json.gz")
}

/// Whether a file name has the form `receiver!domain!begin!end[!id].xml[.gz]` (RFC 9990). Some
/// reporters write `.zip`, or `.gz` alone.
fn names_report(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".xml", ".gz", ".zip"].iter().any(|ending| name.ends_with(ending)) && has_period(&name)
}
