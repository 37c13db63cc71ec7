//! The section `[journal]`: where the journal is, and how long data are kept.

use std::path::{Path, PathBuf};

use super::section::section;
use crate::complaint::Complaints;
use crate::journal::DiskReserve;
use crate::publish::RetentionPeriods;
use crate::time::Span;

section!(
    /// The journal, and how long data are kept.
    JournalSection {
        /// The folder of the store, which holds the journal.
        directory: PathBuf = "/var/lib/backscatterd".into(),
        /// How long journal entries are kept: evidence, observations, directives and ticks.
        keep_entries: Span = Span::from_days(56),
        /// How long reduced reports are kept: the messages themselves, encrypted. At most
        /// `keep_entries`.
        keep_reports: Span = Span::from_days(14),
        /// Free octets on the disk below which mail gets a 451 reply. The rest is reserved for
        /// decisions and ticks.
        free_octets_min: u64 = 64 << 20,
        /// How often a tick gives the fold the time, so that listings expire: 1s to 1h.
        tick_interval: Span = Span::from_seconds(10),
    }
);

/// The checked settings of the section `[journal]`.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The disk space that is reserved for decisions and ticks, in the folder of the store.
    pub reserve: DiskReserve,
    /// How long entries and reports are kept.
    pub retention: RetentionPeriods,
    /// How often a tick is appended.
    pub tick_interval: Span,
}

impl JournalSettings {
    /// The folder of the store.
    pub fn directory(&self) -> &Path {
        &self.reserve.folder
    }
}

impl JournalSection {
    /// Checks the section.
    pub(super) fn check(self, complaints: &mut Complaints) -> JournalSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let JournalSection { directory, keep_entries, keep_reports, free_octets_min, tick_interval } = self;
        complaints.require(
            keep_reports <= keep_entries,
            "journal.keep_reports",
            format!("{keep_reports} is longer than journal.keep_entries"),
            "reports must not be kept longer than the evidence read from them",
        );
        complaints.require(
            (1..=3_600).contains(&tick_interval.seconds()),
            "journal.tick_interval",
            format!("{tick_interval} is not between 1s and 1h"),
            "write a time such as \"10s\"",
        );
        JournalSettings {
            reserve: DiskReserve { folder: directory, octets_min: free_octets_min },
            retention: RetentionPeriods { entries: keep_entries, reports: keep_reports },
            tick_interval,
        }
    }
}
