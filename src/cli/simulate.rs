//! `simulate`: tests a policy in a simulated world in which the true role of every relay is known.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;

use super::failure::{CommandFailure, EX_IO, EX_NO_INPUT};
use super::output::tell;
use crate::evidence::RecordedEntry;
use crate::journal::{Appending, EmbeddedJournal, Journal};
use crate::simulate::{SHIPPED, SimulationSetup, WorldSpec, run, truth};
use crate::time::{Clock, LaboratoryClock, Timestamp};

/// The arguments of `simulate`.
#[derive(Debug, ClapArgs)]
pub(super) struct SimulateArgs {
    /// The seed of the random numbers. The same seed makes the same world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of relays.
    #[arg(long, default_value_t = 20_000)]
    relays: u32,
    /// The number of days to simulate.
    #[arg(long, default_value_t = 60)]
    days: u32,
    /// The file that describes the world. The default is the shipped world.
    #[arg(long)]
    world: Option<PathBuf>,
    /// The zone file whose policy is tested. The default is the shipped zone file.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Print the result as one line of JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the journal, and the true roles as truth.jsonl, into this folder, which must not exist
    /// yet.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Print the shipped world's file, which explains every key, and exit.
    #[arg(long)]
    print_world: bool,
}

/// The shipped zone, whose policy is tested by default.
const ZONE: &str = include_str!("../../zones/backscatter.toml");
/// Most journal entries that wait to become durable.
const APPENDING_MAX: usize = 2_000;

fn read(path: &Option<PathBuf>, shipped: &str) -> Result<(String, String), CommandFailure> {
    let Some(path) = path else { return Ok(("shipped".to_owned(), shipped.to_owned())) };
    let place = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((place, text)),
        Err(error) => Err(CommandFailure::new(EX_NO_INPUT, format!("{place}: {error}"))),
    }
}

/// Runs a simulation and prints its result.
///
/// # Errors
/// When a file cannot be read or is not valid, or the journal cannot be written.
pub(super) fn simulate(args: &SimulateArgs) -> Result<(), CommandFailure> {
    if args.print_world {
        return tell(SHIPPED);
    }
    let (place, text) = read(&args.world, SHIPPED)?;
    let world = WorldSpec::read(&place, &text)?;
    let (place, zone) = read(&args.policy, ZONE)?;
    crate::zone::read(&place, &zone)?;
    let setup = SimulationSetup { seed: args.seed, relays: args.relays, days: args.days, world, zone };
    let mut progress = DayProgress { start: setup.world.start, days: setup.days, told: 0 };
    let outcome = match &args.journal {
        None => run(&setup, |recorded| progress.take(recorded)),
        Some(folder) => {
            let mut written = WrittenJournal::begin(folder, &setup)?;
            let outcome = run(&setup, |recorded| {
                progress.take(recorded);
                written.take(recorded);
            });
            written.end()?;
            outcome
        }
    };
    if args.json {
        let line =
            serde_json::to_string(&outcome).map_err(|error| CommandFailure::new(EX_IO, error.to_string()))?;
        tell(&(line + "\n"))
    } else {
        tell(&outcome.to_string())
    }
}

/// Tells on standard error how many days of the world have passed.
struct DayProgress {
    start: Timestamp,
    days: u32,
    /// The number of days that was told last.
    told: u32,
}

impl DayProgress {
    fn take(&mut self, recorded: &RecordedEntry) {
        let passed = recorded.at.since(self.start).hours() / 24;
        if passed > self.told {
            self.told = passed;
            // Progress that cannot be told is not missed.
            let _ = writeln!(std::io::stderr(), "day {passed} of {}", self.days);
        }
    }
}

/// The journal that a simulation writes, and the clock that gives its entries the world's time.
struct WrittenJournal {
    journal: EmbeddedJournal,
    clock: Arc<LaboratoryClock>,
    appending: Vec<Appending>,
    failed: Option<String>,
}

impl WrittenJournal {
    fn begin(folder: &std::path::Path, setup: &SimulationSetup) -> Result<Self, CommandFailure> {
        let failed = |error: String| CommandFailure::new(EX_IO, format!("{}: {error}", folder.display()));
        if folder.exists() {
            return Err(failed("the folder exists already; name a new one".to_owned()));
        }
        crate::folder::make(folder).map_err(|error| failed(error.to_string()))?;
        let mut file =
            std::fs::File::create(folder.join("truth.jsonl")).map_err(|error| failed(error.to_string()))?;
        for line in truth(setup) {
            let line = serde_json::to_string(&line).map_err(|error| failed(error.to_string()))?;
            writeln!(file, "{line}").map_err(|error| failed(error.to_string()))?;
        }
        let clock = Arc::new(LaboratoryClock::new(setup.world.start));
        let path = folder.join(crate::daemon::STORE_FILE);
        let journal = EmbeddedJournal::open(&path, Arc::<LaboratoryClock>::clone(&clock))
            .map_err(|error| failed(error.to_string()))?;
        Ok(WrittenJournal { journal, clock, appending: Vec::new(), failed: None })
    }

    fn take(&mut self, recorded: &RecordedEntry) {
        if self.clock.now() < recorded.at {
            // Waiting entries belong to the time before this one, so they must be stored first.
            self.settle();
            self.clock.advance(recorded.at.since(self.clock.now()));
        }
        self.appending.push(self.journal.append(recorded.entry.clone().into()));
        if self.appending.len() >= APPENDING_MAX {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for appending in self.appending.drain(..) {
            if let Err(error) = appending.wait() {
                self.failed.get_or_insert(error.to_string());
            }
        }
    }

    fn end(mut self) -> Result<(), CommandFailure> {
        self.settle();
        self.failed.map_or(Ok(()), |error| Err(CommandFailure::new(EX_IO, error)))
    }
}
