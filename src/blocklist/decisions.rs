//! Directives: how the decisions of operators and donors take effect.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::judging::GuardCheck;
use super::{
    Blocklist, DerivedZone, EntryContext, Exemption, ListChange, ListingChange, NOTES_MAX, PublicNote,
    WantedMail, is_judged, serial,
};
use crate::evidence::{EvidenceSource, GivenTrap, Order};
use crate::listing::{ListingEnd, ListingGrounds};
use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};
use crate::trap::{DONOR_RELAYS_MAX, DONORS_MAX, Donor, DonorTerms, HASHING_DONORS_MAX, Trap, TrapKey};
use crate::zone;

/// The maximum time until an exemption must be reviewed, and the maximum duration of a listing by
/// decision.
const DECISION_MAX: Span = Span::from_days(366);
/// The shortest IPv4 prefix that may be exempted. An exemption of a wider network would switch the
/// list off by mistake.
const EXEMPT_IPV4_LENGTH_MIN: u8 = 8;
/// The shortest IPv6 prefix that may be exempted.
const EXEMPT_IPV6_LENGTH_MIN: u8 = 19;

impl Blocklist {
    /// Applies a directive.
    pub(super) fn directive(&mut self, order: &Order, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        match order {
            Order::AddDonor { donor } => {
                self.state.donors.insert(donor.clone());
                self.note(turn, "add-donor", "", donor.to_string());
                turn.change(ListChange::Traps);
            }
            Order::AddTrap { key, scope, domain, donor, silent_since } => {
                self.state.donors.insert(donor.clone());
                let silent_since = silent_since.map_or(now, |since| since.min(now));
                let (domain, donor) = (*domain, donor.clone());
                let (scope, retired, barred) = (*scope, None, false);
                let trap = Trap { scope, domain, donor, since: now, retired, silent_since, barred };
                self.state.traps.insert(*key, trap);
                turn.change(ListChange::Traps);
            }
            Order::SetDonor { donor, terms } => self.set_donor(donor, terms, turn),
            Order::AddTraps { donor, traps } => self.add_traps(donor, traps, turn),
            Order::RetireTraps { donor, keys } => self.retire_traps(donor, keys, turn),
            Order::RetireTrap { key } => {
                if self.state.traps.retire(*key, now, true) {
                    self.drop_pending(|pending| pending.trap == *key);
                    turn.change(ListChange::Traps);
                } else {
                    turn.ignore("no active trap has that key");
                }
            }
            Order::Remove { relay } => self.remove(*relay, turn),
            Order::AdoptZone { origin, text } => self.adopt(origin, text, turn),
            Order::WithdrawZone { origin } => self.withdraw(origin, turn),
            Order::Exempt { prefix, review_by } => self.exempt(*prefix, *review_by, turn),
            Order::EndExemption { prefix } => {
                if self.state.exemptions.remove(prefix).is_some() {
                    self.note(turn, "end-exemption", "", prefix.to_string());
                    turn.change(ListChange::Decided);
                } else {
                    turn.ignore("the prefix is not exempt");
                }
            }
            Order::List { origin, prefix, code, until } => {
                self.list(origin, *prefix, *code, *until, turn);
            }
            Order::Void { source, since } => self.void(source, *since, turn),
            Order::Freeze => {
                self.state.frozen = true;
                self.note(turn, "freeze", "", String::new());
                turn.change(ListChange::Decided);
            }
            Order::Release => self.release(turn),
            Order::ShutDown { origin } => self.set_shut_down(origin, true, turn),
            Order::Reopen { origin } => self.set_shut_down(origin, false, turn),
            Order::CountGoodMail { relay, donor, messages } => {
                self.count_good_mail(*relay, donor, *messages, turn);
            }
        }
    }

