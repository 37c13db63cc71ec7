//! Holding new listings for a guard or a freeze, and letting in those that waited for the share of
//! their site.

use std::collections::BTreeSet;

use super::Blocklist;
use super::audit::AuditRecord;
use super::changes::{EntryContext, ListChange};
use super::holds::{HoldingGuard, ListingHold, SiteQueue, WAITING_SITES_MAX};
use super::judging::GuardCheck;
use crate::relay::{Prefix, RelaySite};
use crate::score::Ledger;

/// The maximum number of waiting listings of one zone that are let in at one tick.
const LET_IN_PER_TICK_MAX: usize = 50;

impl Blocklist {
    /// Whether a freeze or a guard holds a new listing. If so, records it as held.
    pub(super) fn holds(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        turn: &mut EntryContext<'_>,
    ) -> bool {
        let sites = self.sites(prefix);
        let (at, since) = (self.state.time, self.state.offset);
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get(origin)) else {
            return true;
        };
        if zone.guard.held.get(prefix, code).is_some() {
            return true;
        }
        let holding = if self.state.frozen {
            Some(HoldingGuard::Freeze)
        } else {
            zone.guard.holding(at, code, &sites, derived.entries.len(), &derived.config.guards)
        };
        let Some(guard) = holding else {
            zone.guard.add(code, &sites);
            return false;
        };
        let was_crowded = zone.guard.held.is_crowded();
        zone.guard.held.insert(prefix, code, ListingHold { since, guard, at });
        let is_crowded = zone.guard.held.is_crowded();
        turn.change(ListChange::Held { origin: origin.to_owned(), relay: prefix, code, guard });
        let why = format!("{guard}; {}", guard.ends());
        let (zone, about) = (origin.to_owned(), prefix.to_string());
        let record = AuditRecord { zone, about, code: Some(code), ..self.record(turn, "held", why) };
        turn.changes.audit.push(self.state.audit.link(record));
        if is_crowded && !was_crowded {
            self.note_crowd(origin, turn);
        }
        true
    }

    /// Records that so many sites wait that the operator must decide.
    fn note_crowd(&mut self, origin: &str, turn: &mut EntryContext<'_>) {
        turn.change(ListChange::Crowded { origin: origin.to_owned() });
        let why = format!(
            "more than {WAITING_SITES_MAX} sites wait for their share; their listings wait until the operator \
             releases them (\"backscatterd release\")"
        );
        let record = AuditRecord { zone: origin.to_owned(), ..self.record(turn, "crowded", why) };
        turn.changes.audit.push(self.state.audit.link(record));
    }

    /// Lets in listings that waited for the share of their site, the oldest first, as far as the
    /// guards permit them now. Nothing comes in while the list is frozen or many sites wait.
    ///
    /// A new hour begins at a tick, and this comes first. Listings that waited therefore use the
    /// share of their site before new ones do.
    pub(super) fn let_in(&mut self, turn: &mut EntryContext<'_>) {
        if self.state.frozen {
            return;
        }
        let origins: Vec<String> = self.zones.keys().cloned().collect();
        for origin in origins {
            let mut full = BTreeSet::new();
            for _ in 0..LET_IN_PER_TICK_MAX {
                let Some((prefix, code)) = self.next_to_let_in(&origin, &mut full) else { break };
                let zone = self.state.zones.get_mut(&origin);
                let Some(hold) = zone.and_then(|zone| zone.guard.held.remove(prefix, code)) else { break };
                turn.changes.relays.insert(prefix);
                self.judge_code(&origin, prefix, code, GuardCheck::LetIn(hold), turn);
            }
        }
    }

    /// The listing that waited longest among those that the guards permit now. Adds the queues that
    /// the guards do not permit to `full`.
    fn next_to_let_in(&mut self, origin: &str, full: &mut BTreeSet<SiteQueue>) -> Option<(Prefix, u8)> {
        let now = self.state.time;
        loop {
            let (queue, prefix) = self.state.zones.get(origin)?.guard.held.oldest_waiting(full)?;
            let (sites, code) = (self.sites(prefix), queue.1);
            let (zone, derived) = (self.state.zones.get_mut(origin)?, self.zones.get(origin)?);
            let (size, guards) = (derived.entries.len(), &derived.config.guards);
            if zone.guard.holding(now, code, &sites, size, guards).is_none() {
                return Some((prefix, code));
            }
            full.insert(queue);
        }
    }

    /// Drops the held listings in a prefix, and the cases that wait for an answer.
    pub(super) fn unhold(&mut self, prefix: Prefix, turn: &mut EntryContext<'_>) {
        for zone in self.state.zones.values_mut() {
            zone.unverified.retain(|(waiting, _), _| !prefix.overlaps(*waiting));
            turn.changes.relays.extend(zone.guard.held.drop_if(|held| prefix.overlaps(held)));
        }
    }

    /// The known sites of a relay.
    pub(super) fn sites(&self, prefix: Prefix) -> Vec<RelaySite> {
        let unknown = Ledger::default();
        self.state.ledgers.get(&prefix).unwrap_or(&unknown).sites(prefix.network()).collect()
    }
}
