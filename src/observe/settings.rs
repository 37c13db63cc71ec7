//! The settings of the observer, as the configuration makes them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::lookups::LaboratoryHost;

/// The settings of the DNS queries about relays.
#[derive(Clone, Debug)]
pub struct ObserverSettings {
    /// Whether anything is asked.
    pub enabled: bool,
    /// The resolvers to query; those of the system if empty.
    pub resolvers: Vec<SocketAddr>,
    /// The mail servers of a laboratory, which are used instead of the DNS; none outside of a
    /// laboratory.
    pub laboratory_hosts: Vec<LaboratoryHost>,
    /// The file that maps networks to autonomous systems; `None` if there is none.
    pub networks_file: Option<PathBuf>,
    /// The limits of concurrent inquiries.
    pub limits: ObserverLimits,
}

/// Limits of concurrent inquiries.
#[derive(Clone, Copy, Debug)]
pub struct ObserverLimits {
    /// Maximum number of inquiries that run at once.
    pub inquiries_max: usize,
    /// Maximum number of inquiries that wait, run or rest before they are repeated; evidence beyond
    /// it is asked about later.
    pub queue_max: usize,
    /// Maximum time for each question.
    pub timeout: Duration,
}
