//! DMARC aggregate reports, which are recognised by the name of the compressed file (RFC 7489
//! §7.2.1.1).

use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::{FormatSignal, Pattern, ShownSignals};

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

fn claim(reading: &MessageReading<'_>, shown: ShownSignals) -> Option<FormatClaim> {
    let named = reading.message.parts.iter().any(|part| part.name.as_deref().is_some_and(names_report));
    let packed = reading.message.parts.iter().any(|part| {
        ["application/zip", "application/gzip", "application/x-gzip", "text/xml", "application/xml"]
            .contains(&part.media_type.as_str())
    });
    (named || shown.any() && packed).then(|| {
        let mut reasons = shown.reasons();
        reasons.push("has an attached file as aggregate reports do".to_owned());
        FormatClaim { kind: Kind::DmarcReport, reasons, report: ReportFields::default() }
    })
}

/// Whether a file name has the form `receiver!domain!begin!end[!id].xml[.gz]` (RFC 7489 §7.2.1.1).
fn names_report(name: &str) -> bool {
    let ending = [".xml", ".xml.gz", ".zip", ".gz"].iter().any(|ending| name.ends_with(ending));
    let times =
        name.split('!').skip(2).filter(|part| part.bytes().take(9).filter(u8::is_ascii_digit).count() == 9);
    ending && times.count() >= 2
}
