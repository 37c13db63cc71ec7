//! The guards of one zone at work: new listings beyond the hourly limit are held until the operator
//! releases them, so that a fault cannot list many addresses. Removals are never held.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::listing::GuardLimits;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// The additions and endings in one zone during the current hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct HourlyGuard {
    /// The current hour of the fold's time, counted from 1970-01-01T00:00:00Z.
    #[n(0)]
    hour: u32,
    /// The number of entries when the hour began.
    #[n(1)]
    size: u64,
    /// Additions by code. Many additions under one code must not hold those under another.
    #[n(2)]
    added: BTreeMap<u8, u64>,
    #[n(3)]
    ended: u64,
    /// The held listings: ledger prefix and code.
    #[n(4)]
    pub(super) held: BTreeSet<(Prefix, u8)>,
}

impl HourlyGuard {
    fn turn(&mut self, now: Timestamp, size: usize) {
        if self.hour != now.hour() {
            (self.hour, self.size, self.ended) = (now.hour(), size as u64, 0);
            self.added.clear();
        }
    }

    /// Whether the limit permits another addition under a code in this hour. If so, counts it.
    pub(super) fn admits(&mut self, now: Timestamp, code: u8, size: usize, guards: &GuardLimits) -> bool {
        self.turn(now, size);
        let most = guards.additions_max(self.size);
        let added = self.added.entry(code).or_insert(0);
        let admitted = *added < most;
        *added += u64::from(admitted);
        admitted
    }

    /// Counts a listing that ended. Returns `true` when the number reaches the alarm limit, which
    /// happens at most once per hour.
    pub(super) fn ended(&mut self, now: Timestamp, size: usize, guards: &GuardLimits) -> bool {
        self.turn(now, size);
        self.ended += 1;
        self.ended == guards.endings_alarm(self.size)
    }
}
