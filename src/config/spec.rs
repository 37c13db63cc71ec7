//! The configuration file as written: its sections, and the settings that belong to none.
//!
//! `deploy/backscatterd.toml` shows all settings. A test checks that its values equal these
//! defaults.

use std::path::PathBuf;

use super::clock::ClockSection;
use super::dns::DnsSection;
use super::http::HttpSection;
use super::journal::JournalSection;
use super::log::LogSection;
use super::metrics::MetricsSection;
use super::observe::ObserveSection;
use super::paths::{AuditSection, ControlSection, KeysSection};
use super::section::section;
use super::smtp::SmtpSection;
use super::verify::VerifySection;

section!(
    /// The whole configuration file.
    ConfigSpec {
        /// The version of the file's format.
        version: u32 = 1,
        /// The name of this node, in evidence and in the file names of the operator's Maildir.
        node: String = "trap1".to_owned(),
        /// The folder of the zone files (`*.toml`).
        zones_directory: PathBuf = "/etc/backscatterd/zones".into(),
        /// The journal, and how long data are kept.
        journal: JournalSection = JournalSection::default(),
        /// The secret keys.
        keys: KeysSection = KeysSection::default(),
        /// The SMTP server of the traps.
        smtp: SmtpSection = SmtpSection::default(),
        /// The DNS queries about relays.
        observe: ObserveSection = ObserveSection::default(),
        /// The SMTP sessions that ask a relay's side.
        verify: VerifySection = VerifySection::default(),
        /// The name server.
        dns: DnsSection = DnsSection::default(),
        /// Pages and API.
        http: HttpSection = HttpSection::default(),
        /// The metrics.
        metrics: MetricsSection = MetricsSection::default(),
        /// The control socket.
        control: ControlSection = ControlSection::default(),
        /// The audit record.
        audit: AuditSection = AuditSection::default(),
        /// The clock.
        clock: ClockSection = ClockSection::default(),
        /// The log.
        log: LogSection = LogSection::default(),
    }
);
