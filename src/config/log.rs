//! The section `[log]`: what the daemon writes to standard error.

use tracing_subscriber::filter::Targets;

use super::section::section;
use crate::complaint::Complaints;

section!(
    /// The log, which the daemon writes to standard error.
    LogSection {
        /// A level (error, warn, info, debug or trace), or a filter such as `backscatterd=debug`.
        filter: String = "info".to_owned(),
        /// Whether each line is a JSON object instead of text.
        json: bool = false,
    }
);

/// The checked settings of the section `[log]`.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Which events are written.
    pub filter: Targets,
    /// Whether each line is a JSON object instead of text.
    pub json: bool,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSection::default().check(&mut Complaints::about("the defaults"))
    }
}

impl LogSection {
    /// Checks the section.
    pub(super) fn check(self, complaints: &mut Complaints) -> LogSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let LogSection { filter, json } = self;
        let filter = filter.parse::<Targets>().unwrap_or_else(|error| {
            complaints.add(
                "log.filter",
                format!("{filter:?} is not a valid filter: {error}"),
                "write a level such as \"info\", or a filter such as \"backscatterd=debug\"",
            );
            Targets::default()
        });
        LogSettings { filter, json }
    }
}
