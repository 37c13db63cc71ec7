//! The settings of the HTTP server, as the configuration makes them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::digest::Digest;

/// The settings of pages and API.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Names of the operators that may make decisions through the API, with the digests of their
    /// tokens.
    pub operators: Vec<(String, Digest)>,
    /// Networks of the proxies whose X-Forwarded-For header is used.
    pub proxies: Vec<IpNet>,
    /// Most self-removals per hour from one network of clients.
    pub removals_per_client_max: u32,
}

/// The settings of the metrics' own listeners.
#[derive(Clone, Debug)]
pub struct MetricsSettings {
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
}

impl MetricsSettings {
    /// The addresses that hosts outside of the operator's own networks may reach: all but loopback
    /// and private ones (RFC 1918, RFC 4193).
    pub fn public(&self) -> impl Iterator<Item = &SocketAddr> {
        self.listen.iter().filter(|listener| match listener.ip() {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_private(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unique_local(),
        })
    }
}
