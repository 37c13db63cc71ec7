//! The data of one list of addresses: built as a whole and never changed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::ipv4::{Ipv4Map, Ipv4Value, Ipv4Values};
use super::query_name::AddressStart;
use super::record::{RecordData, ResourceRecord, a};
use super::steps::{Steps, ValueRange};
use super::text::{TextTemplate, TxtText};

/// The reference from an address to its reasons: to none, one or several.
///
/// An address has no reason if no entry covers it, or if an exclusion removes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonRef(u32);

/// One A record and the TXT record that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListReason {
    /// The address in the A record.
    pub value: Ipv4Addr,
    /// The template of the TXT record, as in [`TextTemplate`]; `None` if there is no TXT record.
    pub text: Option<Box<[u8]>>,
}

/// One list: addresses and ranges, and the reasons of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Single IPv4 addresses. They take precedence over ranges.
    pub(super) addresses: Ipv4Map<ReasonRef>,
    /// Ranges of IPv4 addresses.
    pub(super) ipv4: Steps<u32, ReasonRef>,
    /// Ranges of IPv6 addresses.
    pub(super) ipv6: Steps<u128, ReasonRef>,
    reasons: Vec<ListReason>,
    /// Sets of reasons, for ranges that have more than one.
    sets: Vec<Box<[ReasonRef]>>,
    /// The number of entries that were read, exclusions included.
    pub entries: usize,
    /// The TTL of the records, in seconds.
    pub ttl: u32,
}

/// The parts that a [`Dataset`] is built from, in any order.
#[derive(Debug, Default)]
pub struct DatasetParts {
    /// Single IPv4 addresses.
    pub addresses: Vec<(u32, ReasonRef)>,
    /// Ranges of IPv4 addresses.
    pub ipv4: Vec<ValueRange<u32, ReasonRef>>,
    /// Ranges of IPv6 addresses.
    pub ipv6: Vec<ValueRange<u128, ReasonRef>>,
    /// The reasons that the entries refer to by their place.
    pub reasons: Vec<ListReason>,
    /// The TTL of the list's records, in seconds.
    pub ttl: u32,
    /// How repeated entries are combined.
    pub repeats: RepeatedEntries,
}

/// How several entries for the same address or the same range are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedEntries {
    /// The reasons of all entries; none at all if one of the entries is an exclusion.
    #[default]
    All,
    /// The first entry counts; the others are ignored.
    First,
}

/// An iterator over the records that all lists of a zone have for one address. Equal records are
/// returned once.
#[derive(Clone, Debug)]
pub struct ListMatches<'z> {
    address: IpAddr,
    /// The TTL of the records, in seconds.
    ttl: u32,
    /// Whether the iterator yields TXT records; otherwise it yields A records.
    text: bool,
    /// All lists of the zone.
    lists: &'z [Arc<Dataset>],
    raw: AllMatches<'z>,
    /// The number of raw records that were read.
    seen: usize,
}

/// The same iterator with equal records included.
#[derive(Clone, Debug)]
struct AllMatches<'z> {
    lists: std::slice::Iter<'z, Arc<Dataset>>,
    list: Option<(&'z Dataset, ReasonsOf<'z>)>,
}

