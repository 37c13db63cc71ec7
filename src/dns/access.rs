//! Access rules: which client may query which zone, by its address or by an access key in the name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::zone::{DomainName, KEY_OCTETS_MIN, QueryLabels, Steps, ValueRange};

/// What is done with a client's query, written in lower case in the configuration. Later variants
/// are stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessAction {
    /// The query is answered.
    #[default]
    Pass,
    /// The zone appears empty: every name below its origin gets NXDOMAIN.
    Empty,
    /// The query is answered if the name contains a valid access key.
    Key,
    /// The query gets REFUSED.
    Refuse,
    /// The query gets no response.
    Ignore,
}

/// One checked access rule.
#[derive(Clone, Debug)]
pub struct AccessRule {
    /// The origins of the zones it applies to; all zones if empty.
    pub zones: Vec<DomainName>,
    /// The networks of the clients it applies to.
    pub networks: Vec<IpNet>,
    /// What is done with their queries.
    pub action: AccessAction,
}

/// One checked access key.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The key's name in metrics.
    pub name: String,
    /// The digest of the key's label in lower case.
    pub digest: Digest,
}

/// The access rules and keys, prepared for fast lookup.
#[derive(Debug, Default)]
pub struct AccessTable {
    everywhere: ClientActions,
    /// The rules for single zones, by the zone's origin in wire form.
    by_zone: Vec<(Vec<u8>, ClientActions)>,
    keys: BTreeMap<Digest, usize>,
    key_names: Vec<String>,
}

/// The actions for clients of each address family. An IPv6 network contains no IPv4 client.
#[derive(Debug, Default)]
struct ClientActions {
    ipv4: Steps<u32, AccessAction>,
    ipv6: Steps<u128, AccessAction>,
}

/// Converts a network of mapped IPv4 addresses to the IPv4 network (RFC 4291 §2.5.5.2). Other
/// networks are returned as they are.
pub fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped.and_then(|(v4, length)| IpNet::new(v4.into(), length).ok()).unwrap_or(network)
}

impl ClientActions {
    fn of<'r>(rules: impl Iterator<Item = &'r AccessRule>) -> Self {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for AccessRule { networks, action: value, .. } in rules {
            for network in networks {
                match canonical(*network) {
                    IpNet::V4(net) => {
                        let (first, last) = (net.network().into(), net.broadcast().into());
                        ipv4.push(ValueRange { first, last, value: *value });
                    }
                    IpNet::V6(net) => {
                        let (first, last) = (net.network().into(), net.broadcast().into());
                        ipv6.push(ValueRange { first, last, value: *value });
                    }
                }
            }
        }
        ClientActions { ipv4: Steps::of(ipv4), ipv6: Steps::of(ipv6) }
    }

    fn action(&self, client: IpAddr) -> AccessAction {
        match client.to_canonical() {
            IpAddr::V4(v4) => self.ipv4.at(v4.into()),
            IpAddr::V6(v6) => self.ipv6.at(v6.into()),
        }
    }
}

/// The access key in a query name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// The name contains no key.
    None,
    /// A known key, by its place in the configuration.
    Known(usize),
    /// A label that looks like a key and is not known.
    Wrong,
}

impl AccessTable {
    /// Prepares checked rules and keys.
    pub fn new(rules: &[AccessRule], keys: Vec<AccessKey>) -> Self {
        let mut zones: Vec<&DomainName> = rules.iter().flat_map(|rule| &rule.zones).collect();
        zones.sort_unstable();
        zones.dedup();
        let by_zone = zones.into_iter().map(|zone| {
            (zone.to_wire(), ClientActions::of(rules.iter().filter(|rule| rule.zones.contains(zone))))
        });
        AccessTable {
            everywhere: ClientActions::of(rules.iter().filter(|rule| rule.zones.is_empty())),
            by_zone: by_zone.collect(),
            keys: keys.iter().enumerate().map(|(at, key)| (key.digest, at)).collect(),
            key_names: keys.into_iter().map(|key| key.name).collect(),
        }
    }

    /// The names of the keys, in the order of the configuration.
    pub fn key_names(&self) -> &[String] {
        &self.key_names
    }

