//! The section `[metrics]`: where monitoring reads the metrics.

use std::net::SocketAddr;

use super::section::section;
use crate::http::MetricsSettings;

section!(
    /// The metrics.
    MetricsSection {
        /// Addresses to listen on. Metrics move with every report, so only monitoring may read them.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 9253))],
    }
);

impl MetricsSection {
    /// The settings. None of them can be wrong by itself.
    pub(super) fn settings(self) -> MetricsSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let MetricsSection { listen } = self;
        MetricsSettings { listen }
    }
}
