//! Evidence, from its arrival until it is counted.

use minicbor::{Decode, Encode};

use super::{Blocklist, Change, Derived, Turn};
use crate::digest::Digest;
use crate::evidence::{Evidence, Observation, Offset, Sent, Way};
use crate::relay::{Network, Prefix, Relay};
use crate::score::{Added, Mark, MarkSource, weighs};
use crate::time::{Span, Timestamp};
use crate::trap::{Donor, DonorTerms, Scope, TrapKey};

/// How far before the fold's time evidence may say that it was seen: a trap node may have been cut off for a while.
///
/// Evidence from further back counts as seen now: a clock that is wrong must not make a burst look like a pattern of days,
/// so this is less than the span that any case needs.
const EVIDENCE_LAG_MAX: Span = Span::from_hours(12);
/// Most relays whose evidence is kept. One that doesn't fit is not listed, which is the safe side to fail on.
const LEDGERS_MAX: usize = 4_000_000;
/// Of all of these, the part up to which a relay is kept against which nothing counts.
const IDLE_SHARE: usize = 4;
/// Most of them in one IPv6 /64, and in one /48.
const LINE_LEDGERS_MAX: usize = 64;
const SITE_LEDGERS_MAX: usize = 1_024;
/// Most evidence that waits for its observation; beyond it, evidence counts without one, which adds nothing to it.
const PENDING_MAX: usize = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Pending {
    #[n(0)]
    pub(super) deadline: Timestamp,
    #[n(1)]
    pub(super) offset: Offset,
    #[n(2)]
    pub(super) seen_at: Timestamp,
    #[n(3)]
    pub(super) evidence: Box<Evidence>,
    /// The key that the trap was registered by, and who gave it.
    #[n(4)]
    pub(super) trap: TrapKey,
    #[n(5)]
    pub(super) donor: Donor,
}

/// Who sends mail in a trap's name, as far as it tells whether one hand alone knows the trap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Sighting {
    /// Short: a second one is enough.
    #[n(0)]
    networks: Vec<Network>,
    /// The relays that reported, as far as they are needed.
    #[n(1)]
    relays: Vec<Relay>,
    #[n(2)]
    pub(super) last: Timestamp,
}

const SIGHTING_NETWORKS_MAX: usize = 2;

impl Blocklist {
    pub(super) fn evidence(&mut self, evidence: &Evidence, turn: &mut Turn<'_>) {
        let now = self.state.time;
        let plausible = evidence.seen_at >= now.minus(EVIDENCE_LAG_MAX) && evidence.seen_at <= now;
        let seen_at = if plausible { evidence.seen_at } else { now };
        if let Some(donor) = &evidence.forwarded_by {
            let most = self
                .state
                .terms
                .get(donor)
                .map_or_else(|| DonorTerms::default().reports_per_day_max, |terms| terms.reports_per_day_max);
            let contribution = self.state.contributions.entry(donor.clone()).or_default();
            if contribution.forwarded_on(now) >= most {
                return turn.ignore("the donor's quota of reports for the day is used up");
            }
            contribution.forward(now);
        }
        let (trap, donor) = match self.admissible(evidence) {
            Ok(found) => found,
            Err(why) => return turn.ignore(why),
        };
        let wait = if kind_is_asked_about(evidence) {
            self.zones.values().map(|zone| zone.config.policy.observation_wait).max().unwrap_or_default()
        } else {
            Span::ZERO
        };
        let (offset, deadline) = (self.state.offset, now.plus(wait));
        let evidence = Box::new(evidence.clone());
        let pending = Pending { deadline, offset, seen_at, evidence, trap, donor };
        if wait == Span::ZERO || self.state.pending.len() >= PENDING_MAX {
            self.count(&pending, None, turn);
        } else {
            let id = pending.evidence.id;
            self.deadlines.insert((deadline, offset, id));
            if let Some(known) = self.state.pending.insert(id, pending) {
                self.deadlines.remove(&(known.deadline, known.offset, id));
            }
        }
    }

    pub(super) fn observation(&mut self, observation: &Observation, turn: &mut Turn<'_>) {
        match self.state.pending.remove(&observation.evidence) {
            Some(pending) => {
                self.deadlines.remove(&(pending.deadline, pending.offset, observation.evidence));
                self.count(&pending, Some(observation), turn);
            }
            None => turn.ignore("no evidence waits for this observation"),
        }
    }

