//! Counts by key.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts by key; a key without a count takes no memory.
#[derive(Debug)]
pub struct KeyCounts<K>(HashMap<K, u32>);

impl<K> Default for KeyCounts<K> {
    fn default() -> Self {
        KeyCounts(HashMap::new())
    }
}

impl<K: Eq + Hash> KeyCounts<K> {
    /// The count of a key.
    pub fn of(&self, key: &K) -> u32 {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// Adds one.
    pub fn add(&mut self, key: K) {
        *self.0.entry(key).or_insert(0) += 1;
    }

    /// Takes one away, if there is one.
    pub fn remove(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    /// The number of keys with a count.
    pub fn keys(&self) -> usize {
        self.0.len()
    }
}
