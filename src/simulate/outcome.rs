//! The outcome of a simulation, compared with the truth.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::actors::Actor;
use super::running::SimulationRun;
use super::setup::HOUR;
use super::world::Truth;
use crate::digest::{Digest, Digester};

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
    /// The number of good relays whose address was in any zone at any time, under any code.
    pub good_listed: u64,
    /// The first of the good relays that were listed.
    pub good_listed_named: Vec<String>,
    /// The number of persistent sources: sources that were active for at least `persistent_after`.
    pub persistent_sources: u64,
    /// The number of persistent sources that were listed at any time.
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
    /// The number of relays.
    pub relays: u64,
    /// The number of relays that were active for at least `persistent_after`.
    pub persistent: u64,
    /// The number of relays that were listed at any time.
    pub listed: u64,
    /// The median time from the beginning of a relay's activity to its first listing, in hours.
    pub median_hours_to_list: Option<u64>,
}

/// The median. For an even number of values it is the lower one of the two in the middle.
fn median(mut hours: Vec<u64>) -> Option<u64> {
    hours.sort_unstable();
    hours.get(hours.len().checked_sub(1)? / 2).copied()
}

impl SimulationRun<'_> {
    /// Compares the listings with the truth.
    pub(super) fn outcome(&self) -> SimulationOutcome {
        let SimulationRun { setup, actors, listed, .. } = self;
        let world = &setup.world;
        let end = u64::from(setup.days) * HOUR * 24;
        let persistent_after = u64::try_from(world.persistent_after.milliseconds()).unwrap_or(0);
        let is_persistent =
            |actor: &Actor| actor.ends.min(end).saturating_sub(actor.begins) >= persistent_after;
        let hours = |number: u32, actor: &Actor| {
            let at = listed.get(&number)?.since(world.start).milliseconds();
            Some((u64::try_from(at).unwrap_or(0).saturating_sub(actor.begins)) / HOUR)
        };
        let (mut rows, mut all_hours) = (Vec::new(), Vec::new());
        let (mut persistent, mut persistent_listed, mut good_listed) = (0, 0, 0);
        let mut good_listed_named = Vec::new();
        for (row, spec) in (0..).zip(&world.relays) {
            let of_row = (0..).zip(actors).filter(|(_, actor)| actor.row == row);
            let mut outcome = RowOutcome {
                name: spec.name.clone(),
                truth: spec.truth,
                relays: 0,
                persistent: 0,
                listed: 0,
                median_hours_to_list: None,
            };
            let mut row_hours = Vec::new();
            for (number, actor) in of_row {
                let took = hours(number, actor);
                outcome.relays += 1;
                outcome.persistent += u64::from(is_persistent(actor));
                outcome.listed += u64::from(took.is_some());
                row_hours.extend(took);
                match spec.truth {
                    Truth::Source if is_persistent(actor) => {
                        persistent += 1;
                        persistent_listed += u64::from(took.is_some());
                        all_hours.extend(took);
                    }
                    Truth::Good if took.is_some() => {
                        good_listed += 1;
                        if good_listed_named.len() < NAMED_MAX {
                            good_listed_named.push(format!("{} ({})", actor.address, spec.name));
                        }
                    }
                    _ => {}
                }
            }
            outcome.median_hours_to_list = median(row_hours);
            rows.push(outcome);
        }
        SimulationOutcome {
            seed: setup.seed,
            relays: setup.relays,
            days: setup.days,
            reports: self.reports,
            entries: self.entries,
            good_listed,
            good_listed_named,
            persistent_sources: persistent,
            persistent_sources_listed: persistent_listed,
            sources_listed_share: (persistent_listed * 10_000_u64)
                .checked_div(persistent)
                .map_or(1.0, |share| f64::from(u32::try_from(share).unwrap_or(0)) / 10_000.0),
            median_hours_to_list: median(all_hours),
            held: self.held,
            releases: self.releases,
            rows,
            digest: self.digest().to_string(),
        }
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

impl Display for SimulationOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<26} {:>6} {:>8} {:>10} {:>8} {:>12}",
            "relays", "truth", "count", "persistent", "listed", "median hours"
        )?;
        for row in &self.rows {
            let truth = match row.truth {
                Truth::Source => "source",
                Truth::Good => "good",
                Truth::Other => "other",
            };
            let hours = row.median_hours_to_list.map_or_else(String::new, |hours| hours.to_string());
            writeln!(
                f,
                "{:<26} {truth:>6} {:>8} {:>10} {:>8} {hours:>12}",
                row.name, row.relays, row.persistent, row.listed
            )?;
        }
        let hours = self.median_hours_to_list.map_or_else(|| "none".to_owned(), |hours| hours.to_string());
        writeln!(
            f,
            "\n{} relays, {} days, {} reports; {} listings held, released {} times",
            self.relays, self.days, self.reports, self.held, self.releases
        )?;
        writeln!(f, "good relays listed: {} {}", self.good_listed, self.good_listed_named.join(", "))?;
        writeln!(
            f,
            "persistent sources listed: {} of {} ({:.2} %), median time to list {hours} hours",
            self.persistent_sources_listed,
            self.persistent_sources,
            self.sources_listed_share * 100.0
        )?;
        writeln!(f, "digest {}", self.digest)
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
