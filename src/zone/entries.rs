//! The listed addresses of one zone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Reversed;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// Prefixes that are listed: addresses, and IPv6 /64s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(BTreeMap<Prefix, Entry>);

/// The codes of one listed prefix and until when each stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// By value, rising.
    pub codes: Vec<(u8, Option<Timestamp>)>,
}

/// What a zone says of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub mask: u8,
    /// The first moment at which one of the codes ends; `None` for what doesn't end.
    pub until: Option<Timestamp>,
}

/// The only prefix length that is listed apart from whole addresses.
const IPV6_RANGE: u8 = 64;

impl Entry {
    pub fn mask(&self) -> u8 {
        self.codes.iter().fold(0, |mask, (value, _)| mask | value)
    }

    /// The first moment at which one of the codes in the mask ends; `None` for entries that don't end.
    pub fn until(&self, mask: u8) -> Option<Timestamp> {
        self.codes.iter().filter(|(value, _)| value & mask != 0).filter_map(|(_, until)| *until).min()
    }
}

impl Entries {
    /// Puts an entry in the place of what was there; an entry without codes is none.
    pub fn set(&mut self, prefix: Prefix, entry: Entry) {
        if entry.codes.is_empty() {
            self.0.remove(&prefix);
        } else {
            self.0.insert(prefix, entry);
        }
    }

    pub fn get(&self, prefix: Prefix) -> Option<&Entry> {
        self.0.get(&prefix)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &Entry)> {
        self.0.iter().map(|(prefix, entry)| (*prefix, entry))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said of an address under the codes in the mask: by itself, and by the /64 around it.
    pub fn find(&self, address: IpAddr, mask: u8) -> Option<Found> {
        let host = Prefix::around(address, u8::MAX);
        let around = address.is_ipv6().then(|| Prefix::around(address, IPV6_RANGE));
        let entries = [Some(host), around].into_iter().flatten().filter_map(|prefix| self.0.get(&prefix));
        let found = entries
            .filter(|entry| entry.mask() & mask != 0)
            .map(|entry| Found { mask: entry.mask() & mask, until: entry.until(mask) });
        found.reduce(|one, other| Found {
            mask: one.mask | other.mask,
            until: one.until.into_iter().chain(other.until).min(),
        })
    }

    /// Whether anything under one of the codes in the mask lies below the start of an address (RFC 8020).
    pub fn any_below(&self, start: Reversed, mask: u8) -> bool {
        let (first, last) = match start {
            Reversed::Address(address) => return self.find(address, mask).is_some(),
            Reversed::Ipv4Start { start, octets } => {
                let rest = u32::MAX.checked_shr(8 * octets as u32).unwrap_or(0);
                (IpAddr::V4(start), IpAddr::V4(Ipv4Addr::from(u32::from(start) | rest)))
            }
            Reversed::Ipv6Start { start, nibbles } => {
                let rest = u128::MAX.checked_shr(4 * nibbles as u32).unwrap_or(0);
                (IpAddr::V6(start), IpAddr::V6(Ipv6Addr::from(u128::from(start) | rest)))
            }
        };
        let range = Prefix::lowest(first)..=Prefix::highest(last);
        self.0.range(range).any(|(_, entry)| entry.mask() & mask != 0) || self.find(first, mask).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Relay;

    fn entry(value: u8) -> Entry {
        Entry { codes: vec![(value, None)] }
    }

    #[test]
    fn rfc8020_n2_what_lies_below_is_seen() {
        let mut entries = Entries::default();
        entries.set(Prefix::host("192.0.2.99".parse::<Relay>().unwrap()), entry(2));
        let below = |text: &str, octets, mask| {
            entries.any_below(Reversed::Ipv4Start { start: text.parse().unwrap(), octets }, mask)
        };
        assert!(below("192.0.0.0", 1, 2) && below("192.0.0.0", 2, 2) && below("192.0.2.0", 3, 2));
        assert!(!below("192.0.2.0", 3, 4), "another sublist");
        assert!(!below("192.0.3.0", 3, 2) && !below("193.0.0.0", 1, 2));
    }

    #[test]
    fn rfc5782_d3_every_address_of_a_listed_64_is_found_and_no_other() {
        let mut entries = Entries::default();
        let range = Prefix::around("2a01:4f8:0:1::".parse().unwrap(), 64);
        entries.set(range, entry(2));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(entries.find(ip("2a01:4f8:0:1::"), 2).is_some());
        assert!(entries.find(ip("2a01:4f8:0:1:ffff:ffff:ffff:ffff"), 2).is_some());
        assert!(entries.find(ip("2a01:4f8:0:2::"), 2).is_none());
        let start = |text: &str, nibbles| Reversed::Ipv6Start { start: text.parse().unwrap(), nibbles };
        assert!(entries.any_below(start("2a01:4f8::", 8), 2));
        assert!(entries.any_below(start("2a01:4f8:0:1:8000::", 17), 2), "inside the range");
        assert!(!entries.any_below(start("2a01:4f8:0:2::", 16), 2));
        entries.set(range, Entry::default());
        assert!(entries.is_empty());
    }
}
