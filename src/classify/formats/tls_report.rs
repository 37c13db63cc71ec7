//! SMTP TLS reports (RFC 8460).

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
    let named = reading.header().field("TLS-Report-Domain").is_some();
    (typed || named).then(|| FormatClaim {
        kind: Kind::TlsReport,
        reasons: vec!["has the Content-Type or the TLS-Report-Domain field of a TLS report".to_owned()],
        report: ReportFields::default(),
    })
}
