//! The section `[dns]`: the name server.

use std::fmt;
use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

use super::section::section;
use crate::complaint::Complaints;
use crate::digest::Digest;
use crate::dns::{
    AccessAction, AccessKey, AccessRule, CookieSecret, Nsid, ResponseLimits, SECRET_OCTETS, TcpLimits,
};
use crate::lists::ListSpec;
use crate::name_server::NameServerSettings;
use crate::time::Span;
use crate::zone;

section!(
    /// The name server.
    DnsSection {
        /// Addresses to listen on, by UDP and TCP.
        listen: Vec<SocketAddr> = vec![SocketAddr::from(([0, 0, 0, 0], 53))],
        /// Threads for UDP on each address; 0 for one per processor.
        threads: usize = 0,
        /// The greatest age of the data. Older data are not served: the answer is SERVFAIL, and
        /// mail servers then accept the mail.
        data_age_max: Span = Span::from_seconds(3_600),
        /// Most responses per second and thread to one question from one network (IPv4 /24, IPv6
        /// /56); 0 for no limit.
        identical_responses_max: u32 = 50,
        /// Most responses per second and thread to one network; 0 for no limit.
        network_responses_max: u32 = 2_000,
        /// Most errors and refusals per second and thread to one network; 0 for no limit.
        error_responses_max: u32 = 20,
        /// Networks to which responses are not limited. Loopback is safe here: packets from outside
        /// cannot have such a source.
        unlimited: Vec<IpNet> = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).to_vec(),
        /// Of the responses over a limit, 1 in `slip` is sent, without records and with TC set, so
        /// that real clients retry over TCP; 0 sends none.
        slip: u8 = 2,
        /// Secrets of DNS cookies (RFC 9018), each of 32 hexadecimal digits. New cookies are made
        /// with the first; cookies of the others are still valid. If empty, a random secret is
        /// used.
        cookie_secrets: Vec<CookieSecretSpec> = Vec::new(),
        /// The name server identifier (RFC 5001), also the answer to `id.server` and
        /// `hostname.bind`; empty for none.
        nsid: String = String::new(),
        /// The answer to `version.bind` and `version.server`; empty for none.
        version: String = String::new(),
        /// A TCP connection is closed when no complete query arrives within this time (RFC 7766
        /// §6.2.3).
        tcp_idle_timeout: Span = Span::from_seconds(10),
        /// Most concurrent TCP connections; further ones wait.
        tcp_connections_max: usize = 1_024,
        /// Most concurrent TCP connections from one IPv4 address or IPv6 /64; further ones are
        /// closed.
        tcp_connections_per_client_max: usize = 64,
        /// Rules that say which clients may query which zones.
        access: Vec<AccessRuleSpec> = Vec::new(),
        /// Keys in query names (`<reversed address>.<key>.<zone>`).
        keys: Vec<AccessKeySpec> = Vec::new(),
        /// The operator's own lists, served beside the judged zones, each as
        /// `zone:type:file[,file]...`.
        lists: Vec<String> = Vec::new(),
    }
);

/// A secret of DNS cookies, as it is written. No output shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct CookieSecretSpec(String);

impl fmt::Debug for CookieSecretSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecretSpec(hidden)")
    }
}

impl Serialize for CookieSecretSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("hidden")
    }
}

/// What the name server does with queries from some networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRuleSpec {
    /// The origins of the zones; all zones if empty.
    #[serde(default)]
    pub zones: Vec<String>,
    /// The clients' networks. Of several, the smallest network around the client decides.
    pub networks: Vec<IpNet>,
    /// What is done.
    pub action: AccessAction,
}

/// A key that may stand in query names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKeySpec {
    /// The name of the key in the metrics.
    pub name: String,
    /// The digest of the key, as `backscatterd token` prints it.
    pub digest: String,
}

/// The settings of a name server whose section `[dns]` is empty.
pub fn default_name_server() -> NameServerSettings {
    DnsSection::default().check(&mut Complaints::about("the defaults")).0
}

impl DnsSection {
    /// Checks the section. The result is the settings of the name server, and the operator's own
    /// lists.
    pub(super) fn check(self, complaints: &mut Complaints) -> (NameServerSettings, Vec<ListSpec>) {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let DnsSection {
            listen,
            threads,
            data_age_max,
            identical_responses_max,
            network_responses_max,
            error_responses_max,
            unlimited,
            slip,
            cookie_secrets,
            nsid,
            version,
            tcp_idle_timeout,
            tcp_connections_max,
            tcp_connections_per_client_max,
            access,
            keys,
            lists,
        } = self;
        let access_rules = read_rules(&access, complaints);
        let access_keys = read_keys(keys, complaints);
        let cookie_secrets = read_secrets(&cookie_secrets, complaints);
        let lists = read_lists(&lists, complaints);
        check_keys(&access_keys, complaints);
        check_rules(&access, &access_keys, complaints);
        complaints.require(
            tcp_idle_timeout.seconds() >= 1,
            "dns.tcp_idle_timeout",
            format!("{tcp_idle_timeout} is too short"),
            "write \"1s\" or more",
        );
        complaints.require(
            version.len() <= zone::TXT_OCTETS_MAX,
            "dns.version",
            format!("it is {} octets long", version.len()),
            format!("write {} octets or fewer", zone::TXT_OCTETS_MAX),
        );
        for (key, limit) in [
            ("dns.tcp_connections_max", tcp_connections_max),
            ("dns.tcp_connections_per_client_max", tcp_connections_per_client_max),
        ] {
            complaints.require(limit >= 1, key, "0 would reject every client", "write 1 or more");
        }
        let settings = NameServerSettings {
            listen,
            threads,
            access_rules,
            access_keys,
            cookie_secrets,
            nsid: Nsid::new(&nsid),
            version,
            age_max: data_age_max,
            unlimited,
            responses: ResponseLimits {
                identical: identical_responses_max,
                network: network_responses_max,
                error: error_responses_max,
                slip,
            },
            tcp: TcpLimits {
                connections_max: tcp_connections_max,
                connections_per_client_max: tcp_connections_per_client_max,
                idle_timeout: tcp_idle_timeout.to_std(),
            },
        };
        (settings, lists)
    }
}

