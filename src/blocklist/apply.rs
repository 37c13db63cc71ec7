//! Applying journal entries: what each kind of entry starts, and what a tick ends.

use super::Blocklist;
use super::audit::FOLD;
use super::changes::{EntryContext, ListChanges, RecordChange};
use crate::evidence::{Entry, RecordedEntry};
use crate::listing::ListingEnd;
use crate::relay::Prefix;
use crate::time::{Span, Timestamp};

/// The horizon if no zone is published.
const HORIZON_DEFAULT: Span = Span::from_days(28);

impl Blocklist {
    /// Applies the next entry and returns its effects. An entry that was applied before has no
    /// effect.
    pub fn apply(&mut self, recorded: &RecordedEntry) -> ListChanges {
        let mut turn = EntryContext { by: FOLD, why: "", changes: ListChanges::default() };
        if recorded.offset <= self.state.offset {
            return turn.changes;
        }
        self.state.offset = recorded.offset;
        match &recorded.entry {
            Entry::Evidence(evidence) => self.evidence(evidence, &mut turn),
            Entry::Observation(observation) => self.observation(observation, &mut turn),
            Entry::Directive(directive) => {
                (turn.by, turn.why) = (&directive.by, &directive.why);
                self.directive(&directive.order, &mut turn);
            }
            Entry::Verification(verification) => self.verification(verification, &mut turn),
            Entry::Tick(_) => self.tick(recorded.at, &mut turn),
        }
        self.count_serials();
        turn.changes
    }

    fn tick(&mut self, at: Timestamp, turn: &mut EntryContext<'_>) {
        let before = self.state.time;
        self.state.time = before.max(at);
        let now = self.state.time;
        self.let_in(turn);
        self.end_waits(now, turn);
        self.publish_at_slot(turn);
        self.expire(now, turn);
        if now.day() != before.day() {
            self.forget(now, &mut turn.changes);
        }
    }

    fn expire(&mut self, now: Timestamp, turn: &mut EntryContext<'_>) {
        let due: Vec<(String, Prefix, u8)> = self
            .zones
            .iter()
            .flat_map(|(origin, derived)| {
                let due = derived.due.iter().take_while(|(until, ..)| *until <= now);
                due.map(|(_, prefix, code)| (origin.clone(), *prefix, *code))
            })
            .collect();
        for (origin, prefix, code) in due {
            self.change_record(&origin, prefix, code, turn, |record| {
                record.expire(now).map(|_| RecordChange::Ended(ListingEnd::Expired))
            });
        }
    }

    /// Drops, once a day, the evidence and records that no longer have any effect.
    fn forget(&mut self, now: Timestamp, changes: &mut ListChanges) {
        let horizon = self.horizon();
        let touched = &mut changes.relays;
        self.state.ledgers.retain(|prefix, ledger| {
            if ledger.forget(now, horizon) {
                touched.insert(*prefix);
            }
            !ledger.is_empty()
        });
        let ledgers = &self.state.ledgers;
        for (origin, zone) in &mut self.state.zones {
            touched.extend(zone.guard.held.drop_if(|prefix| !ledgers.contains_key(&prefix)));
            let terms = self.zones.get(origin).map(|derived| &derived.config.terms);
            zone.records.retain(|(prefix, _), record| {
                // The floor is needed while the ledger contains evidence from before it.
                let kept =
                    terms.is_none_or(|terms| record.forget(now, terms)) || ledgers.contains_key(prefix);
                if !kept {
                    touched.insert(*prefix);
                }
                kept
            });
        }
        let oldest = now.minus(horizon);
        self.state.sightings.retain(|_, sighting| sighting.last >= oldest);
        self.state.good_mail.retain(|_, good| good.at >= oldest);
        self.state.traps.forget(oldest);
        self.forget_answers(oldest);
    }

    fn horizon(&self) -> Span {
        self.zones.values().map(|zone| zone.config.policy.horizon).max().unwrap_or(HORIZON_DEFAULT)
    }
}
