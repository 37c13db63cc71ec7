//! The listed addresses of one zone: shared between snapshots, and copied only where something changes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Reversed;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// Prefixes that are listed: addresses, and IPv6 /64s.
///
/// A snapshot is a copy of this, and so cheap that one is made for every change: IPv4 addresses lie in pages by their first
/// octet and shards by their second, IPv6 prefixes in shards by their first 32 bits, and a change copies one page and one
/// shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// By the first octet; none at all where no IPv4 address is listed.
    pages: Vec<Option<Arc<Page>>>,
    /// By the first 32 bits.
    ipv6: BTreeMap<u32, Arc<BTreeMap<Prefix, Entry>>>,
    len: usize,
}

/// IPv4 addresses with one first octet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Page {
    /// All codes in it, as bits.
    mask: u8,
    /// By the second octet.
    shards: Vec<Option<Arc<Shard>>>,
}

/// IPv4 addresses with the same first two octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shard {
    mask: u8,
    /// Rising.
    rows: Vec<Row>,
}

/// One address under one code, in eight octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// The last two octets.
    low: u16,
    value: u8,
    /// Seconds since 1970, rounded down.
    until: u32,
}

/// Of what doesn't end.
const NO_END: u32 = u32::MAX;
const FAN: usize = 256;

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

impl Row {
    fn of(low: u16, value: u8, until: Option<Timestamp>) -> Self {
        let seconds = until
            .map_or(NO_END, |until| u32::try_from(until.seconds()).unwrap_or(NO_END - 1).min(NO_END - 1));
        Row { low, value, until: seconds }
    }

    fn until(self) -> Option<Timestamp> {
        (self.until != NO_END).then(|| Timestamp::from_milliseconds(i64::from(self.until) * 1_000))
    }
}

impl Shard {
    /// The rows of the addresses from one to another.
    fn between(&self, first: u16, last: u16) -> &[Row] {
        let from = self.rows.partition_point(|row| row.low < first);
        let to = self.rows.partition_point(|row| row.low <= last);
        &self.rows[from..to]
    }

    /// Puts codes in the place of an address's.
    fn set(&mut self, low: u16, codes: &[(u8, Option<Timestamp>)]) {
        let from = self.rows.partition_point(|row| row.low < low);
        let to = self.rows.partition_point(|row| row.low <= low);
        self.rows.splice(from..to, codes.iter().map(|(value, until)| Row::of(low, *value, *until)));
        self.mask = self.rows.iter().fold(0, |mask, row| mask | row.value);
    }
}

fn parts(address: Ipv4Addr) -> (usize, usize, u16) {
    let [page, shard, c, d] = address.octets();
    (page.into(), shard.into(), u16::from_be_bytes([c, d]))
}

fn first_bits(address: Ipv6Addr) -> u32 {
    (u128::from(address) >> 96) as u32
}

impl Entries {
    /// Puts an entry in the place of what was there; an entry without codes is none.
    pub fn set(&mut self, prefix: Prefix, entry: Entry) {
        let was = self.has(prefix);
        self.len = self.len + usize::from(!entry.codes.is_empty()) - usize::from(was);
        match prefix.network() {
            IpAddr::V4(address) => self.set_ipv4(address, &entry.codes),
            IpAddr::V6(address) => {
                let bits = first_bits(address);
                let shard = Arc::make_mut(self.ipv6.entry(bits).or_default());
                if entry.codes.is_empty() {
                    shard.remove(&prefix);
                } else {
                    shard.insert(prefix, entry);
                }
                if shard.is_empty() {
                    self.ipv6.remove(&bits);
                }
            }
        }
    }

    fn set_ipv4(&mut self, address: Ipv4Addr, codes: &[(u8, Option<Timestamp>)]) {
        let (page, shard, low) = parts(address);
        self.pages.resize(FAN, None);
        let of_page = Arc::make_mut(self.pages[page].get_or_insert_default());
        of_page.shards.resize(FAN, None);
        let of_shard = Arc::make_mut(of_page.shards[shard].get_or_insert_default());
        of_shard.set(low, codes);
        if of_shard.rows.is_empty() {
            of_page.shards[shard] = None;
        }
        of_page.mask = of_page.shards.iter().flatten().fold(0, |mask, shard| mask | shard.mask);
        if of_page.mask == 0 {
            self.pages[page] = None;
        }
    }

