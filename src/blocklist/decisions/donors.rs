//! Decisions about donors, their traps and what they hand on.

use std::collections::BTreeSet;

use crate::blocklist::Blocklist;
use crate::blocklist::changes::{EntryContext, ListChange};
use crate::blocklist::state::{PublicNote, WantedMail};
use crate::digest::Digest;
use crate::evidence::{EvidenceSource, GivenTrap};
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;
use crate::trap::{DONOR_RELAYS_MAX, DONORS_MAX, Donor, DonorTerms, HASHING_DONORS_MAX, Trap, TrapKey};

/// The maximum number of public notes that are kept.
const NOTES_MAX: usize = 100;

fn donor_digest(donor: &Donor) -> Digest {
    Digest::of(donor.as_str().as_bytes())
}

impl Blocklist {
    /// Sets a donor's terms.
    pub(super) fn set_donor(&mut self, donor: &Donor, terms: &DonorTerms, turn: &mut EntryContext<'_>) {
        let state = &mut self.state;
        if !state.donors.contains(donor) && state.donors.len() >= DONORS_MAX {
            return turn.ignore("there are too many donors");
        }
        let shared = terms.token.is_some()
            && state.terms.iter().any(|(other, known)| other != donor && known.token == terms.token);
        if shared {
            return turn.ignore("another donor has that token");
        }
        let hashing =
            state.terms.iter().filter(|(other, known)| *other != donor && known.sends_hashes).count();
        if terms.sends_hashes && hashing >= HASHING_DONORS_MAX {
            return turn.ignore("too many donors send hashes");
        }
        if terms.relays.len() > DONOR_RELAYS_MAX {
            return turn.ignore("the donor has too many relays");
        }
        state.donors.insert(donor.clone());
        state.terms.insert(donor.clone(), terms.clone());
        if terms.suspended {
            self.drop_pending(|pending| pending.donor == *donor);
        }
        self.note(turn, "set-donor", "", donor.to_string());
        turn.change(ListChange::Traps);
    }

    /// Registers a donor's traps, also those that the donor withdrew earlier. If another donor's
    /// registration of a trap is active, or the operator barred it, both registrations are kept.
    pub(super) fn add_traps(&mut self, donor: &Donor, given: &[GivenTrap], turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let terms = self.state.terms.get(donor).cloned().unwrap_or_default();
        if terms.suspended {
            return turn.ignore("the donor is suspended");
        }
        // A list that a donor sent just before it left must not bring it back.
        if !self.state.donors.contains(donor) && self.departed(donor).is_some() {
            return turn.ignore("the donor left; set its terms first if it comes back");
        }
        self.state.donors.insert(donor.clone());
        let traps = &mut self.state.traps;
        for trap in given {
            // A donor that replaces its list adds the new traps before it withdraws the old ones,
            // and withdrawn traps are kept for a while, so the limits are multiples of `traps_max`.
            let count = traps.count_of(donor);
            if count.active >= terms.traps_max.saturating_mul(2)
                || count.all >= terms.traps_max.saturating_mul(4)
            {
                break;
            }
            if traps.is_given_by(trap.key, donor) {
                continue;
            }
            let GivenTrap { key, scope, domain, silent_since } = *trap;
            let silent_since = silent_since.map_or(now, |since| since.min(now));
            let (donor, retired, barred) = (donor.clone(), None, false);
            traps.claim(key, Trap { scope, domain, donor, since: now, retired, silent_since, barred });
        }
        turn.change(ListChange::Traps);
    }

    /// Withdraws traps of a donor. Evidence of them that waits no longer counts.
    pub(super) fn retire_traps(&mut self, donor: &Donor, keys: &[TrapKey], turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let gone: BTreeSet<TrapKey> =
            keys.iter().copied().filter(|key| self.state.traps.withdraw(*key, donor, now)).collect();
        self.drop_pending(|pending| pending.donor == *donor && gone.contains(&pending.trap));
        turn.change(ListChange::Traps);
    }

