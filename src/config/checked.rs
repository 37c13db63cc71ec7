//! The checked configuration: the settings that are in force, for each part of the program.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::clock::ClockSettings;
use super::journal::JournalSettings;
use super::log::LogSettings;
use super::zones::ZoneFile;
use crate::http::{HttpSettings, MetricsSettings};
use crate::intake::IntakeSettings;
use crate::lists::ListSpec;
use crate::name_server::NameServerSettings;
use crate::observe::ObserverSettings;
use crate::smtp::SmtpSettings;
use crate::verify::VerifierSettings;

/// The checked configuration of the program.
#[derive(Clone, Debug)]
pub struct Config {
    /// All settings that are in force, in the form of the configuration file.
    pub effective: String,
    /// The zone files of `zones_directory`, in the order of their paths.
    pub zones: Vec<ZoneFile>,
    /// The journal, and how long data are kept.
    pub journal: JournalSettings,
    /// The folder of the secret keys.
    pub keys_directory: PathBuf,
    /// The SMTP server.
    pub smtp: SmtpSettings,
    /// What turns messages into evidence.
    pub intake: IntakeSettings,
    /// The DNS queries about relays.
    pub observe: ObserverSettings,
    /// The SMTP sessions that ask a relay's side whether it refuses recipients that do not exist.
    pub verify: VerifierSettings,
    /// The name server.
    pub name_server: NameServerSettings,
    /// The operator's own lists.
    pub lists: Vec<ListSpec>,
    /// Pages and API.
    pub http: HttpSettings,
    /// The metrics.
    pub metrics: MetricsSettings,
    /// The path of the control socket.
    pub control_socket: PathBuf,
    /// The folder of the audit record.
    pub audit_directory: PathBuf,
    /// The clock.
    pub clock: ClockSettings,
    /// The log.
    pub log: LogSettings,
}

impl Config {
    /// The addresses of all listeners.
    pub(super) fn listeners(&self) -> impl Iterator<Item = &SocketAddr> {
        let smtp = [&self.smtp.listen, &self.smtp.listen_proxy, &self.smtp.listen_lmtp];
        let others = [&self.http.listen, &self.metrics.listen, &self.name_server.listen];
        smtp.into_iter().chain(others).flatten()
    }
}
