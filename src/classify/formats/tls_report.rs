//! SMTP TLS reports (RFC 8460).

use super::report_file::has_period;
use crate::classify::format::{Format, FormatClaim, Layer};
use crate::classify::kind::Kind;
use crate::classify::reading::MessageReading;
use crate::classify::report::ReportFields;
use crate::classify::signal::ShownSignals;

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format { name: "tls-report", layer: Layer::Fields, signals: &[], claim };

fn claim(reading: &MessageReading<'_>, _: ShownSignals) -> Option<FormatClaim> {
    let typed = reading.message.parts.iter().any(|part| {
        part.report_type.as_deref() == Some("tlsrpt") || part.media_type.starts_with("application/tlsrpt")
    });
    let domain = reading.header().field("TLS-Report-Domain").is_some();
    let named = reading.message.parts.iter().any(|part| part.name.as_deref().is_some_and(names_report));
    (typed || domain || named).then(|| FormatClaim {
        kind: Kind::TlsReport,
        reasons: vec![
            "has the Content-Type, the TLS-Report-Domain field or the name of file of a TLS report"
                .to_owned(),
        ],
        report: ReportFields::default(),
    })
}

/// Whether a file name has the form `sender!domain!begin!end[!id].json[.gz]` (RFC 8460 §5.1).
fn names_report(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".json", ".json.gz"].iter().any(|ending| name.ends_with(ending)) && has_period(&name)
}
