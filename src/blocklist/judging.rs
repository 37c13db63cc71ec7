//! Judging: whether the ledger of a relay satisfies the rules for a listing.

use std::sync::Arc;

use super::Blocklist;
use super::changes::{EntryContext, ListChange};
use super::records::RecordChange;
use crate::classify::Kind;
use crate::evidence::Offset;
use crate::listing::{ListingEnd, ListingGrounds, ListingRecord};
use crate::relay::Prefix;
use crate::score::{Case, CaseWindow, CountedReport, is_made};

impl Blocklist {
    /// Judges the relay under the code for a kind of report. Lists it or extends its listing if
    /// every rule is satisfied.
    pub(super) fn judge(&mut self, origin: &str, prefix: Prefix, kind: Kind, turn: &mut EntryContext<'_>) {
        let Some(config) = self.zones.get(origin).map(|zone| Arc::clone(&zone.config)) else { return };
        let judged = |code: &&crate::listing::ReturnCode| code.basis.judges(kind).is_some();
        if let Some(code) = config.codes.iter().find(judged).map(|code| code.value) {
            self.judge_code(origin, prefix, code, GuardCheck::Guarded, turn);
        }
    }

    /// Judges the relay under one code. `pass` decides whether the guards apply.
    pub(super) fn judge_code(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        pass: GuardCheck,
        turn: &mut EntryContext<'_>,
    ) {
        let (offset, now) = (self.state.offset, self.state.time);
        let Some(config) = self.zones.get(origin).map(|zone| Arc::clone(&zone.config)) else { return };
        let Some((kinds, quorum)) = config.quorum(code) else { return };
        let Some(ledger) = self.state.ledgers.get(&prefix) else { return };
        let Some(zone) = self.state.zones.get(origin) else { return };
        let record = zone.records.get(&(prefix, code));
        let after = record.map_or(Offset::START, |record| record.floor).max(ledger.forgiven());
        // A listing by decision is not changed by evidence. The evidence counts after the listing
        // ends.
        if record.is_some_and(ListingRecord::is_decided) {
            return;
        }
        let is_new = record.is_none_or(|record| record.current.is_none());
        let good_messages = self.good_messages(prefix);
        let window = CaseWindow { kinds, after, until: offset, now, good_messages };
        let case = Case::open(ledger, &window, &config.policy);
        if !is_made(&case, quorum)
            || config.listable.permits(prefix.network()).is_err()
            || self.is_exempt(prefix)
        {
            return;
        }
        let grounds = ListingGrounds::of(&case, after, offset, now);
        if is_new && pass == GuardCheck::Guarded && self.holds(origin, prefix, code, turn) {
            return;
        }
        self.change_record(origin, prefix, code, turn, |record| {
            record.complete(prefix, grounds, config.digest, &config.terms);
            Some(if is_new { RecordChange::Listed } else { RecordChange::Extended })
        });
    }

    /// Whether a freeze or a guard holds a new listing. If so, records it as held.
    fn holds(&mut self, origin: &str, prefix: Prefix, code: u8, turn: &mut EntryContext<'_>) -> bool {
        let (now, frozen) = (self.state.time, self.state.frozen);
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get(origin)) else {
            return true;
        };
        if zone.guard.held.contains(&(prefix, code)) {
            return true;
        }
        if !frozen && zone.guard.admits(now, code, derived.entries.len(), &derived.config.guards) {
            return false;
        }
        zone.guard.held.insert((prefix, code));
        turn.change(ListChange::Held { origin: origin.to_owned(), relay: prefix, code });
        let why = if frozen { "the list is frozen" } else { "the limit on additions per hour is reached" };
        let mut record = self.record(turn, "held", why.to_owned());
        (record.zone, record.about, record.code) = (origin.to_owned(), prefix.to_string(), Some(code));
        turn.changes.audit.push(self.state.audit.link(record));
        true
    }

    /// Removes counted reports from every ledger, and ends every listing that does not satisfy the
    /// rules without them. Returns the number of listings that ended.
    pub(super) fn strike(
        &mut self,
        struck: impl Fn(&CountedReport) -> bool,
        turn: &mut EntryContext<'_>,
    ) -> usize {
        let mut touched = Vec::new();
        for (prefix, ledger) in &mut self.state.ledgers {
            let gone = ledger.strike(&struck);
            if !gone.is_empty() {
                touched.push((*prefix, gone));
            }
        }
        let mut ended = 0;
        for (prefix, gone) in touched {
            ended += self.review_relay(prefix, &gone, turn);
        }
        ended
    }

    /// Reviews all listings of one relay after reports that counted from the entries `gone` were
    /// removed. Returns the number of listings that ended.
    pub(super) fn review_relay(
        &mut self,
        prefix: Prefix,
        gone: &[Offset],
        turn: &mut EntryContext<'_>,
    ) -> usize {
        turn.changes.relays.insert(prefix);
        let mut ended = 0;
        for (origin, code) in self.recorded(prefix) {
            ended += usize::from(self.review(&origin, prefix, code, gone, turn));
        }
        ended
    }

    /// Reviews the listings of one relay under one code after reports that counted from the entries
    /// `gone` were removed.
    ///
    /// Ends the current listing if it was based on such an entry and the rest does not satisfy the
    /// rules, and drops past listings likewise. Returns whether the current listing ended.
    fn review(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        gone: &[Offset],
        turn: &mut EntryContext<'_>,
    ) -> bool {
        let Some(config) = self.zones.get(origin).map(|zone| Arc::clone(&zone.config)) else { return false };
        let Some((kinds, quorum)) = config.quorum(code) else { return false };
        let none = crate::score::Ledger::default();
        let ledger = self.state.ledgers.get(&prefix).unwrap_or(&none);
        let stands = |grounds: &ListingGrounds| {
            let untouched = !gone.iter().any(|&offset| grounds.after < offset && offset <= grounds.completed);
            untouched || is_made(&Case::open(ledger, &grounds.window(kinds), &config.policy), quorum)
        };
        let Some(record) =
            self.state.zones.get_mut(origin).and_then(|zone| zone.records.get_mut(&(prefix, code)))
        else {
            return false;
        };
        record.past.retain(|past| stands(&past.grounds));
        if record.current.as_ref().is_none_or(|listing| stands(&listing.grounds)) {
            return false;
        }
        let now = self.state.time;
        self.change_record(origin, prefix, code, turn, |record| {
            record.end(now, ListingEnd::Voided).map(|_| RecordChange::Ended(ListingEnd::Voided))
        });
        true
    }

    /// Whether an exemption covers any part of a prefix.
    pub(super) fn is_exempt(&self, prefix: Prefix) -> bool {
        self.state.exemptions.keys().any(|exempt| exempt.overlaps(prefix))
    }
}

/// Whether the guards apply to a new listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuardCheck {
    /// The guards apply.
    Guarded,
    /// The operator released the listing.
    Released,
}
