//! The outcome of a simulation, compared with the truth.

use std::collections::BTreeSet;

use serde::Serialize;

use super::actors::Actor;
use super::attackers::AttackMethod;
use super::kinds::{RelaysSpec, Truth};
use super::running::SimulationRun;
use super::setup::HOUR;
use crate::digest::{Digest, Digester};
use crate::time::Timestamp;

/// The maximum number of good relays that the outcome names as listed.
const NAMED_MAX: usize = 20;

/// The outcome of a simulation.
#[derive(Clone, Debug, Serialize)]
pub struct SimulationOutcome {
    /// The seed.
    pub seed: u64,
    /// The number of relays that was asked for.
    pub relays: u32,
    /// The simulated time in days.
    pub days: u32,
    /// The number of reports that reached traps.
    pub reports: u64,
    /// The number of journal entries.
    pub entries: u64,
    /// The number of good relays that the main zone listed at any time.
    pub good_listed: u64,
    /// The first of these relays.
    pub good_listed_named: Vec<String>,
    /// The number of good relays that only sublists listed. What sublists show cannot be verified.
    pub good_listed_in_sublists: u64,
    /// The number of persistent sources: sources that were active for at least `persistent_after`,
    /// of a kind that can be listed.
    pub persistent_sources: u64,
    /// The number of persistent sources that were listed at any time: in the main zone, or in a sublist
    /// if only sublists can list their kind.
    pub persistent_sources_listed: u64,
    /// The share of persistent sources that were listed, from 0 to 1. Sources that never reported
    /// to a trap are included.
    pub sources_listed_share: f64,
    /// The median time from the beginning of a persistent source to its first listing, in hours.
    pub median_hours_to_list: Option<u64>,
    /// The number of new listings that the guards held.
    pub held: u64,
    /// The number of times that the operator released held listings.
    pub releases: u64,
    /// The results for each kind of relay.
    pub rows: Vec<RowOutcome>,
    /// The results for each kind of attacker.
    pub attacks: Vec<AttackOutcome>,
    /// A digest of the list and the fold's state. Equal runs have equal digests.
    pub digest: String,
}

/// The results for one kind of relay.
#[derive(Clone, Debug, Serialize)]
pub struct RowOutcome {
    /// The name of the kind.
    pub name: String,
    /// Whether these relays should be listed.
    pub truth: Truth,
    /// Why the list cannot name sources of this kind.
    pub lost: Option<String>,
    /// The number of relays.
    pub relays: u64,
    /// The number of relays that were active for at least `persistent_after`.
    pub persistent: u64,
    /// The number of relays that were listed at any time, in the main zone or in a sublist.
    pub listed: u64,
    /// The number of relays that the main zone listed at any time.
    pub listed_in_main: u64,
    /// The number of good relays that the main zone listed at any time.
    pub good_listed: u64,
    /// The number of relays whose side gave a veto.
    pub vetoed: u64,
    /// The number of relays whose side was asked and never gave an answer that decides.
    pub unanswered: u64,
    /// The number of relays that reported to traps and were never asked, because no case was
    /// complete.
    pub not_asked: u64,
    /// The number of sources that reported to traps and were never listed where they should be.
    pub escaped: u64,
    /// The number of relays whose listing ended early, because they were repaired.
    pub ended_early: u64,
    /// The median time from the beginning of a relay's activity to its first listing in the main zone,
    /// in hours; for kinds that only sublists can list, to its first listing there.
    pub median_hours_to_list: Option<u64>,
}

/// The results of one kind of attacker.
#[derive(Clone, Debug, Serialize)]
pub struct AttackOutcome {
    /// The name of the kind.
    pub name: String,
    /// What the attackers do.
    pub method: AttackMethod,
    /// The number of attackers.
    pub attackers: u64,
    /// The number of good relays that they attacked.
    pub good_victims: u64,
    /// The number of these that the main zone listed.
    pub good_listed: u64,
    /// The number of these that only sublists listed.
    pub good_listed_in_sublists: u64,
}

/// The median. For an even number of values it is the lower one of the two in the middle.
fn median(mut hours: Vec<u64>) -> Option<u64> {
    hours.sort_unstable();
    hours.get(hours.len().checked_sub(1)? / 2).copied()
}

/// The parts of the outcome that are counted over all kinds of relay.
#[derive(Default)]
struct Totals {
    good_listed: u64,
    good_listed_named: Vec<String>,
    good_in_sublists: u64,
    persistent: u64,
    persistent_listed: u64,
    hours: Vec<u64>,
}

