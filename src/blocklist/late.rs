//! Late observations: what the DNS said about a relay after its evidence was counted without that.
//!
//! A late observation may only turn an unknown relation into a known one. The report then counts
//! from the entry of the observation, so no earlier case changes. What a listing used, and what a
//! removal forgave, does not count again.

use super::Blocklist;
use super::changes::{EntryContext, ListChange};
use super::counting::TRAP_BURNED;
use super::published::records_of;
use crate::evidence::{Evidence, Observation};
use crate::listing::ListingGrounds;
use crate::relay::Prefix;
use crate::score::{CountedReport, Relation, weighs};

impl Blocklist {
    /// Applies an observation of evidence that was counted without a known relation.
    pub(super) fn observe_late(
        &mut self,
        evidence: &Evidence,
        observation: &Observation,
        turn: &mut EntryContext<'_>,
    ) {
        let prefix = Prefix::host(evidence.relay);
        if evidence.id != observation.evidence {
            return turn.ignore("the observation contains other evidence");
        }
        let digest = evidence.report.unwrap_or(evidence.id).short();
        let ledger = self.state.ledgers.get(&prefix);
        let Some((ledger, before)) = ledger.and_then(|ledger| Some((ledger, ledger.report(digest)?))) else {
            return turn.ignore("the report is not in the ledger");
        };
        if before.relation != Relation::Unknown {
            return turn.ignore("the relation is known");
        }
        if before.offset <= ledger.forgiven() {
            return turn.ignore("a removal forgave the report");
        }
        let before = before.clone();
        let injector = self.injector(evidence, Some(observation));
        let after = before.after(evidence, observation, injector, self.state.offset);
        match after.relation {
            Relation::Unknown => {
                let unanswered = before.unanswered && after.unanswered;
                self.replace(prefix, CountedReport { unanswered, ..before }, turn);
                turn.ignore("the observation does not tell the relation");
            }
            Relation::Refuted => {
                // The report leaves the cases that it was part of.
                let (from, weighed) = (before.counts_from(), self.weighs_anywhere(&before));
                self.replace(prefix, CountedReport { known_at: before.known_at, ..after }, turn);
                if weighed {
                    self.review_relay(prefix, &[from], turn);
                }
            }
            Relation::Confirmed | Relation::Claimed | Relation::NotAsked => {
                self.count_late(prefix, &before, after, evidence, turn)
            }
        }
    }

    /// Counts a report whose relation became known after it was counted, and judges the relay.
    fn count_late(
        &mut self,
        prefix: Prefix,
        before: &CountedReport,
        after: CountedReport,
        evidence: &Evidence,
        turn: &mut EntryContext<'_>,
    ) {
        let trap = match self.admissible(evidence) {
            Ok(admitted) => admitted.key,
            Err(why) => return turn.ignore(why),
        };
        if self.is_used(prefix, before) {
            return turn.ignore("a listing used the report already");
        }
        if self.weighs_anywhere(&after) && self.sighted(trap, evidence, after.injector, turn) {
            return turn.ignore(TRAP_BURNED);
        }
        self.replace(prefix, after, turn);
        turn.change(ListChange::Counted { relay: evidence.relay });
        self.judge_everywhere(prefix, evidence.facts.counted_kind(), turn);
    }

    fn replace(&mut self, prefix: Prefix, mark: CountedReport, turn: &mut EntryContext<'_>) {
        if let Some(ledger) = self.state.ledgers.get_mut(&prefix) {
            ledger.replace(mark);
            turn.changes.relays.insert(prefix);
        }
    }

    /// Whether a report has any weight under the policy of any published zone.
    fn weighs_anywhere(&self, mark: &CountedReport) -> bool {
        self.zones.values().any(|zone| weighs(mark, &zone.config.policy.weights))
    }

    /// Whether a listing stands or stood on a report. A report of unknown relation has weight only
    /// under a policy that gives it some.
    fn is_used(&self, prefix: Prefix, mark: &CountedReport) -> bool {
        let (from, weighed) = (mark.counts_from(), self.weighs_anywhere(mark));
        let names = |grounds: &ListingGrounds| grounds.evidence.contains(&mark.offset);
        let zones = self.state.zones.values();
        zones.flat_map(|zone| records_of(&zone.records, prefix)).any(|(_, record)| {
            let past = record.past.iter().map(|past| &past.grounds);
            let mut grounds = record.current.iter().map(|listing| &listing.grounds).chain(past);
            (weighed && from <= record.floor) || grounds.any(names)
        })
    }
}