    /// Drops a donor with its traps, claims, terms and numbers, and the evidence that it brought. What
    /// it said about wanted mail stays for the horizon, because it protects relays.
    pub(super) fn dismiss_donor(&mut self, donor: &Donor, turn: &mut EntryContext<'_>) {
        if *donor == Donor::operator() {
            return turn.ignore("this donor is the operator, who cannot leave");
        }
        if !self.state.donors.remove(donor) {
            return turn.ignore("there is no such donor");
        }
        let (name, short) = (donor_digest(donor), donor.short());
        self.drop_pending(|pending| pending.donor == *donor);
        self.strike(|mark| mark.donor == short, turn);
        let state = &mut self.state;
        state.terms.remove(donor);
        state.contributions.remove(donor);
        for key in state.traps.dismiss(donor, &Donor::operator()) {
            state.sightings.remove(&key);
        }
        if state.departures.len() >= DONORS_MAX {
            let oldest = state.departures.iter().min_by_key(|(_, at)| **at).map(|(name, _)| *name);
            oldest.map(|oldest| state.departures.remove(&oldest));
        }
        state.departures.insert(name, state.time);
        self.note(turn, "dismiss-donor", "", donor.to_string());
        turn.change(ListChange::Traps);
    }

    /// When a donor of this name left for the last time.
    pub(in crate::blocklist) fn departed(&self, donor: &Donor) -> Option<Timestamp> {
        self.state.departures.get(&donor_digest(donor)).copied()
    }

    /// Voids the evidence of a source since a given time, and publishes a note about it (RFC 6471
    /// §3.9).
    pub(super) fn void(&mut self, source: &EvidenceSource, since: Timestamp, turn: &mut EntryContext<'_>) {
        let since = since.min(self.state.time);
        let (ended, what) = match source {
            EvidenceSource::Donor(donor) => {
                self.drop_pending(|pending| pending.donor == *donor && pending.seen_at >= since);
                let donor = donor.short();
                (self.strike(|mark| mark.donor == donor && mark.seen_at >= since, turn), "a donor")
            }
            EvidenceSource::Trap(key) => {
                let traps = self.state.traps.clone();
                self.drop_pending(|pending| {
                    let evidence = &pending.evidence;
                    let domain = traps.get(pending.trap).map(|trap| trap.domain);
                    let came_to =
                        [Some(evidence.trap), Some(evidence.trap_domain), Some(pending.trap), domain];
                    came_to.contains(&Some(*key)) && pending.seen_at >= since
                });
                (self.strike(|mark| mark.came_to(*key) && mark.seen_at >= since, turn), "a trap")
            }
        };
        // The source brings no further evidence until it is added again.
        let retired = match source {
            EvidenceSource::Donor(donor) => {
                // With its token, the donor could otherwise add the traps again.
                self.state.terms.entry(donor.clone()).or_default().suspended = true;
                self.state.traps.withdraw_all(donor, self.state.time)
            }
            EvidenceSource::Trap(key) => self.state.traps.bar(*key, self.state.time),
        };
        if retired > 0 {
            turn.change(ListChange::Traps);
        }
        let text = format!(
            "evidence from {what} since {since} is void; listings that ended because of this: {ended}; reason: {}",
            turn.why
        );
        if self.state.notes.len() >= NOTES_MAX {
            self.state.notes.remove(0);
        }
        self.state.notes.push(PublicNote { at: self.state.time, text });
        self.note(turn, "void", "", format!("{what} since {since}"));
        turn.change(ListChange::Decided);
    }

    /// Stores how many wanted messages a donor received from a relay.
    pub(super) fn count_good_mail(
        &mut self,
        relay: Relay,
        donor: &Donor,
        messages: u64,
        turn: &mut EntryContext<'_>,
    ) {
        let prefix = Prefix::host(relay);
        // Only relays with a ledger are counted, to limit the memory that a donor can use.
        if !self.state.ledgers.contains_key(&prefix) {
            return turn.ignore("the relay has no ledger");
        }
        let at = self.state.time;
        self.state.good_mail.insert((prefix, donor.short()), WantedMail { messages, at });
        turn.changes.relays.insert(prefix);
        turn.change(ListChange::Decided);
    }
}
