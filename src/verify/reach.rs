//! Whether verification can reach port 25 of other hosts. Many providers block it.

use std::net::IpAddr;

/// Whether a host's port 25 can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortReach {
    /// This host greeted.
    Open(IpAddr),
    /// No host greeted.
    Closed {
        /// The hosts that were tried.
        tried: Vec<IpAddr>,
    },
    /// No host could be tried, and why.
    Untried(&'static str),
}

impl std::fmt::Display for PortReach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PortReach::Open(host) => write!(f, "port 25 can be reached: {host} greeted"),
            PortReach::Closed { tried } => {
                let tried: Vec<String> = tried.iter().map(IpAddr::to_string).collect();
                write!(
                    f,
                    "port 25 cannot be reached: no greeting from {}; ask your provider to open outgoing port 25, or try another domain",
                    tried.join(", ")
                )
            }
            PortReach::Untried(why) => write!(f, "port 25 was not tried: {why}"),
        }
    }
}
