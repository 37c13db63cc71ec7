//! The addresses and networks that a judged zone lists.
//!
//! Snapshots share the memory of entries that do not change between them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::ipv4::{Ipv4Map, Ipv4Value, MemorySpot};
use super::query_name::AddressStart;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// The listed prefixes, most of which are single IPv4 addresses.
///
/// Every change to the listings makes a new snapshot, so a clone is cheap: it shares all memory,
/// and a change copies only the part that it touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedEntries {
    addresses: Ipv4Map<CodeRow>,
    /// All other prefixes, by their first 16 bits and then by their first 32 bits.
    groups: BTreeMap<u16, Group>,
    /// The number of prefixes in `groups` by family and prefix length.
    lengths: BTreeMap<(Family, u8), usize>,
}

/// The prefixes that have the same first 16 bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    /// The number of prefixes under each code, indexed by the code's bit.
    codes: [usize; 8],
    shards: BTreeMap<u32, Arc<BTreeMap<Prefix, ListedCodes>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

/// One code of an address. With its key it takes eight octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CodeRow {
    code: u8,
    confidence: u8,
    /// When the listing ends, in seconds since 1970, rounded down; `NO_END` if it does not end.
    until: u32,
}

/// The end of a listing that does not end.
const NO_END: u32 = u32::MAX;

/// One code of a listed prefix, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedCode {
    /// The code: one bit.
    pub code: u8,
    /// How far the case exceeds what the policy requires, from 0 to 100.
    pub confidence: u8,
    /// When the listing ends; `None` if it does not end.
    pub until: Option<Timestamp>,
}

/// The codes of one listed prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedCodes {
    /// In ascending order of their values. Empty for a prefix that is not listed.
    pub codes: Vec<ListedCode>,
}

/// The result of a lookup: what a zone lists for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundCodes {
    /// The codes, as bits.
    pub mask: u8,
    /// The greatest confidence of the codes, from 0 to 100.
    pub confidence: u8,
    /// The earliest time at which one of the codes ends; `None` if none of them ends.
    pub until: Option<Timestamp>,
}

impl ListedCodes {
    /// The codes, as bits.
    pub fn mask(&self) -> u8 {
        self.codes.iter().fold(0, |mask, standing| mask | standing.code)
    }
}

impl Ipv4Value for CodeRow {
    const WORDS: usize = 3;

    fn write(self, words: &mut Vec<u16>) {
        let until = self.until;
        words.extend([u16::from_be_bytes([self.code, self.confidence]), (until >> 16) as u16, until as u16]);
    }

    fn read(words: &[u16]) -> Self {
        let [code, confidence] = words[0].to_be_bytes();
        CodeRow { code, confidence, until: u32::from(words[1]) << 16 | u32::from(words[2]) }
    }

    fn codes(self) -> u8 {
        self.code
    }
}

impl From<ListedCode> for CodeRow {
    fn from(ListedCode { code, confidence, until }: ListedCode) -> Self {
        let seconds = until
            .map_or(NO_END, |until| u32::try_from(until.seconds()).unwrap_or(NO_END - 1).min(NO_END - 1));
        CodeRow { code, confidence, until: seconds }
    }
}

impl From<CodeRow> for ListedCode {
    fn from(CodeRow { code, confidence, until }: CodeRow) -> Self {
        let moment = (until != NO_END).then(|| Timestamp::from_milliseconds(i64::from(until) * 1_000));
        ListedCode { code, confidence, until: moment }
    }
}

fn family(prefix: Prefix) -> Family {
    if prefix.network().is_ipv4() { Family::V4 } else { Family::V6 }
}

/// The IPv4 address of a prefix of 32 bits; `None` for any other prefix.
fn single(prefix: Prefix) -> Option<Ipv4Addr> {
    match prefix.network() {
        IpAddr::V4(address) if prefix.length() == 32 => Some(address),
        _ => None,
    }
}

fn first_bits(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => (u128::from(v6) >> 96) as u32,
    }
}

