//! Counting: admission of evidence, the wait for its observation, and its addition to a ledger.

use super::Blocklist;
use super::changes::{EntryContext, ListChange};
use super::published::DerivedZone;
use super::standing::{is_evidence, objection};
use super::state::{PendingEvidence, Sighting};
use crate::classify::Kind;
use crate::digest::Digest;
use crate::evidence::{Channel, Evidence, Observation, Offset};
use crate::relay::{IPV6_LINK_BITS, IPV6_SITE_BITS, InjectorNetwork, Prefix, Relay};
use crate::score::{CountedReport, LedgerAddition, ReportSource, weighs};
use crate::time::{Span, Timestamp};
use crate::trap::{DISCOUNT_MAX, Donor, DonorTerms, Scope, Trap, TrapKey};

/// How far before the fold's time the time of receipt of evidence may lie. A trap node may have
/// been disconnected for a while.
///
/// Evidence with an earlier or a future time counts as received now. The limit is shorter than the
/// span that a case needs, so that a wrong clock cannot make a burst look like reports over days.
const EVIDENCE_LAG_MAX: Span = Span::from_hours(12);
/// The maximum number of ledgers. Evidence against further relays is dropped, so they are not
/// listed.
const LEDGERS_MAX: usize = 4_000_000;
/// The divisor of that limit, and of the following ones, for relays with no report that has weight.
const IDLE_SHARE: usize = 4;
/// The maximum number of ledgers in one IPv6 /64.
const LINE_LEDGERS_MAX: usize = 64;
/// The maximum number of ledgers in one IPv6 /48.
const SITE_LEDGERS_MAX: usize = 1_024;
/// The maximum amount of evidence that waits for its observation. Beyond it, evidence counts at
/// once, with unknown answers.
const PENDING_MAX: usize = 1_000_000;

/// Why a report to a burned trap has no effect.
pub(super) const TRAP_BURNED: &str = "the trap is burned: the forged mail comes from one network only";
/// The number of injector networks at which a trap is not burned.
const SIGHTING_NETWORKS_MAX: usize = 2;