fn read_rules(written: &[AccessRuleSpec], complaints: &mut Complaints) -> Vec<AccessRule> {
    let mut rules = Vec::new();
    for (at, AccessRuleSpec { zones: origins, networks, action }) in written.iter().enumerate() {
        let mut zones = Vec::new();
        for origin in origins {
            match zone::DomainName::parse(origin) {
                Ok(origin) => zones.push(origin),
                Err(problem) => complaints.add(
                    &format!("dns.access[{at}].zones"),
                    problem,
                    "write the origin of a zone, such as \"bl.example.org\"",
                ),
            }
        }
        rules.push(AccessRule { zones, networks: networks.clone(), action: *action });
    }
    rules
}

fn read_keys(written: Vec<AccessKeySpec>, complaints: &mut Complaints) -> Vec<AccessKey> {
    let mut keys = Vec::new();
    for (at, AccessKeySpec { name, digest }) in written.into_iter().enumerate() {
        match digest.parse() {
            Ok(digest) => keys.push(AccessKey { name, digest }),
            // The text may be the key itself, so it is not repeated.
            Err(_) => complaints.add(
                &format!("dns.keys[{at}].digest"),
                "it is not a digest of 32 hexadecimal digits",
                "write the digest that \"backscatterd token\" prints",
            ),
        }
    }
    keys
}

fn read_secrets(written: &[CookieSecretSpec], complaints: &mut Complaints) -> Vec<CookieSecret> {
    let mut secrets = Vec::new();
    for (at, CookieSecretSpec(secret)) in written.iter().enumerate() {
        match secret.parse::<Digest>() {
            Ok(secret) if *secret.octets() != [0; SECRET_OCTETS] => {
                secrets.push(CookieSecret::new(*secret.octets()));
            }
            Ok(_) | Err(_) => complaints.add(
                &format!("dns.cookie_secrets[{at}]"),
                "it is not a valid secret",
                "write 32 random hexadecimal digits",
            ),
        }
    }
    secrets
}

fn read_lists(written: &[String], complaints: &mut Complaints) -> Vec<ListSpec> {
    let mut lists = Vec::new();
    for (at, list) in written.iter().enumerate() {
        match list.parse() {
            Ok(list) => lists.push(list),
            Err(problem) => complaints.add(
                &format!("dns.lists[{at}]"),
                problem,
                "write a list such as \"own.example.org:ip4set:/etc/backscatterd/own.list\"",
            ),
        }
    }
    lists
}

fn check_keys(keys: &[AccessKey], complaints: &mut Complaints) {
    for (at, key) in keys.iter().enumerate() {
        let taken = keys[..at].iter().any(|other| other.name == key.name || other.digest == key.digest);
        complaints.require(
            !taken,
            "dns.keys",
            format!("{:?} or its digest is used by an earlier key", key.name),
            "give each key its own name and token",
        );
    }
}

/// Checks the rules as they are written: a zone whose name is wrong still counts as one.
fn check_rules(rules: &[AccessRuleSpec], keys: &[AccessKey], complaints: &mut Complaints) {
    for (at, rule) in rules.iter().enumerate() {
        let place = format!("dns.access[{at}]");
        complaints.require(
            !rule.networks.is_empty(),
            &format!("{place}.networks"),
            "it is empty, so the rule applies to no client",
            "write networks such as [\"192.0.2.0/24\"], or [\"0.0.0.0/0\", \"::/0\"] for all clients",
        );
        complaints.require(
            rule.action != AccessAction::Key || !keys.is_empty(),
            &format!("{place}.action"),
            "\"key\" needs a key, but dns.keys is empty",
            "add a key to dns.keys",
        );
        let of_earlier = rules[..at]
            .iter()
            .filter(|other| other.action != rule.action && (other.zones.is_empty() == rule.zones.is_empty()));
        let same_zone = |other: &&AccessRuleSpec| {
            rule.zones.is_empty() || rule.zones.iter().any(|zone| other.zones.contains(zone))
        };
        let twice = of_earlier
            .filter(same_zone)
            .flat_map(|other| &other.networks)
            .find(|network| rule.networks.iter().any(|own| own.trunc() == network.trunc()));
        if let Some(network) = twice {
            complaints.add(
                &format!("{place}.networks"),
                format!("{network} has another action in an earlier rule"),
                "give each network one action",
            );
        }
    }
}
