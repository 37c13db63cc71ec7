//! Judging: whether the ledger of a relay satisfies the rules for a listing.

use std::sync::Arc;

use super::Blocklist;
use super::changes::{EntryContext, RecordChange};
use super::holds::ListingHold;
use crate::classify::Kind;
use crate::evidence::Offset;
use crate::listing::{ListingEnd, ListingGrounds, ListingRecord};
use crate::relay::Prefix;
use crate::score::{Case, CaseWindow, CountedReport, Ledger, is_made};

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
        // A listing by decision is not changed by evidence. The evidence counts after the listing
        // ends.
        if record.is_some_and(ListingRecord::is_decided) {
            return self.await_no_answer(origin, prefix, code);
        }
        let is_new = record.is_none_or(|record| record.current.is_none());
        let hold = pass.held().or_else(|| zone.guard.held.get(prefix, code));
        let window = self.case_window(origin, prefix, code, kinds);
        let policy = &config.policy;
        // A hold must not wear out the answers that the listing stands on.
        let verified = self.needed_answers(&config, prefix, code, hold.map_or(now, |hold| hold.at));
        let vetoes = verified.as_ref().map(|_| self.vetoes(prefix, policy.horizon)).unwrap_or_default();
        let case = Case::open(ledger, &window, policy).only(|mark| !vetoes.contains(&mark.domain));
        if !is_made(&case, quorum)
            || config.listable.permits(prefix.network()).is_err()
            || self.is_exempt(prefix)
        {
            return self.await_no_answer(origin, prefix, code);
        }
        let case = case.only(|mark| verified.as_ref().is_none_or(|verified| verified.permits(mark)));
        let case = case.without_lone_claims(quorum.claimed_domains);
        if !is_made(&case, quorum) {
            return self.await_answer(origin, prefix, code, turn);
        }
        let verified = verified.map(|verified| verified.of_case(&case));
        let grounds = ListingGrounds::of(&case, window.after, offset, now, verified);
        self.await_no_answer(origin, prefix, code);
        if is_new && pass.is_guarded() && self.holds(origin, prefix, code, turn) {
            return;
        }
        self.change_record(origin, prefix, code, turn, |record| {
            record.complete(prefix, grounds, config.digest, &config.terms);
            Some(if is_new { RecordChange::Listed } else { RecordChange::Extended })
        });
    }

    /// The window of a relay's next case under a code.
    pub(super) fn case_window<'k>(
        &self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        kinds: &'k [Kind],
    ) -> CaseWindow<'k> {
        let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&(prefix, code)));
        let forgiven = self.state.ledgers.get(&prefix).map_or(Offset::START, Ledger::forgiven);
        CaseWindow {
            kinds,
            after: record.map_or(Offset::START, |record| record.floor).max(forgiven),
            until: self.state.offset,
            now: self.state.time,
            good_messages: self.good_messages(prefix),
        }
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
    /// rules, and drops past listings likewise. Returns whether a published listing ended.
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
            untouched || {
                let case = Case::open(ledger, &grounds.window(kinds), &config.policy);
                let case = case.only(|mark| grounds.permits(mark));
                is_made(&case.without_lone_claims(quorum.claimed_domains), quorum)
            }
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
        let was_public = record.published.is_some();
        let now = self.state.time;
        self.change_record(origin, prefix, code, turn, |record| {
            record.end(now, ListingEnd::Voided).map(|_| RecordChange::Ended(ListingEnd::Voided))
        });
        was_public
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
    /// The guards apply to a listing that was held until now.
    LetIn(ListingHold),
    /// The operator released the held listing.
    Released(ListingHold),
}

impl GuardCheck {
    const fn is_guarded(self) -> bool {
        matches!(self, GuardCheck::Guarded | GuardCheck::LetIn(_))
    }

    /// How the listing was held until now.
    const fn held(self) -> Option<ListingHold> {
        match self {
            GuardCheck::Guarded => None,
            GuardCheck::LetIn(hold) | GuardCheck::Released(hold) => Some(hold),
        }
    }
}
