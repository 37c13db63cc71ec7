//! The settings of the HTTP server, as the configuration makes them.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::digest::Digest;

/// The settings of pages, API and metrics.
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
