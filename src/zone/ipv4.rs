//! A compact map from IPv4 addresses to values.
//!
//! Clones share the memory of the parts that do not change.

use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The number of values of one octet.
const FAN: usize = 256;
/// In a search range of at most this many keys the keys are compared one by one, which takes a
/// processor few steps.
const COMPARED_MAX: usize = 64;
/// A key is looked for first within this distance of the place where it would be if the keys were
/// spread evenly. If it is not there, the whole shard is searched.
const NEAR: usize = 16;

/// A value that can be stored as words of 16 bits beside an address.
pub(super) trait Ipv4Value: Copy {
    /// The number of words of one value.
    const WORDS: usize;

    /// Appends the value's words.
    fn write(self, words: &mut Vec<u16>);

    /// Reads a value from exactly `WORDS` words.
    fn read(words: &[u16]) -> Self;

    /// The value's codes, as bits. A value without codes is ignored when the map is asked whether
    /// anything lies below a name.
    fn codes(self) -> u8;
}

/// A map from IPv4 addresses to one or more values each.
///
/// Addresses with the same first two octets form a shard, which is one piece of memory: their
/// codes, then their last two octets in ascending order, then the values. About nine lookups in ten
/// find nothing, and such a lookup touches one or two cache lines. A change copies one shard and
/// one page of pointers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ipv4Map<V> {
    /// Indexed by the first octet. It has no elements until the first address is added.
    pages: Vec<Option<Arc<Ipv4Page>>>,
    len: usize,
    values: PhantomData<V>,
}

/// The addresses that have the same first octet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ipv4Page {
    /// The codes of all its addresses, as bits.
    codes: u8,
    /// Indexed by the second octet.
    shards: [Option<Arc<[u16]>>; FAN],
}

/// The sections of one shard.
#[derive(Clone, Copy)]
struct Shard<'m> {
    codes: u8,
    keys: &'m [u16],
    values: &'m [u16],
}

/// An iterator over the values of one address, or of all addresses of a range.
#[derive(Clone, Debug)]
pub(super) struct Ipv4Values<'m, V> {
    words: &'m [u16],
    values: PhantomData<V>,
}

/// The memory that holds an address, so that it can be loaded ahead of the lookup.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemorySpot<'m> {
    keys: &'m [u16],
    low: u16,
}

impl MemorySpot<'_> {
    /// Reads the keys at both ends of the search range of the address, which loads them into the
    /// processor's cache. The result has no meaning; it only keeps the reads from being optimised
    /// away.
    pub fn touch(self) -> u16 {
        let (from, to) = near(self.keys, self.low);
        let key = |at: usize| self.keys.get(at).copied().unwrap_or(0);
        key(from) ^ key(to.saturating_sub(1))
    }
}

impl<V> Clone for Ipv4Map<V> {
    fn clone(&self) -> Self {
        Ipv4Map { pages: self.pages.clone(), len: self.len, values: PhantomData }
    }
}

impl<V> Default for Ipv4Map<V> {
    fn default() -> Self {
        Ipv4Map { pages: Vec::new(), len: 0, values: PhantomData }
    }
}

impl Default for Ipv4Page {
    fn default() -> Self {
        Ipv4Page { codes: 0, shards: [const { None }; FAN] }
    }
}

impl<V: Ipv4Value> Iterator for Ipv4Values<'_, V> {
    type Item = V;

    fn next(&mut self) -> Option<V> {
        let (first, rest) = self.words.split_at_checked(V::WORDS)?;
        self.words = rest;
        Some(V::read(first))
    }
}

impl<V> Ipv4Values<'_, V> {
    /// Whether the address has no values.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

fn parts(address: Ipv4Addr) -> (usize, usize, u16) {
    let [page, shard, c, d] = address.octets();
    (page.into(), shard.into(), u16::from_be_bytes([c, d]))
}