/// The reasons that one list has for an address.
#[derive(Clone, Debug)]
enum ReasonsOf<'z> {
    Single(Ipv4Values<'z, ReasonRef>),
    Range(std::iter::Copied<std::slice::Iter<'z, ReasonRef>>),
    One(Option<ReasonRef>),
}

/// The bit that marks a reference to a set of reasons instead of one reason.
const SET: u32 = 1 << 31;

impl ReasonRef {
    /// The reference to no reason.
    pub const NOTHING: ReasonRef = ReasonRef(0);
    /// Greatest number of reasons, and of sets of reasons, in one list.
    pub const MAX: usize = (SET - 2) as usize;

    /// The reference to the reason at a place among the list's reasons.
    pub fn reason(at: usize) -> Self {
        ReasonRef(u32::try_from(at).unwrap_or(SET - 2).min(SET - 2) + 1)
    }

    fn set(at: usize) -> Self {
        ReasonRef(ReasonRef::reason(at).0 | SET)
    }

    const fn place(self) -> usize {
        ((self.0 & !SET) as usize).saturating_sub(1)
    }

    const fn is_set(self) -> bool {
        self.0 & SET != 0
    }
}

impl Ipv4Value for ReasonRef {
    const WORDS: usize = 2;

    fn write(self, words: &mut Vec<u16>) {
        words.extend([(self.0 >> 16) as u16, self.0 as u16]);
    }

    fn read(words: &[u16]) -> Self {
        ReasonRef(u32::from(words[0]) << 16 | u32::from(words[1]))
    }

    fn codes(self) -> u8 {
        u8::from(self != ReasonRef::NOTHING)
    }
}

impl<'z> Iterator for ReasonsOf<'z> {
    type Item = ReasonRef;

    fn next(&mut self) -> Option<ReasonRef> {
        match self {
            ReasonsOf::Single(values) => values.next(),
            ReasonsOf::Range(set) => set.next(),
            ReasonsOf::One(what) => what.take(),
        }
    }
}

impl Dataset {
    /// Builds a list from its parts.
    pub fn of(parts: DatasetParts) -> Self {
        let DatasetParts { mut addresses, ipv4, ipv6, reasons, ttl, repeats } = parts;
        let entries = addresses.len() + ipv4.len() + ipv6.len();
        match repeats {
            RepeatedEntries::All => {
                // The sort order puts an exclusion, which is the least value, first among an
                // address's values.
                addresses.sort_unstable();
                addresses.dedup();
            }
            RepeatedEntries::First => {
                addresses.sort_by_key(|(address, _)| *address);
                addresses.dedup_by_key(|(address, _)| *address);
            }
        }
        let mut sets = Vec::new();
        let ipv4 = Steps::of(merge(ipv4, repeats, &mut sets));
        let ipv6 = Steps::of(merge(ipv6, repeats, &mut sets));
        Dataset { addresses: Ipv4Map::from_rising(&addresses), ipv4, ipv6, reasons, sets, entries, ttl }
    }

    /// Whether an address has a reason, itself or by its mapped address.
    pub(super) fn lists(&self, address: IpAddr) -> bool {
        self.find(address).is_some()
    }

    /// The reasons for an address itself, not for its mapped address; `None` if it has none.
    pub(super) fn reasons(&self, address: IpAddr) -> Option<impl Iterator<Item = &ListReason>> {
        Some(self.find_plain(address)?.map(|what| &self.reasons[what.place()]))
    }

    fn find(&self, address: IpAddr) -> Option<ReasonsOf<'_>> {
        let said = self.find_plain(address);
        // Like rbldnsd, finds an IPv4 address by its mapped address (RFC 4291 §2.5.5.2).
        said.or_else(|| match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => self.find_plain(v4.into()),
            _ => None,
        })
    }

    fn find_plain(&self, address: IpAddr) -> Option<ReasonsOf<'_>> {
        let what = match address {
            IpAddr::V4(v4) => {
                let values = self.addresses.find(v4);
                if let Some(first) = values.clone().next() {
                    return (first != ReasonRef::NOTHING).then_some(ReasonsOf::Single(values));
                }
                if self.ipv4.is_empty() { ReasonRef::NOTHING } else { self.ipv4.at(v4.into()) }
            }
            IpAddr::V6(v6) => self.ipv6.at(v6.into()),
        };
        match what {
            ReasonRef::NOTHING => None,
            set if set.is_set() => Some(ReasonsOf::Range(self.sets[set.place()].iter().copied())),
            one => Some(ReasonsOf::One(Some(one))),
        }
    }

    /// Whether an address that begins with `start` has a reason.
    pub(super) fn any_below_ipv4(&self, start: AddressStart<Ipv4Addr>) -> bool {
        let (first, last) = start.range();
        self.any_ipv4(first, last)
    }

    /// Whether any address from `first` to `last` has a reason. The two must be the first and the
    /// last address of a prefix.
    fn any_ipv4(&self, first: u32, last: u32) -> bool {
        if self.addresses.codes_within(first, last) != 0 {
            return true;
        }
        // No single address here has a reason, so the single addresses that remain are exclusions.
        // They may exclude every address of a range.
        let mut stretches =
            self.ipv4.between(first, last).filter(|stretch| stretch.value != ReasonRef::NOTHING);
        stretches.any(|ValueRange { first, last, .. }| {
            let mut wanted = Some(first);
            for (address, _) in self.addresses.range(first, last) {
                if wanted != Some(address.into()) {
                    return true;
                }
                wanted = u32::from(address).checked_add(1);
            }
            wanted.is_some_and(|wanted| wanted <= last)
        })
    }

    /// Whether an address that begins with `start` has a reason, itself or as a mapped address.
    pub(super) fn any_below_ipv6(&self, start: AddressStart<Ipv6Addr>) -> bool {
        let (first, last) = start.range();
        self.ipv6.between(first, last).any(|stretch| stretch.value != ReasonRef::NOTHING)
            || start.mapped().is_some_and(|(first, last)| self.any_ipv4(first, last))
    }
}