impl Blocklist {
    /// Applies an evidence entry: checks it, and counts it or lets it wait for its observation.
    pub(super) fn evidence(&mut self, evidence: &Evidence, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let plausible = evidence.seen_at >= now.minus(EVIDENCE_LAG_MAX) && evidence.seen_at <= now;
        let seen_at = if plausible { evidence.seen_at } else { now };
        if let Some(donor) = &evidence.forwarded_by
            && let Err(why) = self.handed_on(evidence, donor)
        {
            return turn.ignore(why);
        }
        let AdmittedTrap { key: trap, donor, outranked } = match self.admissible(evidence) {
            Ok(admitted) => admitted,
            Err(why) => return turn.ignore(why),
        };
        let wait = if kind_is_asked_about(evidence) {
            self.zones.values().map(|zone| zone.config.policy.observation_wait).max().unwrap_or_default()
        } else {
            Span::ZERO
        };
        let (offset, deadline) = (self.state.offset, now.plus(wait));
        let evidence = Box::new(evidence.clone());
        let pending = PendingEvidence { deadline, offset, seen_at, evidence, trap, donor, outranked };
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

    /// Applies an observation: counts the evidence that waits for it, or gives evidence that was
    /// counted without it the relation that is now known.
    pub(super) fn observation(&mut self, observation: &Observation, turn: &mut EntryContext<'_>) {
        match (self.state.pending.remove(&observation.evidence), &observation.counted) {
            (Some(pending), _) => {
                self.deadlines.remove(&(pending.deadline, pending.offset, observation.evidence));
                self.count(&pending, Some(observation), turn);
            }
            (None, Some(evidence)) => self.observe_late(evidence, observation, turn),
            (None, None) => turn.ignore("no evidence waits for this observation"),
        }
    }

    /// Counts evidence whose deadline has passed, with unknown answers.
    pub(super) fn end_waits(&mut self, now: Timestamp, turn: &mut EntryContext<'_>) {
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

    /// Drops waiting evidence that `dropped` selects.
    pub(super) fn drop_pending(&mut self, dropped: impl Fn(&PendingEvidence) -> bool) {
        let deadlines = &mut self.deadlines;
        self.state.pending.retain(|id, pending| {
            let gone = dropped(pending);
            if gone {
                deadlines.remove(&(pending.deadline, pending.offset, *id));
            }
            !gone
        });
    }

    /// Adds evidence to the ledger of its relay, and judges the relay in every published zone.
    fn count(
        &mut self,
        pending: &PendingEvidence,
        observation: Option<&Observation>,
        turn: &mut EntryContext<'_>,
    ) {
        let evidence = &pending.evidence;
        let prefix = Prefix::host(evidence.relay);
        let injector = self.injector(evidence, observation);
        let discount = match self.state.terms.get(&pending.donor) {
            _ if pending.outranked => DISCOUNT_MAX,
            terms => terms.map_or(0, DonorTerms::discount),
        };
        // A trap may cover the subdomains of its domain, which then count as one trap domain. For a
        // hashed trap, only its donor knows the domain.
        let above = self.state.traps.get(pending.trap).filter(|trap| trap.scope == Scope::Subdomains);
        let source = ReportSource {
            trap: pending.trap,
            domain: above.map_or(evidence.trap_domain, |trap| trap.domain),
            donor: pending.donor.short(),
            discount,
        };
        let mark = CountedReport {
            known_at: Some(self.state.offset).filter(|&at| at > pending.offset).unwrap_or_default(),
            ..CountedReport::of(evidence, observation, injector, source, pending.seen_at, pending.offset)
        };
        if let Some(ledger) = self.state.ledgers.get_mut(&prefix).filter(|_| !mark.is_outranked()) {
            ledger.drop_outranked(mark.report);
        }
        if self.state.ledgers.get(&prefix).is_some_and(|ledger| ledger.knows(mark.report)) {
            return turn.ignore("the same report was counted before");
        }
        let counts = self.zones.values().any(|zone| weighs(&mark, &zone.config.policy.weights));
        // A report without weight does not show who knows the trap.
        if counts && self.sighted(pending.trap, evidence, injector, turn) {
            return turn.ignore(TRAP_BURNED);
        }
        if !self.has_room(evidence.relay, counts) {
            return turn.ignore("there are too many ledgers; evidence against a new relay is not kept");
        }
        let horizon = self.zones.values().map(|zone| zone.config.policy.horizon).max().unwrap_or_default();
        let (zones, vetoes) = (&self.zones, self.vetoes(prefix, horizon));
        // Reports that a veto excludes must not take the places of others.
        let by_any = |mark: &CountedReport| {
            let is_vetoed = vetoes.contains(&mark.domain);
            zones.values().any(|zone| {
                weighs(mark, &zone.config.policy.weights) && !(is_vetoed && verifies(zone, mark.kind))
            })
        };
        let ledger = self.state.ledgers.entry(prefix).or_default();
        observation.into_iter().for_each(|observation| ledger.locate(observation));
        let added = ledger.add(mark, by_any);
        turn.changes.relays.insert(prefix);
        turn.change(ListChange::Counted { relay: evidence.relay });
        let now = self.state.time;
        let contribution = self.state.contributions.entry(pending.donor.clone()).or_default();
        contribution.counted += 1;
        contribution.last = now;
        if added == LedgerAddition::Counted {
            self.judge_everywhere(prefix, evidence.facts.counted_kind(), turn);
        }
    }

    /// Judges a relay in every published zone, under the code for a kind of report.
    pub(super) fn judge_everywhere(&mut self, prefix: Prefix, kind: Kind, turn: &mut EntryContext<'_>) {
        let origins: Vec<String> = self.zones.keys().cloned().collect();
        for origin in origins {
            self.judge(&origin, prefix, kind, turn);
        }
    }

    /// Whether there is room for a ledger of the relay. `counts` is whether the report has weight.
    ///
    /// The limits per IPv6 network and for relays without weight prevent them from displacing
    /// others.
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
        // Relays without weight may use only a part of the room.
        let share = if counts { 1 } else { IDLE_SHARE };
        ledgers.len() < LEDGERS_MAX / share
            && (relay.address().is_ipv4()
                || room_around(IPV6_LINK_BITS, LINE_LEDGERS_MAX / share)
                    && room_around(IPV6_SITE_BITS, SITE_LEDGERS_MAX / share))
    }

    /// Counts what a donor handed on in the donor's own numbers. These depend on nothing but the
    /// donor's own messages and traps, because the donor sees them.
    fn handed_on(&mut self, evidence: &Evidence, donor: &Donor) -> Result<(), &'static str> {
        let now = self.state.time;
        if !self.state.donors.contains(donor) {
            return Err("the donor that forwarded it is not known");
        }
        if self.departed(donor).is_some_and(|at| evidence.seen_at <= at) {
            return Err("the donor that forwarded it left");
        }
        let terms = self.state.terms.get(donor);
        let most = terms.map_or(DonorTerms::default().reports_per_day_max, |terms| terms.reports_per_day_max);
        let suspended = terms.is_some_and(|terms| terms.suspended);
        let contribution = self.state.contributions.get(donor).copied().unwrap_or_default();
        if contribution.forwarded_on(now) >= most {
            return Err("the donor's daily limit of reports is reached");
        }
        let given = self.given(evidence, donor).filter(|(_, trap)| self.is_silent(trap));
        let zones = self.zones.values().map(|zone| &*zone.config);
        let stands = !suspended && given.is_some() && is_evidence(evidence, zones);
        let contribution = self.state.contributions.entry(donor.clone()).or_default();
        contribution.forward(now);
        if stands {
            contribution.evidence += 1;
            contribution.evidence_at = now;
        }
        Ok(())
    }