    fn shard(&self, page: usize, shard: usize) -> Option<&Shard> {
        self.pages.get(page)?.as_ref()?.shards.get(shard)?.as_deref()
    }

    fn rows(&self, address: Ipv4Addr) -> &[Row] {
        let (page, shard, low) = parts(address);
        self.shard(page, shard).map_or(&[], |shard| shard.between(low, low))
    }

    fn ipv6(&self, prefix: Prefix) -> Option<&Entry> {
        match prefix.network() {
            IpAddr::V6(address) => self.ipv6.get(&first_bits(address))?.get(&prefix),
            IpAddr::V4(_) => None,
        }
    }

    fn has(&self, prefix: Prefix) -> bool {
        match prefix.network() {
            IpAddr::V4(address) => !self.rows(address).is_empty(),
            IpAddr::V6(_) => self.ipv6(prefix).is_some(),
        }
    }

    /// All of them, IPv4 first, each family by address.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, Entry)> {
        let shards = self.pages.iter().enumerate().flat_map(|(page, of_page)| {
            let shards = of_page.iter().flat_map(|page| page.shards.iter().enumerate());
            shards.filter_map(move |(shard, of_shard)| Some((page, shard, of_shard.as_deref()?)))
        });
        let ipv4 = shards.flat_map(|(page, shard, of_shard)| {
            of_shard.rows.chunk_by(|one, other| one.low == other.low).map(move |rows| {
                let [c, d] = rows[0].low.to_be_bytes();
                let address = Ipv4Addr::new(page as u8, shard as u8, c, d);
                let codes = rows.iter().map(|row| (row.value, row.until())).collect();
                (Prefix::around(address.into(), u8::MAX), Entry { codes })
            })
        });
        let ipv6 = self.ipv6.values().flat_map(|shard| shard.iter());
        ipv4.chain(ipv6.map(|(prefix, entry)| (*prefix, entry.clone())))
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is said of an address under the codes in the mask: by itself, and by the /64 around it.
    pub fn find(&self, address: IpAddr, mask: u8) -> Option<Found> {
        match address {
            IpAddr::V4(address) => {
                let rows = self.rows(address).iter().filter(|row| row.value & mask != 0);
                let found = rows.map(|row| Found { mask: row.value, until: row.until() });
                found.reduce(Found::and)
            }
            IpAddr::V6(_) => {
                let prefixes = [Prefix::around(address, u8::MAX), Prefix::around(address, IPV6_RANGE)];
                let entries = prefixes.into_iter().filter_map(|prefix| self.ipv6(prefix));
                let found = entries
                    .filter(|entry| entry.mask() & mask != 0)
                    .map(|entry| Found { mask: entry.mask() & mask, until: entry.until(mask) });
                found.reduce(Found::and)
            }
        }
    }

    /// Whether anything under one of the codes in the mask lies below the start of an address (RFC 8020).
    pub fn any_below(&self, start: Reversed, mask: u8) -> bool {
        match start {
            Reversed::Address(address) => self.find(address, mask).is_some(),
            Reversed::Ipv4Start { start, octets } => self.any_below_ipv4(start, octets, mask),
            Reversed::Ipv6Start { start, nibbles } => {
                let rest = u128::MAX.checked_shr(4 * nibbles as u32).unwrap_or(0);
                let last = Ipv6Addr::from(u128::from(start) | rest);
                let shards = self.ipv6.range(first_bits(start)..=first_bits(last));
                let range = Prefix::lowest(start.into())..=Prefix::highest(last.into());
                let mut within = shards.flat_map(|(_, shard)| shard.range(range.clone()));
                within.any(|(_, entry)| entry.mask() & mask != 0) || self.find(start.into(), mask).is_some()
            }
        }
    }