impl ListedEntries {
    /// Replaces the entry of a prefix. An entry without codes removes the prefix.
    pub fn set(&mut self, prefix: Prefix, entry: ListedCodes) {
        if let Some(address) = single(prefix) {
            let rows: Vec<CodeRow> = entry.codes.into_iter().map(CodeRow::from).collect();
            self.addresses.set(address, &rows);
            return;
        }
        let bits = first_bits(prefix.network());
        let group = self.groups.entry((bits >> 16) as u16).or_default();
        let shard = Arc::make_mut(group.shards.entry(bits).or_default());
        let (is, mask) = (!entry.codes.is_empty(), entry.mask());
        let old = if is { shard.insert(prefix, entry) } else { shard.remove(&prefix) };
        let was = old.is_some();
        if shard.is_empty() {
            group.shards.remove(&bits);
        }
        let old_mask = old.map_or(0, |old| old.mask());
        for (nth, count) in group.codes.iter_mut().enumerate() {
            *count = *count + usize::from(mask >> nth & 1) - usize::from(old_mask >> nth & 1);
        }
        if group.shards.is_empty() {
            self.groups.remove(&((bits >> 16) as u16));
        }
        let of_length = self.lengths.entry((family(prefix), prefix.length())).or_default();
        *of_length = *of_length + usize::from(is) - usize::from(was);
        self.lengths.retain(|_, count| *count > 0);
    }

    /// All entries: single IPv4 addresses first, then all other prefixes, each in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, ListedCodes)> {
        let addresses = self.addresses.iter().map(|(address, rows)| {
            let prefix = Prefix::around(address.into(), u8::MAX);
            (prefix, ListedCodes { codes: rows.map(ListedCode::from).collect() })
        });
        let prefixes =
            self.groups.values().flat_map(|group| group.shards.values()).flat_map(|shard| shard.iter());
        addresses.chain(prefixes.map(|(prefix, entry)| (*prefix, entry.clone())))
    }

    /// The number of listed prefixes.
    pub fn len(&self) -> usize {
        self.addresses.len() + self.lengths.values().sum::<usize>()
    }

    /// Whether no prefix is listed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that holds an IPv4 address, to be read ahead of the lookup.
    pub fn spot(&self, address: Ipv4Addr) -> MemorySpot<'_> {
        self.addresses.spot(address)
    }

    /// Looks up an address at time `now`, under the codes in `mask`. The result combines the entry
    /// of the address itself and those of all prefixes that contain it. A listing that has ended by
    /// `now` is not found, even if the journal has no entry about its end yet.
    pub fn find(&self, address: IpAddr, mask: u8, now: Timestamp) -> Option<FoundCodes> {
        let found = self.find_plain(address, mask, now);
        // A mail server may query an IPv4 client by its mapped address (RFC 4291 §2.5.5.2).
        found.or_else(|| match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => self.find_plain(v4.into(), mask, now),
            _ => None,
        })
    }

    fn find_plain(&self, address: IpAddr, mask: u8, now: Timestamp) -> Option<FoundCodes> {
        let itself = match address {
            IpAddr::V4(v4) => self
                .addresses
                .find(v4)
                .filter_map(|row| FoundCodes::of(row.into(), mask, now))
                .reduce(FoundCodes::and),
            IpAddr::V6(_) => None,
        };
        if self.lengths.is_empty() {
            return itself;
        }
        let around = self.around(address, u8::MAX).flat_map(|entry| entry.codes.iter());
        around
            .filter_map(|standing| FoundCodes::of(*standing, mask, now))
            .chain(itself)
            .reduce(FoundCodes::and)
    }

    /// The entries of the prefixes that contain an address and are at most `length_max` bits long.
    fn around(&self, address: IpAddr, length_max: u8) -> impl Iterator<Item = &ListedCodes> {
        let own = family(Prefix::around(address, 0));
        let lengths =
            self.lengths.keys().filter(move |(family, length)| *family == own && *length <= length_max);
        lengths.filter_map(move |(_, length)| {
            let prefix = Prefix::around(address, *length);
            let bits = first_bits(prefix.network());
            self.groups.get(&((bits >> 16) as u16))?.shards.get(&bits)?.get(&prefix)
        })
    }

    /// Whether an address or prefix under one of the codes in `mask` lies below the name that
    /// `start` stands for, so that the name exists (RFC 8020).
    pub fn any_below_ipv4(&self, start: AddressStart<Ipv4Addr>, mask: u8) -> bool {
        let (first, last) = start.range();
        self.any_ipv4(first, last, mask)
    }

    /// Whether an address or prefix under one of the codes in `mask` overlaps an IPv4 prefix, given
    /// by its first and last address.
    fn any_ipv4(&self, first: u32, last: u32, mask: u8) -> bool {
        let bits = (first ^ last).leading_zeros() as usize;
        self.addresses.codes_within(first, last) & mask != 0
            || self.any_prefix(IpAddr::V4(first.into()), IpAddr::V4(last.into()), bits, mask)
    }

    /// Like [`ListedEntries::any_below_ipv4`], for the start of an IPv6 address. IPv4 addresses count by
    /// their mapped addresses too.
    pub fn any_below_ipv6(&self, start: AddressStart<Ipv6Addr>, mask: u8) -> bool {
        let (first, last) = start.range();
        self.any_prefix(IpAddr::V6(first.into()), IpAddr::V6(last.into()), 4 * start.labels, mask)
            || start.mapped().is_some_and(|(first, last)| self.any_ipv4(first, last, mask))
    }

    /// Whether a prefix under one of the codes in `mask` lies between two addresses or contains
    /// both. `bits` is the number of leading bits that the two addresses share.
    fn any_prefix(&self, first: IpAddr, last: IpAddr, bits: usize, mask: u8) -> bool {
        if self.lengths.is_empty() {
            return false;
        }
        let (from, to) = (first_bits(first), first_bits(last));
        let groups = self.groups.range((from >> 16) as u16..=(to >> 16) as u16);
        let shards =
            groups.filter(|(_, group)| group.has(mask)).flat_map(|(_, group)| group.shards.range(from..=to));
        let range = Prefix::lowest(first)..=Prefix::highest(last);
        let mut within = shards.flat_map(|(_, shard)| shard.range(range.clone()));
        within.any(|(_, entry)| entry.mask() & mask != 0)
            || self.around(first, bits as u8).any(|entry| entry.mask() & mask != 0)
    }
}