impl SimulationRun<'_> {
    /// Compares the listings with the truth.
    pub(super) fn outcome(&self) -> SimulationOutcome {
        let mut totals = Totals::default();
        let rows = (0..).zip(&self.setup.world.relays);
        let rows = rows.map(|(row, spec)| self.row(row, spec, &mut totals)).collect();
        SimulationOutcome {
            seed: self.setup.seed,
            relays: self.setup.relays,
            days: self.setup.days,
            reports: self.reports,
            entries: self.entries,
            good_listed: totals.good_listed,
            good_listed_named: totals.good_listed_named,
            good_listed_in_sublists: totals.good_in_sublists,
            persistent_sources: totals.persistent,
            persistent_sources_listed: totals.persistent_listed,
            sources_listed_share: (totals.persistent_listed * 10_000_u64)
                .checked_div(totals.persistent)
                .map_or(1.0, |share| f64::from(u32::try_from(share).unwrap_or(0)) / 10_000.0),
            median_hours_to_list: median(totals.hours),
            held: self.held,
            releases: self.releases,
            rows,
            attacks: self.attacks(),
            digest: self.digest().to_string(),
        }
    }

    fn row(&self, row: u16, spec: &RelaysSpec, totals: &mut Totals) -> RowOutcome {
        let mut outcome = RowOutcome {
            name: spec.name.clone(),
            truth: spec.truth,
            lost: spec.lost.clone(),
            relays: 0,
            persistent: 0,
            listed: 0,
            listed_in_main: 0,
            good_listed: 0,
            vetoed: 0,
            unanswered: 0,
            not_asked: 0,
            escaped: 0,
            ended_early: 0,
            median_hours_to_list: None,
        };
        let mut row_hours = Vec::new();
        for (number, actor) in (0..).zip(&self.actors).filter(|(_, actor)| actor.row == row) {
            let (listed, in_main) = (self.listed.contains_key(&number), self.in_main.contains_key(&number));
            // A listing in a sublist is no substitute for one in the main zone.
            let where_due = if spec.sublists_only { &self.listed } else { &self.in_main };
            let took = where_due.get(&number).map(|at| self.hours_since_begin(*at, actor));
            let (side, reported) = (self.sides.get(&number), self.reporters.contains(&number));
            outcome.relays += 1;
            outcome.persistent += u64::from(self.is_persistent(actor));
            outcome.listed += u64::from(listed);
            outcome.listed_in_main += u64::from(in_main);
            outcome.vetoed += u64::from(side.is_some_and(|side| side.is_vetoed));
            outcome.unanswered += u64::from(side.is_some_and(|side| !side.is_decided));
            outcome.not_asked += u64::from(reported && side.is_none() && !listed);
            outcome.escaped += u64::from(spec.truth == Truth::Source && reported && took.is_none());
            outcome.ended_early += u64::from(self.ended_early.contains(&number));
            row_hours.extend(took);
            match spec.truth {
                Truth::Source if spec.lost.is_none() && self.is_persistent(actor) => {
                    totals.persistent += 1;
                    totals.persistent_listed += u64::from(took.is_some());
                    totals.hours.extend(took);
                }
                Truth::Good if in_main => {
                    outcome.good_listed += 1;
                    totals.good_listed += 1;
                    if totals.good_listed_named.len() < NAMED_MAX {
                        totals.good_listed_named.push(format!("{} ({})", actor.address, spec.name));
                    }
                }
                Truth::Good if listed => totals.good_in_sublists += 1,
                _ => {}
            }
        }
        outcome.median_hours_to_list = median(row_hours);
        outcome
    }

    /// Whether a relay was active for at least `persistent_after`.
    fn is_persistent(&self, actor: &Actor) -> bool {
        let end = u64::from(self.setup.days) * HOUR * 24;
        let after = u64::try_from(self.setup.world.persistent_after.milliseconds()).unwrap_or(0);
        actor.ends.min(end).saturating_sub(actor.begins) >= after
    }

    fn hours_since_begin(&self, at: Timestamp, actor: &Actor) -> u64 {
        let at = at.since(self.setup.world.start).milliseconds();
        u64::try_from(at).unwrap_or(0).saturating_sub(actor.begins) / HOUR
    }

    fn attacks(&self) -> Vec<AttackOutcome> {
        let world = &self.setup.world;
        let is_good = |number: &&u32| {
            let actor = self.actors.get(**number as usize);
            actor.is_some_and(|actor| world.relays[usize::from(actor.row)].truth == Truth::Good)
        };
        let of_row = |(row, spec): (u16, &super::attackers::AttackersSpec)| {
            let attackers: Vec<_> = self.attackers.iter().filter(|of| of.attack.row == row).collect();
            let victims = attackers.iter().flat_map(|attacker| &attacker.victims);
            let victims: BTreeSet<&u32> = victims.filter(is_good).collect();
            let in_main = victims.iter().filter(|number| self.in_main.contains_key(number)).count() as u64;
            let listed = victims.iter().filter(|number| self.listed.contains_key(number)).count() as u64;
            AttackOutcome {
                name: spec.name.clone(),
                method: spec.method,
                attackers: attackers.len() as u64,
                good_victims: victims.len() as u64,
                good_listed: in_main,
                good_listed_in_sublists: listed - in_main,
            }
        };
        (0..).zip(&world.attackers).map(of_row).collect()
    }

    fn digest(&self) -> Digest {
        let mut digester = Digester::default();
        digester.add(&self.reports.to_be_bytes()).add(&self.blocklist.to_checkpoint());
        for zone in self.blocklist.snapshot().zones() {
            digester.add(zone.digest().octets());
        }
        digester.digest()
    }
}

/// The truth about one relay.
#[derive(Clone, Debug, Serialize)]
pub struct TruthLine {
    /// The address.
    pub address: String,
    /// The name of the kind of relay.
    pub relays: String,
    /// Whether the relay should be listed.
    pub truth: Truth,
    /// When its activity begins, in hours from the start of the simulation.
    pub begins: u64,
    /// When its activity ends, in hours from the start of the simulation.
    pub ends: u64,
}