    /// The action of the rules for all zones: that of the smallest network that contains the
    /// client.
    pub fn everywhere(&self, client: IpAddr) -> AccessAction {
        self.everywhere.action(client)
    }

    /// The action for a client and a zone. The smallest network that contains the client decides,
    /// separately among the rules for all zones and among those for this zone; the stricter of the
    /// two applies.
    pub fn action(&self, client: IpAddr, origin: &[u8]) -> AccessAction {
        let of_zone = self.by_zone.iter().find(|(zone, _)| zone == origin);
        let of_zone = of_zone.map(|(_, clients)| clients.action(client));
        self.everywhere(client).max(of_zone.unwrap_or_default())
    }

    /// Splits an access key off the labels, where it stands next to the origin. Without configured
    /// keys no label is taken for a key.
    pub fn key<'q>(&self, labels: QueryLabels<'q>) -> (KeyStatus, QueryLabels<'q>) {
        if self.keys.is_empty() {
            return (KeyStatus::None, labels);
        }
        match labels.split_last() {
            Some((label, rest)) if label.len() >= KEY_OCTETS_MIN => {
                let known = self.keys.get(&Digest::of(&label.to_ascii_lowercase()));
                (known.map_or(KeyStatus::Wrong, |at| KeyStatus::Known(*at)), rest)
            }
            _ => (KeyStatus::None, labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(zones: &[&str], networks: &[&str], action: AccessAction) -> AccessRule {
        AccessRule {
            zones: zones.iter().map(|zone| DomainName::parse(zone).unwrap()).collect(),
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            action,
        }
    }

    #[test]
    fn n8_the_smallest_network_decides_and_the_stricter_of_two_rules() {
        let access = AccessTable::new(
            &[
                rule(&[], &["198.51.100.0/24", "2001:db8::/32"], AccessAction::Refuse),
                rule(&[], &["198.51.100.7/32"], AccessAction::Pass),
                rule(&["bl.example"], &["192.0.2.0/24", "198.51.100.7/32"], AccessAction::Ignore),
            ],
            Vec::new(),
        );
        let action = |client: &str, zone: &str| {
            access.action(client.parse().unwrap(), &DomainName::parse(zone).unwrap().to_wire())
        };
        assert_eq!(action("198.51.100.8", "any.example"), AccessAction::Refuse);
        assert_eq!(action("198.51.100.7", "any.example"), AccessAction::Pass);
        assert_eq!(action("198.51.100.7", "bl.example"), AccessAction::Ignore);
        assert_eq!(action("198.51.100.8", "bl.example"), AccessAction::Refuse);
        assert_eq!(action("192.0.2.9", "bl.example"), AccessAction::Ignore);
        assert_eq!(action("192.0.3.9", "bl.example"), AccessAction::Pass);
        assert_eq!(action("2001:db8::1", "bl.example"), AccessAction::Refuse);
        assert_eq!(action("::ffff:198.51.100.8", "bl.example"), AccessAction::Refuse);
    }

    #[test]
    fn n8_a_rule_for_all_of_ipv6_is_none_for_ipv4() {
        let access = AccessTable::new(
            &[
                rule(&[], &["::/0"], AccessAction::Refuse),
                rule(&["bl.example"], &["0.0.0.0/0"], AccessAction::Key),
            ],
            Vec::new(),
        );
        let action = |client: &str| access.everywhere(client.parse().unwrap());
        assert_eq!(action("2001:db8::1"), AccessAction::Refuse);
        assert_eq!(action("192.0.2.1"), AccessAction::Pass);
        assert_eq!(action("::ffff:192.0.2.1"), AccessAction::Pass);
        let origin = DomainName::parse("bl.example").unwrap().to_wire();
        assert_eq!(access.action("192.0.2.1".parse().unwrap(), &origin), AccessAction::Key);
        let mapped =
            AccessTable::new(&[rule(&[], &["::ffff:192.0.2.0/120"], AccessAction::Refuse)], Vec::new());
        assert_eq!(mapped.everywhere("192.0.2.9".parse().unwrap()), AccessAction::Refuse);
    }
}
