//! The held listings of one zone: which guard holds each of them, and which wait for the share of
//! their site.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::evidence::Offset;
use crate::relay::{Prefix, RelaySite};
use crate::time::Timestamp;

/// The maximum number of sites with waiting listings while waiting listings are let in by
/// themselves. More sites at one time look like a fault or an attack, so the operator decides.
pub const WAITING_SITES_MAX: usize = 10;

/// What holds a new listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HoldingGuard {
    /// A freeze of the whole list.
    #[n(0)]
    Freeze,
    /// The limit on the zone's additions in an hour.
    #[n(1)]
    Zone,
    /// The share of this site in these additions.
    #[n(2)]
    Site(#[n(0)] RelaySite),
}

impl HoldingGuard {
    /// The name in JSON and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            HoldingGuard::Freeze => "freeze",
            HoldingGuard::Zone => "zone",
            HoldingGuard::Site(_) => "site",
        }
    }

    /// What ends the hold, in words.
    pub fn ends(self) -> String {
        match self {
            HoldingGuard::Freeze | HoldingGuard::Zone => {
                "the listing waits until the operator releases it (\"backscatterd release\")".to_owned()
            }
            HoldingGuard::Site(_) => format!(
                "the listing begins by itself in a later hour; while more than {WAITING_SITES_MAX} sites wait, it \
                 waits until the operator releases it (\"backscatterd release\")"
            ),
        }
    }
}

/// Says why the listing is held.
impl fmt::Display for HoldingGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HoldingGuard::Freeze => f.write_str("the list is frozen"),
            HoldingGuard::Zone => f.write_str("the zone's limit on additions in an hour is reached"),
            HoldingGuard::Site(site) => {
                write!(f, "the share of its site ({site}) in the additions of an hour is used up")
            }
        }
    }
}

/// A held listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListingHold {
    /// The entry that completed the case.
    #[n(0)]
    pub since: Offset,
    /// What holds the listing.
    #[n(1)]
    pub guard: HoldingGuard,
    /// The fold's time at that entry.
    #[n(2)]
    #[cbor(default)]
    pub at: Timestamp,
}

/// The listings of one site under one code that wait for the site's share.
pub(super) type SiteQueue = (RelaySite, u8);

/// The held listings of one zone, by ledger prefix and code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeldListings {
    listings: BTreeMap<(Prefix, u8), ListingHold>,
    /// Those that the share of a site holds, the oldest first. Derived from `listings`, and not
    /// stored in a checkpoint.
    waiting: BTreeMap<SiteQueue, BTreeSet<(Offset, Prefix)>>,
}

impl HeldListings {
    pub(super) fn insert(&mut self, prefix: Prefix, code: u8, hold: ListingHold) {
        self.remove(prefix, code);
        if let HoldingGuard::Site(site) = hold.guard {
            self.waiting.entry((site, code)).or_default().insert((hold.since, prefix));
        }
        self.listings.insert((prefix, code), hold);
    }

    pub(super) fn remove(&mut self, prefix: Prefix, code: u8) -> Option<ListingHold> {
        let hold = self.listings.remove(&(prefix, code))?;
        if let HoldingGuard::Site(site) = hold.guard
            && let Some(queue) = self.waiting.get_mut(&(site, code))
        {
            queue.remove(&(hold.since, prefix));
            if queue.is_empty() {
                self.waiting.remove(&(site, code));
            }
        }
        Some(hold)
    }

    /// Drops the held listings of the ledgers that `dropped` selects, and returns their prefixes.
    pub(super) fn drop_if(&mut self, dropped: impl Fn(Prefix) -> bool) -> Vec<Prefix> {
        let gone: Vec<(Prefix, u8)> =
            self.listings.keys().filter(|(prefix, _)| dropped(*prefix)).copied().collect();
        for &(prefix, code) in &gone {
            self.remove(prefix, code);
        }
        gone.into_iter().map(|(prefix, _)| prefix).collect()
    }

    pub(super) fn get(&self, prefix: Prefix, code: u8) -> Option<ListingHold> {
        self.listings.get(&(prefix, code)).copied()
    }

