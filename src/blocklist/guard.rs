//! What keeps a fault from listing the world: additions beyond what is usual are held until somebody looks (DESIGN:
//! publishing is guarded). What is removed always passes.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::listing::Guards;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// One zone's hour, as the guards see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Guard {
    /// Hours since 1970, of fold time.
    #[n(0)]
    hour: u32,
    /// Entries when the hour began.
    #[n(1)]
    size: u64,
    /// By code: who can make many listings of one must not hold those of another.
    #[n(2)]
    added: BTreeMap<u8, u64>,
    #[n(3)]
    ended: u64,
    /// Relays, and the codes under which they would be listed.
    #[n(4)]
    pub(super) held: BTreeSet<(Prefix, u8)>,
}

impl Guard {
    fn turn(&mut self, now: Timestamp, size: usize) {
        if self.hour != now.hour() {
            (self.hour, self.size, self.ended) = (now.hour(), size as u64, 0);
            self.added.clear();
        }
    }

    /// Whether one more may be added under a code in this hour; if so it is counted.
    pub(super) fn admits(&mut self, now: Timestamp, code: u8, size: usize, guards: &Guards) -> bool {
        self.turn(now, size);
        let most = guards.additions_max(self.size);
        let added = self.added.entry(code).or_insert(0);
        let admitted = *added < most;
        *added += u64::from(admitted);
        admitted
    }

    /// Counts a listing that ended; whether so many of them call for somebody, which is told once an hour.
    pub(super) fn ended(&mut self, now: Timestamp, size: usize, guards: &Guards) -> bool {
        self.turn(now, size);
        self.ended += 1;
        self.ended == guards.endings_alarm(self.size)
    }
}