    /// The donor's own trap that received evidence, whether or not another donor gave it before.
    fn given(&self, evidence: &Evidence, donor: &Donor) -> Option<(TrapKey, Trap)> {
        self.state.traps.find_given(donor, evidence.trap, evidence.trap_domain, &evidence.wider)
    }

    /// Whether a trap has been silent for as long as every zone asks for.
    fn is_silent(&self, trap: &Trap) -> bool {
        let age = self.zones.values().map(|zone| zone.config.policy.trap_age).max().unwrap_or_default();
        trap.silent_since.plus(age) <= self.state.time
    }

    /// The trap that received evidence, and the donor whose evidence it is.
    ///
    /// What a donor hands on has weight only if no other donor gave the trap before: a donor that
    /// claims the trap of another one must neither strengthen a case by it nor displace the evidence
    /// that the first donor brings.
    fn received_by(&self, evidence: &Evidence) -> Result<(AdmittedTrap, Trap), &'static str> {
        let first = self.state.traps.find(evidence.trap, evidence.trap_domain, &evidence.wider);
        let admitted = |(key, trap): (TrapKey, Trap), outranked| {
            (AdmittedTrap { key, donor: trap.donor.clone(), outranked }, trap)
        };
        let Some(by) = &evidence.forwarded_by else {
            return first.map(|first| admitted(first, false)).ok_or("the recipient is not a trap");
        };
        let Some(given) = self.given(evidence, by) else {
            return Err("the donor that forwarded it did not give the trap");
        };
        match first.filter(|(_, trap)| trap.donor == *by && self.is_silent(trap)) {
            Some(first) => Ok(admitted(first, false)),
            None => Ok(admitted(given, true)),
        }
    }

    /// Checks whether evidence may count. Returns its trap and donor, or the reason why the evidence
    /// is ignored.
    pub(super) fn admissible(&self, evidence: &Evidence) -> Result<AdmittedTrap, &'static str> {
        let relay = evidence.relay.address();
        let (admitted, trap) = self.received_by(evidence)?;
        if self.state.terms.get(&admitted.donor).is_some_and(|terms| terms.suspended) {
            return Err("the donor is suspended");
        }
        if let Some(why) = objection(evidence, self.zones.values().map(|zone| &*zone.config)) {
            return Err(why);
        }
        if !self.is_silent(&trap) {
            Err("the trap has not been silent for long enough")
        } else if !self.zones.values().any(|zone| zone.config.listable.permits(relay).is_ok()) {
            Err("the relay's address is special-purpose and never listed (RFC 6471 §3.5)")
        } else if self.is_exempt(Prefix::host(evidence.relay)) {
            Err("the operator exempted the relay")
        } else {
            Ok(admitted)
        }
    }

    /// The network that is counted for the injector: its autonomous system, or else its address
    /// prefix. `None` if the injector is unknown, is the relay itself or has a special-purpose
    /// address.
    pub(super) fn injector(
        &self,
        evidence: &Evidence,
        observation: Option<&Observation>,
    ) -> Option<InjectorNetwork> {
        let injector = evidence.facts.injector.map(Relay::new)?;
        let public = self.zones.values().any(|zone| zone.config.listable.permits(injector.address()).is_ok());
        let system = observation.and_then(|seen| seen.injector_network).map(InjectorNetwork::System);
        (public && injector != evidence.relay).then(|| system.unwrap_or_else(|| injector.network()))
    }

    /// Records the injector network and the relay for the trap, and returns whether the trap is
    /// burned.
    ///
    /// A trap is burned if `burned_after_relays` relays reported to it and all of the forged mail
    /// came from one network: an attacker then uses the trap to make other hosts look like sources.
    /// When a trap becomes burned, earlier reports to it are removed from every ledger.
    pub(super) fn sighted(
        &mut self,
        trap: TrapKey,
        evidence: &Evidence,
        injector: Option<InjectorNetwork>,
        turn: &mut EntryContext<'_>,
    ) -> bool {
        let relays_max = self.zones.values().map(|zone| zone.config.policy.burned_after_relays).min();
        let Some(relays_max) = relays_max else { return false };
        // Forwarded evidence can be invented, so it neither burns a trap nor ends that state.
        let told = injector.filter(|_| evidence.channel == Channel::Direct);
        let Some(injector) = told else {
            // The report shows no injector network, so the state of the trap does not change.
            let known = self.state.sightings.get(&trap);
            return known.is_some_and(|sighting| sighting.is_burned(relays_max));
        };
        let (now, relay) = (self.state.time, evidence.relay);
        let sighting = self.state.sightings.entry(trap).or_default();
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
            turn.change(ListChange::Burned);
            self.strike(|mark| mark.came_to(trap), turn);
        }
        burned
    }
}

/// Whether a listing for reports of this kind waits for the answer of the relay's side.
fn verifies(zone: &DerivedZone, kind: Kind) -> bool {
    let code = zone.config.codes.iter().find(|code| code.basis.judges(kind).is_some());
    code.is_some_and(|code| zone.config.verifies(code.value))
}

/// Whether the DNS is asked about evidence of this kind. A session without a message names no
/// failed recipient whose domain could be looked up.
fn kind_is_asked_about(evidence: &Evidence) -> bool {
    !evidence.facts.kind.is_without_message()
}

/// The trap of evidence that may count.
pub(super) struct AdmittedTrap {
    /// The key that the trap was registered by.
    pub(super) key: TrapKey,
    /// The donor that gave the trap, or that handed on the evidence.
    donor: Donor,
    /// Another donor gave the trap before the donor that handed on the evidence.
    outranked: bool,
}

impl Sighting {
    /// Whether enough relays and only one injector network have been seen.
    fn is_burned(&self, relays_max: usize) -> bool {
        self.relays.len() >= relays_max && self.networks.len() < SIGHTING_NETWORKS_MAX
    }
}
