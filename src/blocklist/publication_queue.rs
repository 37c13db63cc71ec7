//! What was decided about one zone and waits for a slot.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::evidence::Offset;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// What was decided about one zone and is not public yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct PublicationQueue {
    /// The last slot at which the zone was published.
    #[n(0)]
    slot: Timestamp,
    /// By ledger prefix and code: the entry that made the first decision that waits.
    #[n(1)]
    waiting: BTreeMap<(Prefix, u8), Offset>,
}

impl PublicationQueue {
    /// An empty queue of a zone that is adopted at this time. Its first slot is the next one.
    pub(super) fn since(now: Timestamp) -> Self {
        PublicationQueue { slot: now, waiting: BTreeMap::new() }
    }

    /// The number of listings and changes of listings that wait for a slot.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a listing wait that an entry decided, unless it waits already.
    pub(super) fn insert(&mut self, prefix: Prefix, code: u8, decided: Offset) {
        self.waiting.entry((prefix, code)).or_insert(decided);
    }

    /// Lets a listing no longer wait.
    pub(super) fn remove(&mut self, prefix: Prefix, code: u8) {
        self.waiting.remove(&(prefix, code));
    }

    /// Whether a slot is later than the last one. If so, it is the last one from now on.
    pub(super) fn begins(&mut self, slot: Timestamp) -> bool {
        let begins = slot > self.slot;
        self.slot = self.slot.max(slot);
        begins
    }

    /// Lets what waits wait for the next slot after a time.
    pub(super) fn rest_until(&mut self, now: Timestamp) {
        self.slot = self.slot.max(now);
    }

    /// What waits, the earliest decision first.
    pub(super) fn in_order(&self) -> Vec<(Prefix, u8)> {
        let mut waiting: Vec<_> = self.waiting.iter().map(|(key, decided)| (*decided, *key)).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, key)| key).collect()
    }
}