    /// Counts what has waited long enough, as something of which nothing is known.
    pub(super) fn end_waits(&mut self, now: Timestamp, turn: &mut Turn<'_>) {
        let mut ready: Vec<(Offset, Digest)> = Vec::new();
        while let Some(&(deadline, offset, id)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            ready.push((offset, id));
        }
        ready.sort_unstable();
        for (_, id) in ready {
            if let Some(pending) = self.state.pending.remove(&id) {
                self.count(&pending, None, turn);
            }
        }
    }

    /// Lets evidence wait no longer.
    pub(super) fn drop_pending(&mut self, dropped: impl Fn(&Pending) -> bool) {
        let deadlines = &mut self.deadlines;
        self.state.pending.retain(|id, pending| {
            let gone = dropped(pending);
            if gone {
                deadlines.remove(&(pending.deadline, pending.offset, *id));
            }
            !gone
        });
    }

    /// Counts evidence against its relay and judges the relay anew.
    fn count(&mut self, pending: &Pending, observation: Option<&Observation>, turn: &mut Turn<'_>) {
        let evidence = &pending.evidence;
        let prefix = Prefix::host(evidence.relay);
        let injector = self.injector(evidence, observation);
        let discount = self.state.terms.get(&pending.donor).map_or(0, DonorTerms::discount);
        // A trap may stand for domains below its own; what a hash stands for, its donor alone knows.
        let above = self.state.traps.get(pending.trap).filter(|trap| trap.scope == Scope::Subdomains);
        let source = MarkSource {
            trap: pending.trap,
            domain: above.map_or(evidence.trap_domain, |trap| trap.domain),
            donor: pending.donor.short(),
            discount,
        };
        let mark = Mark::of(evidence, observation, injector, source, pending.seen_at, pending.offset);
        if self.state.ledgers.get(&prefix).is_some_and(|ledger| ledger.knows(mark.report)) {
            return turn.ignore("the same report was counted before");
        }
        let counts = self.zones.values().any(|zone| weighs(&mark, &zone.config.policy.weights));
        // What nobody answers for tells nothing of who knows a trap.
        if counts && self.sighted(pending, injector, turn) {
            return turn.ignore("the trap is known to one injector alone");
        }
        if !self.has_room(evidence.relay, counts) {
            return turn.ignore("too many relays are known; no further one is until the horizon has passed");
        }
        let zones = &self.zones;
        let by_any = |mark: &Mark| zones.values().any(|zone| weighs(mark, &zone.config.policy.weights));
        let added = self.state.ledgers.entry(prefix).or_default().add(mark, by_any);
        turn.changes.relays.insert(prefix);
        turn.change(Change::Counted { relay: evidence.relay });
        let now = self.state.time;
        let contribution = self.state.contributions.entry(pending.donor.clone()).or_default();
        contribution.counted += 1;
        contribution.last = now;
        if added == Added::Counted {
            let origins: Vec<String> = self.zones.keys().cloned().collect();
            for origin in origins {
                self.judge(&origin, prefix, evidence.facts.kind, turn);
            }
        }
    }

    /// Whether evidence against the relay can be kept: neither many addresses of one network, nor relays against which nothing
    /// counts, may crowd out everybody else.
    fn has_room(&self, relay: Relay, counts: bool) -> bool {
        let ledgers = &self.state.ledgers;
        if ledgers.contains_key(&Prefix::host(relay)) {
            return true;
        }
        let room_around = |length: u8, most: usize| {
            let around = Prefix::around(relay.address(), length);
            let known = ledgers
                .range(Prefix::lowest(around.network())..)
                .take_while(|(prefix, _)| around.contains(prefix.network()));
            known.take(most).count() < most
        };
        // What counts for nothing has a share of the room, and no more.
        let share = if counts { 1 } else { IDLE_SHARE };
        ledgers.len() < LEDGERS_MAX / share
            && (relay.address().is_ipv4()
                || room_around(64, LINE_LEDGERS_MAX / share) && room_around(48, SITE_LEDGERS_MAX / share))
    }