    fn any_below_ipv4(&self, start: Ipv4Addr, octets: usize, mask: u8) -> bool {
        let (page, shard, low) = parts(start);
        let of_page = |page: usize| self.pages.get(page).and_then(Option::as_ref);
        match octets {
            0 => self.pages.iter().flatten().any(|page| page.mask & mask != 0),
            1 => of_page(page).is_some_and(|page| page.mask & mask != 0),
            2 => self.shard(page, shard).is_some_and(|shard| shard.mask & mask != 0),
            _ => self
                .shard(page, shard)
                .is_some_and(|shard| shard.between(low, low | 0xff).iter().any(|row| row.value & mask != 0)),
        }
    }
}

impl Found {
    fn and(self, other: Found) -> Found {
        Found { mask: self.mask | other.mask, until: self.until.into_iter().chain(other.until).min() }
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

    /// Against the plainest thing that could be right.
    #[test]
    fn entries_are_what_was_put_in_and_snapshots_stand_still() {
        use proptest::prelude::*;
        let prefix = prop_oneof![
            (0..3u8, 0..3u8, 0..3u8, any::<u8>())
                .prop_map(|(a, b, c, d)| Prefix::around(IpAddr::from([a, b, c, d]), 32)),
            (0..3u16, 0..3u16, any::<bool>()).prop_map(|(a, b, range)| {
                let address = IpAddr::from([0x2a01, a, 0, b, 0, 0, 0, 9]);
                Prefix::around(address, if range { 64 } else { 128 })
            }),
        ];
        let codes = proptest::collection::btree_set(prop_oneof![Just(2u8), Just(4), Just(64)], 0..3);
        let until = proptest::option::of(0..1_000i64);
        let steps = proptest::collection::vec((prefix, codes, until), 1..80);
        let mut runner = proptest::test_runner::TestRunner::default();
        runner
            .run(&steps, |steps| {
                let (mut entries, mut plain) = (Entries::default(), BTreeMap::new());
                for (prefix, codes, until) in steps {
                    let (before, known) = (entries.clone(), plain.clone());
                    let until = until.map(|hours| Timestamp::from_milliseconds(hours * 3_600_000));
                    let entry = Entry { codes: codes.into_iter().map(|value| (value, until)).collect() };
                    if entry.codes.is_empty() {
                        plain.remove(&prefix);
                    } else {
                        plain.insert(prefix, entry.clone());
                    }
                    entries.set(prefix, entry);
                    prop_assert_eq!(before.iter().collect::<BTreeMap<_, _>>(), known);
                    prop_assert_eq!(entries.len(), plain.len());
                    prop_assert_eq!(entries.iter().collect::<BTreeMap<_, _>>(), plain.clone());
                    for (prefix, entry) in &plain {
                        let found = entries.find(prefix.network(), u8::MAX);
                        prop_assert!(found.is_some_and(|found| found.mask & entry.mask() == entry.mask()));
                        for mask in [2, 4, 64] {
                            if let IpAddr::V4(v4) = prefix.network() {
                                let [a, b, c, _] = v4.octets();
                                let starts = [[0; 4], [a, 0, 0, 0], [a, b, 0, 0], [a, b, c, 0]];
                                for (octets, start) in starts.into_iter().enumerate() {
                                    let start = Ipv4Addr::from(start);
                                    let rest = u32::MAX.checked_shr(8 * octets as u32).unwrap_or(0);
                                    let below = plain.iter().any(|(prefix, entry)| match prefix.network() {
                                        IpAddr::V4(other) => {
                                            u32::from(other) & !rest == u32::from(start)
                                                && entry.mask() & mask != 0
                                        }
                                        IpAddr::V6(_) => false,
                                    });
                                    let start = Reversed::Ipv4Start { start, octets };
                                    prop_assert_eq!(entries.any_below(start, mask), below);
                                }
                            }
                        }
                    }
                }
                Ok(())
            })
            .unwrap();
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
