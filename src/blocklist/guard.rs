//! The guards of one zone at work: they count the additions of an hour, in the zone and by site, and
//! say which of them holds the next one. Removals are never held.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::holds::{HeldListings, HoldingGuard};
use crate::listing::GuardLimits;
use crate::relay::RelaySite;
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
    // Number 4 was the set of held listings, without their guards.
    /// The held listings.
    #[n(5)]
    #[cbor(default)]
    pub(super) held: HeldListings,
    /// Additions by site and code. Each addition counts for the few sites of its relay, so
    /// `additions_max` bounds this map.
    #[n(6)]
    #[cbor(default)]
    added_by_site: BTreeMap<(RelaySite, u8), u64>,
}

impl HourlyGuard {
    fn turn(&mut self, now: Timestamp, size: usize) {
        if self.hour != now.hour() {
            (self.hour, self.size, self.ended) = (now.hour(), size as u64, 0);
            self.added.clear();
            self.added_by_site.clear();
        }
    }

    /// The guard that holds another addition under a code in this hour. `None` if the limits permit
    /// the addition.
    ///
    /// The shares of the sites come first. What they hold takes nothing from the zone's limit.
    pub(super) fn holding(
        &mut self,
        now: Timestamp,
        code: u8,
        sites: &[RelaySite],
        size: usize,
        guards: &GuardLimits,
    ) -> Option<HoldingGuard> {
        self.turn(now, size);
        let by_site = |site: &RelaySite| self.added_by_site.get(&(*site, code)).copied().unwrap_or(0);
        let share = guards.site_additions_max(self.size);
        let used_up = sites.iter().find(|site| share.is_some_and(|most| by_site(site) >= most));
        let added = self.added.get(&code).copied().unwrap_or(0);
        let is_full = added >= guards.additions_max(self.size);
        used_up.map(|site| HoldingGuard::Site(*site)).or(is_full.then_some(HoldingGuard::Zone))
    }

    /// Counts an addition that no guard holds.
    pub(super) fn add(&mut self, code: u8, sites: &[RelaySite]) {
        *self.added.entry(code).or_insert(0) += 1;
        for site in sites {
            *self.added_by_site.entry((*site, code)).or_insert(0) += 1;
        }
    }

    /// Counts a listing that ended. Returns `true` when the number reaches the alarm limit, which
    /// happens at most once per hour.
    pub(super) fn ended(&mut self, now: Timestamp, size: usize, guards: &GuardLimits) -> bool {
        self.turn(now, size);
        self.ended += 1;
        self.ended == guards.endings_alarm(self.size)
    }
}
