//! The settings of verification, as the configuration makes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The settings of verification.
#[derive(Clone, Debug)]
pub struct VerifierSettings {
    /// The addresses that sessions are opened from. Without one, nothing is asked.
    pub addresses: LocalAddresses,
    /// The name in EHLO.
    pub ehlo: String,
    /// The address of the page that tells people what the sessions are. It is never sent.
    pub page: String,
    /// How much is asked.
    pub limits: VerifierLimits,
    /// Networks that are never asked, and relays that are never asked about.
    pub opt_out: Vec<IpNet>,
    /// The port that hosts are asked on: 25, except in a laboratory.
    pub port: u16,
}

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifierLimits {
    /// Most sessions at one time.
    pub sessions_max: usize,
    /// Most sessions in an hour.
    pub per_hour: usize,
}

/// The addresses of this machine that sessions are opened from, at most one for each address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalAddresses {
    /// For hosts with an IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// For hosts with an IPv6 address.
    pub v6: Option<Ipv6Addr>,
}

impl LocalAddresses {
    /// The address that a session with this host is opened from.
    pub fn toward(&self, host: IpAddr) -> Option<IpAddr> {
        match host {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }

    /// Whether no address is set, so that nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// All addresses.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}
