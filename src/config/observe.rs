//! The section `[observe]`: the DNS queries about relays that brought evidence.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::section::section;
use crate::observe::{LaboratoryHost, ObserverLimits, ObserverSettings};
use crate::time::Span;

section!(
    /// The DNS queries about relays that brought evidence.
    ObserveSection {
        /// Whether the DNS is queried. If not, every relation is unknown, and a report weighs what
        /// the policy gives for `relation_unknown`.
        enabled: bool = true,
        /// Resolvers to query; those of `/etc/resolv.conf` if empty.
        resolvers: Vec<SocketAddr> = Vec::new(),
        /// Most inquiries at one time. An inquiry is the DNS queries about the relay of one piece of
        /// evidence.
        inquiries_max: usize = 64,
        /// Most inquiries that wait, run or rest before they are repeated. Evidence beyond it is
        /// asked about later.
        queue_max: usize = 10_000,
        /// The longest time for one attempt at an inquiry.
        timeout: Span = Span::from_seconds(20),
        /// A file that maps networks to autonomous system numbers, by which injector networks are
        /// distinguished; empty for none.
        networks_file: PathBuf = PathBuf::new(),
        /// For laboratories only: mail servers that are used instead of the DNS.
        laboratory_hosts: Vec<LaboratoryHost> = Vec::new(),
    }
);

impl ObserveSection {
    /// The settings. None of them can be wrong by itself.
    pub(super) fn settings(self) -> ObserverSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let ObserveSection {
            enabled,
            resolvers,
            inquiries_max,
            queue_max,
            timeout,
            networks_file,
            laboratory_hosts,
        } = self;
        ObserverSettings {
            enabled,
            resolvers,
            laboratory_hosts,
            networks_file: Some(networks_file).filter(|file| !file.as_os_str().is_empty()),
            limits: ObserverLimits { inquiries_max, queue_max, timeout: timeout.to_std() },
        }
    }
}