impl Group {
    fn has(&self, mask: u8) -> bool {
        self.codes.iter().enumerate().any(|(nth, count)| *count > 0 && mask >> nth & 1 == 1)
    }
}

impl FoundCodes {
    fn of(standing: ListedCode, mask: u8, now: Timestamp) -> Option<FoundCodes> {
        let ListedCode { code, confidence, until } = standing;
        let stands = until.is_none_or(|until| until > now);
        (code & mask != 0 && stands).then_some(FoundCodes { mask: code, confidence, until })
    }

    fn and(self, other: FoundCodes) -> FoundCodes {
        FoundCodes {
            mask: self.mask | other.mask,
            confidence: self.confidence.max(other.confidence),
            until: self.until.into_iter().chain(other.until).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_milliseconds(-1);
    use crate::relay::Relay;

    fn entry(code: u8) -> ListedCodes {
        ListedCodes { codes: vec![ListedCode { code, confidence: 25, until: None }] }
    }

    fn v4(text: &str, labels: usize) -> AddressStart<Ipv4Addr> {
        AddressStart { address: text.parse().unwrap(), labels }
    }

    fn v6(text: &str, labels: usize) -> AddressStart<Ipv6Addr> {
        AddressStart { address: text.parse().unwrap(), labels }
    }

    #[test]
    fn rfc8020_n2_what_lies_below_is_seen() {
        let mut entries = ListedEntries::default();
        entries.set(Prefix::host("192.0.2.99".parse::<Relay>().unwrap()), entry(2));
        let below = |text, octets, mask| entries.any_below_ipv4(v4(text, octets), mask);
        assert!(below("192.0.0.0", 1, 2) && below("192.0.0.0", 2, 2) && below("192.0.2.0", 3, 2));
        assert!(!below("192.0.2.0", 3, 4), "another sublist");
        assert!(!below("192.0.3.0", 3, 2) && !below("193.0.0.0", 1, 2));
    }

    /// Compares the entries with a plain map after every change, and checks that earlier snapshots
    /// do not change.
    #[test]
    fn entries_are_what_was_put_in_and_snapshots_stand_still() {
        use proptest::prelude::*;
        let prefix = prop_oneof![
            (0..3u8, 0..3u8, 0..3u8, any::<u8>(), prop_oneof![Just(32u8), Just(24), Just(15)])
                .prop_map(|(a, b, c, d, length)| Prefix::around(IpAddr::from([a, b, c, d]), length)),
            (0..3u16, 0..3u16, prop_oneof![Just(20u8), Just(64), Just(128)]).prop_map(|(a, b, length)| {
                Prefix::around(IpAddr::from([0x2a01, a, 0, b, 0, 0, 0, 9]), length)
            }),
        ];
        let codes = proptest::collection::btree_set(prop_oneof![Just(2u8), Just(4), Just(64)], 0..3);
        let until = proptest::option::of(0..1_000i64);
        let steps = proptest::collection::vec((prefix, codes, until), 1..60);
        let mut runner = proptest::test_runner::TestRunner::default();
        runner
            .run(&steps, |steps| {
                let (mut entries, mut plain) = (ListedEntries::default(), BTreeMap::new());
                for (prefix, codes, until) in steps {
                    let (before, known) = (entries.clone(), plain.clone());
                    let until = until.map(|hours| Timestamp::from_milliseconds(hours * 3_600_000));
                    let standing = |code| ListedCode { code, confidence: 25, until };
                    let entry = ListedCodes { codes: codes.into_iter().map(standing).collect() };
                    if entry.codes.is_empty() {
                        plain.remove(&prefix);
                    } else {
                        plain.insert(prefix, entry.clone());
                    }
                    entries.set(prefix, entry);
                    prop_assert_eq!(before.iter().collect::<BTreeMap<_, _>>(), known);
                    prop_assert_eq!(entries.len(), plain.len());
                    prop_assert_eq!(entries.iter().collect::<BTreeMap<_, _>>(), plain.clone());
                    let masks = [2u8, 4, 6, 64];
                    let around = |address: IpAddr, mask: u8| {
                        let around = plain.iter().filter(move |(prefix, _)| prefix.contains(address));
                        around.fold(0, |found, (_, entry)| found | (entry.mask() & mask))
                    };
                    for (prefix, mask) in plain.keys().flat_map(|prefix| masks.map(|mask| (*prefix, mask))) {
                        let found = entries.find(prefix.network(), mask, NOW).map_or(0, |found| found.mask);
                        prop_assert_eq!(found, around(prefix.network(), mask));
                        for labels in 1..=4usize {
                            if let IpAddr::V4(address) = prefix.network() {
                                let bits = 32 - 8 * labels as u32;
                                let first = Ipv4Addr::from(
                                    u32::from(address).unbounded_shr(bits).unbounded_shl(bits),
                                );
                                let start = AddressStart { address: first, labels };
                                let (first, last) = start.range();
                                let meets = |other: &Prefix| match other.network() {
                                    IpAddr::V4(network) => {
                                        (first..=last).contains(&u32::from(network))
                                            || other.contains(IpAddr::V4(first.into()))
                                    }
                                    IpAddr::V6(_) => false,
                                };
                                let below = plain
                                    .iter()
                                    .any(|(other, entry)| meets(other) && entry.mask() & mask != 0);
                                prop_assert_eq!(entries.any_below_ipv4(start, mask), below);
                            }
                        }
                    }
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn rfc5782_d3_every_address_of_a_listed_prefix_is_found_and_no_other() {
        let mut entries = ListedEntries::default();
        let range = Prefix::around("2a01:4f8:0:1::".parse().unwrap(), 64);
        entries.set(range, entry(2));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(entries.find(ip("2a01:4f8:0:1::"), 2, NOW).is_some());
        assert!(entries.find(ip("2a01:4f8:0:1:ffff:ffff:ffff:ffff"), 2, NOW).is_some());
        assert!(entries.find(ip("2a01:4f8:0:2::"), 2, NOW).is_none());
        assert!(entries.any_below_ipv6(v6("2a01:4f8::", 8), 2));
        assert!(entries.any_below_ipv6(v6("2a01:4f8:0:1:8000::", 17), 2), "inside the range");
        assert!(!entries.any_below_ipv6(v6("2a01:4f8:0:2::", 16), 2));
        entries.set(range, ListedCodes::default());
        assert!(entries.is_empty());
        entries.set(Prefix::around(ip("198.18.0.0"), 23), entry(4));
        assert!(
            entries.find(ip("198.18.1.255"), 4, NOW).is_some()
                && entries.find(ip("198.18.2.0"), 4, NOW).is_none()
        );
        assert!(
            entries.any_below_ipv4(v4("198.18.1.0", 3), 4) && !entries.any_below_ipv4(v4("198.18.2.0", 3), 4)
        );
    }
}
