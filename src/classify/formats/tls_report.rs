//! SMTP TLS reports (RFC 8460).

use super::{Format, Layer, Shown};
use crate::classify::reading::Reading;
use crate::classify::{Claim, Kind, Report};

/// The row of [`FORMATS`](super::FORMATS) for this format.
pub(super) const FORMAT: Format = Format { name: "tls-report", layer: Layer::Fields, signals: &[], claim };

fn claim(reading: &Reading<'_>, _: Shown) -> Option<Claim> {
    let typed = reading.message.parts.iter().any(|part| {
        part.report_type.as_deref() == Some("tlsrpt") || part.media_type.starts_with("application/tlsrpt")
    });
    let named = reading.header().field("TLS-Report-Domain").is_some();
    (typed || named).then(|| Claim {
        kind: Kind::TlsReport,
        reasons: vec!["has the Content-Type or the TLS-Report-Domain field of a TLS report".to_owned()],
        report: Report::default(),
    })
}