/// The range of the ascending keys in which a key is looked for first: around the place where it
/// would be if the keys were spread evenly.
fn near(keys: &[u16], key: u16) -> (usize, usize) {
    if keys.len() <= COMPARED_MAX {
        return (0, keys.len());
    }
    let guess = (keys.len() * usize::from(key)) >> 16;
    (guess.saturating_sub(NEAR), (guess + NEAR).min(keys.len()))
}

/// The number of the ascending keys that are less than `key`.
fn below(keys: &[u16], key: u16) -> usize {
    let (from, to) = near(keys, key);
    let around = (from == 0 || keys[from - 1] < key) && keys.get(to).is_none_or(|after| *after >= key);
    if around {
        from + keys[from..to].iter().map(|other| usize::from(*other < key)).sum::<usize>()
    } else {
        keys.partition_point(|other| *other < key)
    }
}

impl<'m> Shard<'m> {
    fn of<V: Ipv4Value>(words: &'m [u16]) -> Self {
        let Some((codes, rest)) = words.split_first() else {
            return Shard { codes: 0, keys: &[], values: &[] };
        };
        let (keys, values) = rest.split_at(rest.len() / (1 + V::WORDS));
        Shard { codes: *codes as u8, keys, values }
    }

    fn values<V: Ipv4Value>(self, first: u16, last: u16) -> Ipv4Values<'m, V> {
        let from = below(self.keys, first);
        let beyond = self.keys[from..].iter().take_while(|key| **key <= last).count();
        Ipv4Values { words: &self.values[from * V::WORDS..(from + beyond) * V::WORDS], values: PhantomData }
    }
}

/// Builds a shard from rows in ascending order; `None` if there are no rows.
fn shard<V: Ipv4Value>(rows: impl Iterator<Item = (u16, V)> + Clone) -> Option<Arc<[u16]>> {
    let codes = rows.clone().fold(0, |codes, (_, value)| codes | value.codes());
    let mut words = vec![u16::from(codes)];
    words.extend(rows.clone().map(|(low, _)| low));
    let keys = words.len();
    rows.for_each(|(_, value)| value.write(&mut words));
    (keys > 1).then(|| words.into())
}

impl<V: Ipv4Value> Ipv4Map<V> {
    /// Builds a map from rows in ascending order of their addresses. Rows of the same address keep
    /// their order.
    pub(super) fn from_rising(rows: &[(u32, V)]) -> Self {
        let mut map = Ipv4Map::default();
        for of_page in rows.chunk_by(|one, other| one.0 >> 24 == other.0 >> 24) {
            let mut page = Ipv4Page::default();
            for of_shard in of_page.chunk_by(|one, other| one.0 >> 16 == other.0 >> 16) {
                let lows = of_shard.iter().map(|(address, value)| (*address as u16, *value));
                page.shards[(of_shard[0].0 >> 16) as usize % FAN] = shard(lows);
                map.len += of_shard.chunk_by(|one, other| one.0 == other.0).count();
            }
            page.codes = page.all_codes::<V>();
            map.pages.resize(FAN, None);
            map.pages[(of_page[0].0 >> 24) as usize] = Some(Arc::new(page));
        }
        map
    }

    /// Replaces the values of an address. An empty slice removes the address.
    pub(super) fn set(&mut self, address: Ipv4Addr, values: &[V]) {
        let (page, nth, low) = parts(address);
        let was = !self.find(address).is_empty();
        self.len = self.len + usize::from(!values.is_empty()) - usize::from(was);
        self.pages.resize(FAN, None);
        let of_page = Arc::make_mut(self.pages[page].get_or_insert_default());
        let old = of_page.shards[nth].take().unwrap_or_default();
        let old = Shard::of::<V>(&old);
        let row = |at: usize| (old.keys[at], V::read(&old.values[at * V::WORDS..(at + 1) * V::WORDS]));
        let (from, to) = (below(old.keys, low), old.keys.partition_point(|key| *key <= low));
        let before = (0..from).map(row);
        let after = (to..old.keys.len()).map(row);
        of_page.shards[nth] = shard(before.chain(values.iter().map(|value| (low, *value))).chain(after));
        of_page.codes = of_page.all_codes::<V>();
        if of_page.shards.iter().all(Option::is_none) {
            self.pages[page] = None;
        }
    }

