//! IPv4 addresses and what is said of each: shared between snapshots, copied only where something changes.

use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Values of one octet.
const FAN: usize = 256;
/// Up to so many keys are compared one by one, which a processor does in a few steps.
const COMPARED_MAX: usize = 64;
/// How far from where an even spread would put it a key is looked for before all of its shard is searched.
const NEAR: usize = 16;

/// What is kept beside an address, as words of 16 bits.
pub(super) trait Words: Copy {
    /// How many.
    const WORDS: usize;

    fn write(self, words: &mut Vec<u16>);

    /// Takes exactly `WORDS` of them.
    fn read(words: &[u16]) -> Self;

    /// The codes it stands under, as bits; what has none is not there for questions about what lies below a name.
    fn codes(self) -> u8;
}

/// Addresses, each with one or more values.
///
/// Addresses with the same first two octets lie in one shard, in one piece of memory: their codes, then their last two octets,
/// rising, then the values. A question that finds nothing, as nine in ten do, so touches one or two lines of memory; a change
/// copies one shard and one page of pointers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ipv4Map<V> {
    /// By the first octet; none at all where no address is there.
    pages: Vec<Option<Arc<Page>>>,
    len: usize,
    values: PhantomData<V>,
}

/// Addresses with one first octet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    /// All codes in it.
    codes: u8,
    /// By the second octet.
    shards: [Option<Arc<[u16]>>; FAN],
}

/// One shard, taken apart.
#[derive(Clone, Copy)]
struct Shard<'m> {
    codes: u8,
    keys: &'m [u16],
    values: &'m [u16],
}

/// The values of one address.
#[derive(Clone, Debug)]
pub(super) struct Values<'m, V> {
    words: &'m [u16],
    values: PhantomData<V>,
}

/// Where an address would be, so that its memory can be asked for ahead of the question.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spot<'m> {
    keys: &'m [u16],
    low: u16,
}

impl Spot<'_> {
    /// Reads the keys at both ends of where the address is looked for, and says what it saw; all that matters is the reading.
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

impl Default for Page {
    fn default() -> Self {
        Page { codes: 0, shards: [const { None }; FAN] }
    }
}

impl<V: Words> Iterator for Values<'_, V> {
    type Item = V;

    fn next(&mut self) -> Option<V> {
        let (first, rest) = self.words.split_at_checked(V::WORDS)?;
        self.words = rest;
        Some(V::read(first))
    }
}

impl<V> Values<'_, V> {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

fn parts(address: Ipv4Addr) -> (usize, usize, u16) {
    let [page, shard, c, d] = address.octets();
    (page.into(), shard.into(), u16::from_be_bytes([c, d]))
}

/// Between which of the rising keys a key is looked for first: about where it stands if they are spread evenly.
fn near(keys: &[u16], key: u16) -> (usize, usize) {
    if keys.len() <= COMPARED_MAX {
        return (0, keys.len());
    }
    let guess = (keys.len() * usize::from(key)) >> 16;
    (guess.saturating_sub(NEAR), (guess + NEAR).min(keys.len()))
}

/// How many of the rising keys are less than a key.
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
    fn of<V: Words>(words: &'m [u16]) -> Self {
        let Some((codes, rest)) = words.split_first() else {
            return Shard { codes: 0, keys: &[], values: &[] };
        };
        let (keys, values) = rest.split_at(rest.len() / (1 + V::WORDS));
        Shard { codes: *codes as u8, keys, values }
    }

    fn values<V: Words>(self, first: u16, last: u16) -> Values<'m, V> {
        let from = below(self.keys, first);
        let beyond = self.keys[from..].iter().take_while(|key| **key <= last).count();
        Values { words: &self.values[from * V::WORDS..(from + beyond) * V::WORDS], values: PhantomData }
    }
}

/// Puts a shard together from rows that rise; `None` of no rows.
fn shard<V: Words>(rows: impl Iterator<Item = (u16, V)> + Clone) -> Option<Arc<[u16]>> {
    let codes = rows.clone().fold(0, |codes, (_, value)| codes | value.codes());
    let mut words = vec![u16::from(codes)];
    words.extend(rows.clone().map(|(low, _)| low));
    let keys = words.len();
    rows.for_each(|(_, value)| value.write(&mut words));
    (keys > 1).then(|| words.into())
}

impl<V: Words> Ipv4Map<V> {
    /// Of rows that rise by address; rows of one address stay in their order.
    pub(super) fn from_rising(rows: &[(u32, V)]) -> Self {
        let mut map = Ipv4Map::default();
        for of_page in rows.chunk_by(|one, other| one.0 >> 24 == other.0 >> 24) {
            let mut page = Page::default();
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

    /// Puts values in the place of an address's; none takes it out.
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

    pub(super) fn find(&self, address: Ipv4Addr) -> Values<'_, V> {
        let (page, nth, low) = parts(address);
        let values = self.shard(page, nth).map(|shard| shard.values(low, low));
        values.unwrap_or(Values { words: &[], values: PhantomData })
    }

    /// Where an address would be.
    pub(super) fn spot(&self, address: Ipv4Addr) -> Spot<'_> {
        let (page, nth, low) = parts(address);
        let page = self.pages.get(page).and_then(Option::as_deref);
        let shard = page.and_then(|page| page.shards[nth].as_deref());
        Spot { keys: shard.map_or(&[], |shard| Shard::of::<V>(shard).keys), low }
    }

    /// The codes under which any address stands from one to another, which are the ends of a prefix.
    pub(super) fn codes_within(&self, first: u32, last: u32) -> u8 {
        let either = |codes: u8, more: u8| codes | more;
        let [first_page, last_page] = [first, last].map(|address| (address >> 24) as usize);
        let pages = self.pages.get(first_page..=last_page).unwrap_or_default().iter().flatten();
        // Longer than a page, than a shard, or within one.
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

    /// The addresses from one to another, each with its values, rising.
    pub(super) fn range(&self, first: u32, last: u32) -> impl Iterator<Item = (Ipv4Addr, Values<'_, V>)> {
        let shards = (first >> 16..=last >> 16)
            .filter_map(move |bits| Some((bits, self.shard((bits >> 8) as usize, (bits & 0xff) as usize)?)));
        shards
            .flat_map(|(bits, shard)| {
                let runs = shard.keys.chunk_by(|one, other| one == other);
                let mut at = 0;
                runs.map(move |run| {
                    let words = &shard.values[at * V::WORDS..(at + run.len()) * V::WORDS];
                    at += run.len();
                    (bits << 16 | u32::from(run[0]), Values { words, values: PhantomData })
                })
            })
            .filter(move |(address, _)| (first..=last).contains(address))
            .map(|(address, values)| (Ipv4Addr::from(address), values))
    }

    /// All of them, rising.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, Values<'_, V>)> {
        let pages = self.pages.iter().enumerate().filter(|(_, page)| page.is_some());
        pages.flat_map(|(page, _)| {
            let first = (page as u32) << 24;
            self.range(first, first | 0x00ff_ffff)
        })
    }

    /// How many addresses.
    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl Page {
    fn all_codes<V: Words>(&self) -> u8 {
        self.shards.iter().flatten().fold(0, |codes, shard| codes | Shard::of::<V>(shard).codes)
    }
}