    /// The held listings of one ledger, by code.
    pub(super) fn of(&self, prefix: Prefix) -> impl Iterator<Item = (u8, ListingHold)> {
        self.listings.range((prefix, 0)..=(prefix, u8::MAX)).map(|((_, code), hold)| (*code, *hold))
    }

    /// All held listings, by ledger prefix and code.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Prefix, u8, ListingHold)> {
        self.listings.iter().map(|((prefix, code), hold)| (*prefix, *code, *hold))
    }

    /// The sites with waiting listings, in order.
    pub(super) fn sites(&self) -> impl Iterator<Item = RelaySite> {
        let mut last = None;
        self.waiting.keys().map(|(site, _)| *site).filter(move |site| last.replace(*site) != Some(*site))
    }

    /// Whether so many sites wait that only the operator lets their listings in.
    pub(super) fn is_crowded(&self) -> bool {
        self.sites().nth(WAITING_SITES_MAX).is_some()
    }

    /// The listing that waited longest, of the queues that are not in `passed`. `None` while too
    /// many sites wait.
    pub(super) fn oldest_waiting(&self, passed: &BTreeSet<SiteQueue>) -> Option<(SiteQueue, Prefix)> {
        if self.is_crowded() {
            return None;
        }
        let queues = self.waiting.iter().filter(|(queue, _)| !passed.contains(queue));
        let heads = queues.filter_map(|(queue, waiting)| Some((waiting.first()?, *queue)));
        heads.min().map(|((_, prefix), queue)| (queue, *prefix))
    }
}

impl<C> Encode<C> for HeldListings {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        self.listings.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for HeldListings {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        let listings: BTreeMap<(Prefix, u8), ListingHold> = Decode::decode(decoder, context)?;
        let mut held = HeldListings::default();
        listings.into_iter().for_each(|((prefix, code), hold)| held.insert(prefix, code, hold));
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(number: usize) -> Prefix {
        format!("2001:db8:{number:x}::25").parse().unwrap()
    }

    fn hold(since: u64, guard: HoldingGuard) -> ListingHold {
        ListingHold { since: Offset::from_number(since), guard, at: Timestamp::default() }
    }

    fn of_site(number: usize) -> HoldingGuard {
        HoldingGuard::Site(RelaySite::Network(Prefix::shared(prefix(number).network())))
    }

    #[test]
    fn the_oldest_of_few_sites_comes_first_and_of_many_sites_none() {
        let mut held = HeldListings::default();
        held.insert(prefix(99), 2, hold(1, HoldingGuard::Zone));
        assert_eq!(held.oldest_waiting(&BTreeSet::new()), None, "what the zone's guard holds does not wait");
        for number in 0..WAITING_SITES_MAX {
            held.insert(prefix(number), 2, hold(100 - number as u64, of_site(number)));
            held.insert(prefix(number), 4, hold(200, of_site(number)));
        }
        let (queue, oldest) = held.oldest_waiting(&BTreeSet::new()).unwrap();
        assert_eq!(oldest, prefix(WAITING_SITES_MAX - 1));
        let (_, next) = held.oldest_waiting(&BTreeSet::from([queue])).unwrap();
        assert_eq!(next, prefix(WAITING_SITES_MAX - 2));
        held.insert(prefix(50), 2, hold(300, of_site(50)));
        assert!(held.is_crowded() && held.oldest_waiting(&BTreeSet::new()).is_none());
        held.remove(prefix(50), 2);
        assert!(held.oldest_waiting(&BTreeSet::new()).is_some());
    }

    #[test]
    fn a_copy_by_its_octets_knows_what_waits() {
        let mut held = HeldListings::default();
        held.insert(prefix(1), 2, hold(7, of_site(1)));
        held.insert(prefix(2), 2, hold(8, HoldingGuard::Freeze));
        let copy: HeldListings = minicbor::decode(&minicbor::to_vec(&held).unwrap()).unwrap();
        assert_eq!(copy, held);
        assert_eq!(held.drop_if(|_| true), [prefix(1), prefix(2)]);
        assert_eq!(held, HeldListings::default());
    }
}