/// Combines the blocks that cover the same range into one block.
fn merge<K: Copy + Ord>(
    mut blocks: Vec<ValueRange<K, ReasonRef>>,
    repeats: RepeatedEntries,
    sets: &mut Vec<Box<[ReasonRef]>>,
) -> Vec<ValueRange<K, ReasonRef>> {
    let mut known: HashMap<Box<[ReasonRef]>, usize> = HashMap::new();
    if repeats == RepeatedEntries::First {
        blocks.sort_by_key(|block| (block.first, block.last));
        blocks.dedup_by_key(|block| (block.first, block.last));
        return blocks;
    }
    blocks.sort_unstable_by_key(|block| (block.first, block.last, block.value));
    blocks.dedup_by_key(|block| (block.first, block.last, block.value));
    let same = |one: &ValueRange<K, ReasonRef>, other: &ValueRange<K, ReasonRef>| {
        (one.first, one.last) == (other.first, other.last)
    };
    let merged = blocks.chunk_by(same).map(|run| match run {
        [one] => *one,
        [first, ..] if first.value == ReasonRef::NOTHING => *first,
        _ => {
            let set: Box<[ReasonRef]> = run.iter().map(|block| block.value).collect();
            let at = *known.entry(set).or_insert_with_key(|set| {
                sets.push(set.clone());
                sets.len() - 1
            });
            ValueRange { value: ReasonRef::set(at), ..run[0] }
        }
    });
    merged.collect()
}

impl<'z> ListMatches<'z> {
    /// The records for an address, with a TTL in seconds: TXT records if `text`, otherwise A
    /// records.
    pub(super) fn new(address: IpAddr, ttl: u32, text: bool, lists: &'z [Arc<Dataset>]) -> Self {
        let raw = AllMatches { lists: lists.iter(), list: None };
        ListMatches { address, ttl, text, lists, raw, seen: 0 }
    }

    /// The next record, whether or not an equal one was returned before.
    fn raw(&mut self) -> Option<ResourceRecord<'z>> {
        loop {
            let ListReason { value, text } = self.raw.reason(self.address)?;
            if !self.text {
                return Some(a(self.ttl, *value));
            }
            if let Some(text) = text {
                let text: TxtText<'z> = TextTemplate::new(text).about(self.address);
                return Some(ResourceRecord { ttl: self.ttl, data: RecordData::Txt(text) });
            }
        }
    }
}

impl<'z> AllMatches<'z> {
    fn reason(&mut self, address: IpAddr) -> Option<&'z ListReason> {
        loop {
            let Some((list, said)) = &mut self.list else {
                let list = self.lists.next()?;
                self.list = list.find(address).map(|said| (&**list, said));
                continue;
            };
            match said.next() {
                Some(what) => return list.reasons.get(what.place()),
                None => self.list = None,
            }
        }
    }
}

impl<'z> Iterator for ListMatches<'z> {
    type Item = ResourceRecord<'z>;

    fn next(&mut self) -> Option<ResourceRecord<'z>> {
        loop {
            let record = self.raw()?;
            let before = self.seen;
            self.seen += 1;
            // A record set holds no two equal records (RFC 2181 §5). An address has few records, so
            // each is compared with all records before it.
            let mut all = ListMatches::new(self.address, self.ttl, self.text, self.lists);
            if (0..before).all(|_| all.raw() != Some(record)) {
                return Some(record);
            }
        }
    }
}