    fn shard(&self, page: usize, nth: usize) -> Option<Shard<'_>> {
        let page = self.pages.get(page)?.as_deref()?;
        page.shards.get(nth)?.as_deref().map(Shard::of::<V>)
    }

    /// The values of an address; empty if the map does not hold it.
    pub(super) fn find(&self, address: Ipv4Addr) -> Ipv4Values<'_, V> {
        let (page, nth, low) = parts(address);
        let values = self.shard(page, nth).map(|shard| shard.values(low, low));
        values.unwrap_or(Ipv4Values { words: &[], values: PhantomData })
    }

    /// The memory that holds an address, to be read ahead of [`Ipv4Map::find`].
    pub(super) fn spot(&self, address: Ipv4Addr) -> MemorySpot<'_> {
        let (page, nth, low) = parts(address);
        let page = self.pages.get(page).and_then(Option::as_deref);
        let shard = page.and_then(|page| page.shards[nth].as_deref());
        MemorySpot { keys: shard.map_or(&[], |shard| Shard::of::<V>(shard).keys), low }
    }

    /// The codes of all addresses from `first` to `last`, as bits. The two must be the first and
    /// the last address of a prefix.
    pub(super) fn codes_within(&self, first: u32, last: u32) -> u8 {
        let either = |codes: u8, more: u8| codes | more;
        let [first_page, last_page] = [first, last].map(|address| (address >> 24) as usize);
        let pages = self.pages.get(first_page..=last_page).unwrap_or_default().iter().flatten();
        // The prefix spans whole pages, whole shards of one page, or a part of one shard.
        match last - first {
            0x00ff_ffff.. => pages.map(|page| page.codes).fold(0, either),
            0xffff.. => {
                let [first, last] = [first, last].map(|address| (address >> 16) as usize % FAN);
                let shards = pages.flat_map(|page| page.shards[first..=last].iter().flatten());
                shards.map(|shard| Shard::of::<V>(shard).codes).fold(0, either)
            }
            _ => {
                let shard = self.shard(first_page, (first >> 16) as usize % FAN);
                let values = shard.into_iter().flat_map(|shard| shard.values::<V>(first as u16, last as u16));
                values.map(V::codes).fold(0, either)
            }
        }
    }

    /// The addresses from `first` to `last` with their values, in ascending order.
    pub(super) fn range(&self, first: u32, last: u32) -> impl Iterator<Item = (Ipv4Addr, Ipv4Values<'_, V>)> {
        let shards = (first >> 16..=last >> 16)
            .filter_map(move |bits| Some((bits, self.shard((bits >> 8) as usize, (bits & 0xff) as usize)?)));
        shards
            .flat_map(|(bits, shard)| {
                let runs = shard.keys.chunk_by(|one, other| one == other);
                let mut at = 0;
                runs.map(move |run| {
                    let words = &shard.values[at * V::WORDS..(at + run.len()) * V::WORDS];
                    at += run.len();
                    (bits << 16 | u32::from(run[0]), Ipv4Values { words, values: PhantomData })
                })
            })
            .filter(move |(address, _)| (first..=last).contains(address))
            .map(|(address, values)| (Ipv4Addr::from(address), values))
    }

    /// All addresses with their values, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Values<'_, V>)> {
        let pages = self.pages.iter().enumerate().filter(|(_, page)| page.is_some());
        pages.flat_map(|(page, _)| {
            let first = (page as u32) << 24;
            self.range(first, first | 0x00ff_ffff)
        })
    }

    /// The number of addresses.
    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl Ipv4Page {
    fn all_codes<V: Ipv4Value>(&self) -> u8 {
        self.shards.iter().flatten().fold(0, |codes, shard| codes | Shard::of::<V>(shard).codes)
    }
}