    fn set_donor(&mut self, donor: &Donor, terms: &DonorTerms, turn: &mut EntryContext<'_>) {
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
    fn add_traps(&mut self, donor: &Donor, given: &[GivenTrap], turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let terms = self.state.terms.get(donor).cloned().unwrap_or_default();
        if terms.suspended {
            return turn.ignore("the donor is suspended");
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

    fn retire_traps(&mut self, donor: &Donor, keys: &[TrapKey], turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let gone: BTreeSet<TrapKey> =
            keys.iter().copied().filter(|key| self.state.traps.withdraw(*key, donor, now)).collect();
        self.drop_pending(|pending| pending.donor == *donor && gone.contains(&pending.trap));
        turn.change(ListChange::Traps);
    }

    /// Removes a relay from every zone, and an IPv6 /64 around it that is listed by decision.
    /// Evidence that was recorded before, or that waits for its observation, no longer counts.
    fn remove(&mut self, relay: Relay, turn: &mut EntryContext<'_>) {
        let (host, now, offset) = (Prefix::host(relay), self.state.time, self.state.offset);
        self.drop_pending(|pending| pending.evidence.relay == relay);
        if let Some(ledger) = self.state.ledgers.get_mut(&host) {
            ledger.forgive(offset);
        }
        let before = turn.changes.list.len();
        for prefix in BTreeSet::from([host, relay.line()]) {
            self.unhold(prefix);
            for (origin, code) in self.recorded(prefix) {
                self.change_record(&origin, prefix, code, turn, |record| {
                    record.remove(now, offset).map(|_| ListingChange::Ended(ListingEnd::Removed))
                });
            }
            turn.changes.relays.insert(prefix);
        }
        if turn.changes.list.len() == before {
            // The relay was not listed, but evidence recorded before no longer counts.
            self.note(turn, "forgiven", "", host.to_string());
            turn.change(ListChange::Decided);
        }
    }

    /// Drops the held listings in a prefix.
    fn unhold(&mut self, prefix: Prefix) {
        for zone in self.state.zones.values_mut() {
            zone.guard.held.retain(|(held, _)| !prefix.overlaps(*held));
        }
    }

    fn adopt(&mut self, origin: &str, text: &str, turn: &mut EntryContext<'_>) {
        let Ok(config) = zone::read(origin, text) else {
            return turn.ignore("this program cannot read the zone's file");
        };
        if config.apex.origin.to_string() != origin {
            return turn.ignore("the zone's file has another origin");
        }
        let (now, changed) = (self.state.time, self.state.offset);
        // Secondaries remember the serial of a zone that was withdrawn, so it counts too.
        let before = self
            .state
            .zones
            .get(origin)
            .and_then(|state| Some((state, zone::read(origin, &state.text).ok()?)));
        if let Some((state, known)) = before {
            let published = serial(known.serial_base, state.changed);
            let ahead = serial(config.serial_base, changed).wrapping_sub(published);
            // Secondaries would treat the zone as older (RFC 1982 §3.2).
            if ahead == 0 || ahead > i32::MAX as u32 {
                return turn.ignore("the serial would go backwards; raise serial_base");
            }
        }
        let state = self.state.zones.entry(origin.to_owned()).or_default();
        text.clone_into(&mut state.text);
        state.changed = changed;
        state.published = true;
        // Listings end if the code no longer exists or the address may no longer be listed. The
        // records are kept, so that evidence before their floor does not count again.
        let lost: Vec<(Prefix, u8)> = state
            .records
            .keys()
            .filter(|(prefix, code)| {
                let judged = config.codes.iter().any(|of| of.value == *code && is_judged(&of.basis));
                !judged || config.listable.permits(prefix.network()).is_err()
            })
            .copied()
            .collect();
        turn.changes.relays.extend(state.records.keys().map(|(prefix, _)| *prefix));
        let digest = config.digest.to_string();
        self.zones.insert(origin.to_owned(), DerivedZone::of(state, Arc::new(config)));
        for (prefix, code) in lost {
            self.change_record(origin, prefix, code, turn, |record| {
                record.end(now, ListingEnd::Withdrawn).map(|_| ListingChange::Ended(ListingEnd::Withdrawn))
            });
        }
        self.note(turn, "adopt-zone", origin, digest);
        turn.change(ListChange::Zone { origin: origin.to_owned() });
    }

    /// Stops publishing a zone and ends its listings. Its records are kept.
    fn withdraw(&mut self, origin: &str, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let Some(state) = self.state.zones.get(origin).filter(|state| state.published) else {
            return turn.ignore("no such zone is published");
        };
        let listed: Vec<(Prefix, u8)> = state.records.keys().copied().collect();
        for (prefix, code) in listed {
            self.change_record(origin, prefix, code, turn, |record| {
                record.end(now, ListingEnd::Withdrawn).map(|_| ListingChange::Ended(ListingEnd::Withdrawn))
            });
        }
        if let Some(state) = self.state.zones.get_mut(origin) {
            state.published = false;
            state.guard.held.clear();
        }
        self.zones.remove(origin);
        self.note(turn, "withdraw-zone", origin, String::new());
        turn.change(ListChange::Zone { origin: origin.to_owned() });
    }

    fn exempt(&mut self, prefix: Prefix, review_by: Timestamp, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let least = if prefix.network().is_ipv4() { EXEMPT_IPV4_LENGTH_MIN } else { EXEMPT_IPV6_LENGTH_MIN };
        if prefix.length() < least {
            return turn.ignore("the network is too wide to be exempted");
        }
        if review_by <= now || review_by > now.plus(DECISION_MAX) {
            return turn.ignore("the review date must be within a year from now");
        }
        let (by, why) = (turn.by.to_owned(), turn.why.to_owned());
        self.state.exemptions.insert(prefix, Exemption { since: now, review_by, by, why });
        self.drop_pending(|pending| prefix.overlaps(Prefix::host(pending.evidence.relay)));
        let listed: Vec<(String, Prefix, u8)> = self
            .state
            .zones
            .iter()
            .flat_map(|(origin, zone)| {
                let within = zone.records.keys().filter(|(relay, _)| prefix.overlaps(*relay));
                within.map(|(relay, code)| (origin.clone(), *relay, *code)).collect::<Vec<_>>()
            })
            .collect();
        self.note(turn, "exempt", "", prefix.to_string());
        turn.change(ListChange::Decided);
        self.unhold(prefix);
        for (origin, relay, code) in listed {
            self.change_record(&origin, relay, code, turn, |record| {
                record.end(now, ListingEnd::Exempted).map(|_| ListingChange::Ended(ListingEnd::Exempted))
            });
        }
    }

    fn list(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        until: Timestamp,
        turn: &mut EntryContext<'_>,
    ) {
        let (now, offset) = (self.state.time, self.state.offset);
        let Some(config) = self.zones.get(origin).map(|zone| Arc::clone(&zone.config)) else {
            return turn.ignore("no such zone is published");
        };
        if config.quorum(code).is_none() {
            return turn.ignore("the zone has no such code for listings");
        }
        let relay = Relay::new(prefix.network());
        if prefix != Prefix::host(relay) && prefix != relay.line() {
            return turn.ignore("only an address, or an IPv6 /64, can be listed");
        }
        if config.listable.permits(prefix.network()).is_err() {
            return turn.ignore("the address is special-purpose and never listed (RFC 6471 §3.5)");
        }
        if self.state.frozen || self.is_exempt(prefix) {
            return turn.ignore("the list is frozen, or the address is exempt");
        }
        if until <= now || until > now.plus(DECISION_MAX) {
            return turn.ignore("the end must be within a year from now");
        }
        let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&(prefix, code)));
        if record.is_some_and(|record| record.current.is_some() && !record.is_decided()) {
            return turn.ignore("the address is already listed because of evidence");
        }
        self.change_record(origin, prefix, code, turn, |record| {
            let was_listed = record.current.is_some();
            record.decide(prefix, ListingGrounds::decision(offset, now), until, config.digest, &config.terms);
            Some(if was_listed { ListingChange::Extended } else { ListingChange::Listed })
        });
    }

    /// Voids the evidence of a source since a given time, and publishes a note about it (RFC 6471
    /// §3.9).
    fn void(&mut self, source: &EvidenceSource, since: Timestamp, turn: &mut EntryContext<'_>) {
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

    fn release(&mut self, turn: &mut EntryContext<'_>) {
        self.state.frozen = false;
        self.note(turn, "release", "", String::new());
        turn.change(ListChange::Decided);
        let origins: Vec<String> = self.zones.keys().cloned().collect();
        for origin in origins {
            let Some(zone) = self.state.zones.get_mut(&origin) else { continue };
            for (prefix, code) in std::mem::take(&mut zone.guard.held) {
                self.judge_code(&origin, prefix, code, GuardCheck::Released, turn);
            }
        }
    }

    fn set_shut_down(&mut self, origin: &str, shut_down: bool, turn: &mut EntryContext<'_>) {
        let offset = self.state.offset;
        match self.state.zones.get_mut(origin).filter(|zone| zone.published) {
            Some(zone) if zone.shut_down != shut_down => {
                zone.shut_down = shut_down;
                zone.changed = offset;
                self.note(turn, if shut_down { "shut-down" } else { "reopen" }, origin, String::new());
                turn.change(ListChange::Zone { origin: origin.to_owned() });
            }
            Some(_) => turn.ignore("the zone is already in that state"),
            None => turn.ignore("no such zone is published"),
        }
    }

    fn count_good_mail(&mut self, relay: Relay, donor: &Donor, messages: u64, turn: &mut EntryContext<'_>) {
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
