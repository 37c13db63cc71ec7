//! What keeps a fault from listing the world: additions beyond what is usual are held until somebody looks (DESIGN:
//! publishing is guarded). What is removed always passes.

use std::collections::BTreeSet;

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
    #[n(2)]
    added: u64,
    #[n(3)]
    ended: u64,
    /// Relays, and the codes under which they would be listed.
    #[n(4)]
    pub(super) held: BTreeSet<(Prefix, u8)>,
}

impl Guard {
    fn turn(&mut self, now: Timestamp, size: usize) {
        if self.hour != now.hour() {
            (self.hour, self.size, self.added, self.ended) = (now.hour(), size as u64, 0, 0);
        }
    }

    /// Whether one more may be added in this hour; if so it is counted.
    pub(super) fn admits(&mut self, now: Timestamp, size: usize, guards: &Guards) -> bool {
        self.turn(now, size);
        let admitted = self.added < guards.additions_max(self.size);
        self.added += u64::from(admitted);
        admitted
    }

    /// Counts a listing that ended; whether so many of them call for somebody, which is told once an hour.
    pub(super) fn ended(&mut self, now: Timestamp, size: usize, guards: &Guards) -> bool {
        self.turn(now, size);
        self.ended += 1;
        self.ended == guards.endings_alarm(self.size)
    }
}
