//! A map from keyed hashes to values that is cheap to clone: a clone shares all parts, and a change
//! copies one part.
//!
//! Keyed hashes are evenly distributed, so the first bits of a key choose one of a fixed number of
//! parts. Each part is a sorted vector with little spare room: a million traps take little more
//! memory than their own octets.

use std::sync::Arc;

use super::key::TrapKey;

/// Number of parts, a power of two. With a million entries each part holds about 250.
const PARTS: usize = 4_096;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// A full part grows by this fraction of its length (one eighth) and by `GROWTH_MIN`.
const GROWTH_SHARE: usize = 8;
const GROWTH_MIN: usize = 2;

/// The map; see the module's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrapTable<V> {
    /// Empty until the first entry is added.
    parts: Vec<Arc<Vec<(TrapKey, V)>>>,
    len: usize,
}

impl<V> Default for TrapTable<V> {
    fn default() -> Self {
        TrapTable { parts: Vec::new(), len: 0 }
    }
}

fn part_of(key: TrapKey) -> usize {
    (key.short() >> (u32::BITS - PART_BITS)) as usize
}

impl<V: Clone> TrapTable<V> {
    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The value of a key.
    pub(super) fn get(&self, key: TrapKey) -> Option<&V> {
        let part = self.parts.get(part_of(key))?;
        part.binary_search_by_key(&key, |(key, _)| *key).ok().map(|at| &part[at].1)
    }

    /// Sets the value of a key and returns its previous value.
    pub(super) fn insert(&mut self, key: TrapKey, value: V) -> Option<V> {
        if self.parts.is_empty() {
            self.parts = (0..PARTS).map(|_| Arc::default()).collect();
        }
        let part = Arc::make_mut(&mut self.parts[part_of(key)]);
        match part.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => Some(std::mem::replace(&mut part[at].1, value)),
            Err(at) => {
                if part.len() == part.capacity() {
                    part.reserve_exact(part.len() / GROWTH_SHARE + GROWTH_MIN);
                }
                part.insert(at, (key, value));
                self.len += 1;
                None
            }
        }
    }

    /// Removes a key and returns its value.
    pub(super) fn remove(&mut self, key: TrapKey) -> Option<V> {
        let part = self.parts.get_mut(part_of(key))?;
        let at = part.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.len -= 1;
        Some(Arc::make_mut(part).remove(at).1)
    }

    /// The entries whose keys have first four octets from `first` to `last`, in the order of their keys.
    pub(super) fn between(&self, first: u32, last: u32) -> impl Iterator<Item = (TrapKey, &V)> {
        let part = |start: u32| (start >> (u32::BITS - PART_BITS)) as usize;
        let parts = self.parts.get(part(first)..=part(last)).unwrap_or_default();
        let all = parts.iter().flat_map(|part| part.iter().map(|(key, value)| (*key, value)));
        all.filter(move |(key, _)| (first..=last).contains(&key.short()))
    }

    /// All entries in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TrapKey, &V)> {
        self.parts.iter().flat_map(|part| part.iter().map(|(key, value)| (*key, value)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::digest::Digest;

    proptest! {
        /// A table behaves as a map, and an earlier clone stays unchanged.
        #[test]
        fn a_table_is_a_map(steps in proptest::collection::vec((0..200u32, 0..2u8, any::<u32>()), 0..400)) {
            let key = |number: u32| TrapKey(Digest::of(&number.to_be_bytes()));
            let (mut table, mut map) = (TrapTable::default(), BTreeMap::new());
            let mut before = (table.clone(), map.clone());
            for (nth, (number, step, value)) in steps.into_iter().enumerate() {
                let key = key(number);
                match step {
                    0 => prop_assert_eq!(table.insert(key, value), map.insert(key, value)),
                    _ => prop_assert_eq!(table.remove(key), map.remove(&key)),
                }
                prop_assert_eq!(table.get(key), map.get(&key));
                if nth == 150 {
                    before = (table.clone(), map.clone());
                }
            }
            let (first, last) = (u32::MAX / 3, u32::MAX / 2);
            let between = map.keys().filter(|key| (first..=last).contains(&key.short()));
            prop_assert!(table.between(first, last).map(|(key, _)| key).eq(between.copied()));
            prop_assert!(table.between(0, u32::MAX).count() == map.len());
            for (table, map) in [(&table, &map), (&before.0, &before.1)] {
                prop_assert_eq!(table.len(), map.len());
                prop_assert!(table.iter().map(|(key, value)| (key, *value)).eq(map.iter().map(|(key, value)| (*key, *value))));
            }
        }
    }
}