    /// Whether evidence may count at all; the trap it came to, and its donor.
    fn admissible(&self, evidence: &Evidence) -> Result<(TrapKey, Donor), &'static str> {
        let kind = evidence.facts.kind;
        let scores = |zone: &Derived| zone.config.codes.iter().any(|code| code.basis.judges(kind).is_some());
        let relay = evidence.relay.address();
        let Some((key, trap)) = self.state.traps.find(evidence.trap, evidence.trap_domain, &evidence.wider)
        else {
            return Err("the recipient is no trap");
        };
        let donor = &trap.donor;
        if self.state.terms.get(donor).is_some_and(|terms| terms.suspended) {
            return Err("the donor is suspended");
        }
        // Else the evidence would stand to somebody else's account than the trap.
        if evidence.forwarded_by.as_ref().is_some_and(|by| by != donor) {
            return Err("it was handed on by somebody else than gave the trap");
        }
        let age = self.zones.values().map(|zone| zone.config.policy.trap_age).max().unwrap_or_default();
        if evidence.facts.solicited {
            Err("a tag of ours says that the mail was sent")
        } else if trap.silent_since.plus(age) > self.state.time {
            Err("the trap has not been silent for long enough")
        } else if !self.zones.values().any(scores) {
            Err("no zone has a code for this kind")
        } else if kind.comes_from_the_null_reverse_path() && evidence.reverse_path != Sent::FromNull {
            Err("a report must come from the null reverse-path (RFC 3464 §2)")
        } else if evidence.recipients > 1 {
            Err("a report has one recipient (RFC 3464 §2)")
        } else if !self.zones.values().any(|zone| zone.config.listable.permits(relay).is_ok()) {
            Err("the relay's address is special-purpose and never listed (RFC 6471 §3.5)")
        } else if self.is_exempt(Prefix::host(evidence.relay)) {
            Err("the operator exempted the relay")
        } else {
            Ok((key, donor.clone()))
        }
    }

    /// The network that is counted for the injector; none where it is the relay itself or an address that says nothing
    /// about who is behind it.
    fn injector(&self, evidence: &Evidence, observation: Option<&Observation>) -> Option<Network> {
        let injector = evidence.facts.injector.map(Relay::new)?;
        let public = self.zones.values().any(|zone| zone.config.listable.permits(injector.address()).is_ok());
        let system = observation.and_then(|seen| seen.injector_network).map(Network::System);
        (public && injector != evidence.relay).then(|| system.unwrap_or_else(|| injector.network()))
    }

    /// Remembers who knows a trap; whether it is burned: many relays were made to report to it, all by one injector
    /// (PITFALLS 3). What it brought before goes then.
    fn sighted(&mut self, pending: &Pending, injector: Option<Network>, turn: &mut Turn<'_>) -> bool {
        let relays_max = self.zones.values().map(|zone| zone.config.policy.burned_after_relays).min();
        let Some(relays_max) = relays_max else { return false };
        // What is handed on can be made up: it neither burns a trap nor takes that back.
        let told = injector.filter(|_| pending.evidence.way == Way::Direct);
        let Some(injector) = told else {
            // It tells nobody more, and counts no more than the rest.
            let known = self.state.sightings.get(&pending.trap);
            return known.is_some_and(|sighting| sighting.is_burned(relays_max));
        };
        let (now, relay) = (self.state.time, pending.evidence.relay);
        let sighting = self.state.sightings.entry(pending.trap).or_default();
        let was_burned = sighting.is_burned(relays_max);
        sighting.last = now;
        if !sighting.networks.contains(&injector) && sighting.networks.len() < SIGHTING_NETWORKS_MAX {
            sighting.networks.push(injector);
        }
        if !sighting.relays.contains(&relay) && sighting.relays.len() < relays_max {
            sighting.relays.push(relay);
        }
        let burned = sighting.is_burned(relays_max);
        if burned && !was_burned {
            let key = pending.trap;
            turn.change(Change::Burned);
            self.strike(|mark| mark.came_to(key), turn);
        }
        burned
    }
}

/// A session without a message names nobody whose DNS could be asked.
fn kind_is_asked_about(evidence: &Evidence) -> bool {
    !evidence.facts.kind.is_without_message()
}

impl Sighting {
    fn is_burned(&self, relays_max: usize) -> bool {
        self.relays.len() >= relays_max && self.networks.len() < SIGHTING_NETWORKS_MAX
    }
}
