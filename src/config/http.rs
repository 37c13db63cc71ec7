//! The section `[http]`: pages and API.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::section::section;
use crate::complaint::Complaints;
use crate::http::HttpSettings;

section!(
    /// Pages and API.
    HttpSection {
        /// Addresses to listen on.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 8053))],
        /// The operators that may make decisions through the API.
        operators: Vec<OperatorTokenSpec> = Vec::new(),
        /// Networks of the proxies whose X-Forwarded-For field names the client.
        proxies: Vec<IpNet> = Vec::new(),
        /// Most self-removals per hour from one network, an IPv4 /24 or an IPv6 /48; 429 beyond.
        removals_per_client_max: u32 = 20,
    }
);

/// An operator that may make decisions through the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorTokenSpec {
    /// The operator's name in the audit record.
    pub name: String,
    /// The digest of the operator's token, as `backscatterd token` prints it.
    pub token_digest: String,
}

impl HttpSection {
    /// Checks the section.
    pub(super) fn check(self, complaints: &mut Complaints) -> HttpSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let HttpSection { listen, operators: written, proxies, removals_per_client_max } = self;
        let mut operators = Vec::new();
        for (at, OperatorTokenSpec { name, token_digest }) in written.into_iter().enumerate() {
            match token_digest.parse() {
                Ok(digest) => operators.push((name, digest)),
                // The text may be the token itself, so it is not repeated.
                Err(_) => complaints.add(
                    &format!("http.operators[{at}].token_digest"),
                    "it is not a digest of 32 hexadecimal digits",
                    "write the digest that \"backscatterd token\" prints",
                ),
            }
        }
        HttpSettings { listen, operators, proxies, removals_per_client_max }
    }
}
