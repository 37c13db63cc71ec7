//! Simulations: a policy is applied to a simulated world, and the share of sources listed, the good
//! relays listed and the time to list are measured.
//!
//! Every report is a complete message in the style of a real mail server. The classifier and the
//! fold process it without access to the truth. The same seed produces the same world and the same
//! list.

mod actors;
mod answers;
mod asking;
mod attackers;
mod attacks;
mod behaviours;
mod causes;
mod hostile_mail;
mod kinds;
mod messages;
mod outcome;
mod outcome_text;
mod population;
mod random;
mod responses;
mod running;
mod scene;
mod schedule;
mod setup;
mod world;

pub use attackers::{AttackMethod, AttackersSpec};
pub use kinds::{RelaysSpec, SideAnswer, Truth};
pub use outcome::{AttackOutcome, RowOutcome, SimulationOutcome, TruthLine};
pub use setup::SimulationSetup;
pub use world::{SHIPPED, WorldSpec};

use self::population::populate;
use self::running::SimulationRun;
use self::schedule::Schedule;
use self::setup::HOUR;
use crate::evidence::RecordedEntry;
use crate::time::Span;

/// Runs a simulation. `taken` is called with every journal entry after the fold has applied it.
pub fn run(setup: &SimulationSetup, mut taken: impl FnMut(&RecordedEntry)) -> SimulationOutcome {
    let mut run = SimulationRun::new(setup);
    run.begin(&mut taken);
    let mut schedule = Schedule::new(setup, &run.actors);
    run.attackers = schedule.attackers();
    loop {
        let occasions = schedule.next_batch(&run.actors);
        if occasions.is_empty() {
            break;
        }
        let reports = run.work_out(&occasions);
        for (occasion, report) in occasions.iter().zip(reports) {
            run.advance(occasion.at, &mut taken);
            if let Some(report) = report {
                run.deliver(occasion, report, &mut taken);
            }
        }
    }
    run.advance(setup.world.start.plus(Span::from_days(i64::from(setup.days))), &mut taken);
    run.outcome()
}

/// The truth about every relay of a simulation. Neither the classifier nor the fold has access to
/// it.
pub fn truth(setup: &SimulationSetup) -> impl Iterator<Item = TruthLine> {
    populate(setup).into_iter().map(|actor| {
        let spec = &setup.world.relays[usize::from(actor.row)];
        TruthLine {
            address: actor.address.to_string(),
            relays: spec.name.clone(),
            truth: spec.truth,
            begins: actor.begins / HOUR,
            ends: actor.ends / HOUR,
        }
    })
}
