//! The relays of a simulation.

use std::collections::BTreeMap;

use super::actors::{self, Actor};
use super::messages::STYLES;
use super::random::SimulationRandom;
use super::setup::{HOUR, SimulationSetup};

/// Creates the relays of a simulation.
pub(super) fn populate(setup: &SimulationSetup) -> Vec<Actor> {
    let mut random = SimulationRandom::new(setup.seed, 0);
    let end = u64::from(setup.days) * 24 * HOUR;
    let mut actors: Vec<Actor> = Vec::new();
    let mut of_row: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (row, spec) in (0..).zip(&setup.world.relays) {
        let count = u64::from(setup.relays) * u64::from(spec.share_millionths) / 1_000_000;
        let styles: &[_] = if spec.styles.is_empty() { &STYLES } else { &spec.styles };
        for nth in 0..count {
            let number = u32::try_from(actors.len()).unwrap_or(u32::MAX);
            let beside = spec.beside.as_deref().and_then(|name| {
                let hosts = of_row.get(name)?;
                hosts.get(usize::try_from(nth).ok()? % hosts.len().max(1))
            });
            let network = beside.copied().unwrap_or(number);
            let within = u64::try_from(spec.begins_within.milliseconds()).unwrap_or(0).min(end);
            let mut begins = random.below(within + 1);
            let mut ends = end;
            if let Some(&hours) = random.pick(&spec.episode_hours) {
                let lasts = u64::from(hours) * HOUR;
                begins = random.below(end.saturating_sub(lasts).max(1));
                ends = begins + lasts;
            }
            let mut is_repaired = false;
            if let Some(after) = spec.repaired_after {
                let after = u64::try_from(after.milliseconds()).unwrap_or(0);
                is_repaired = begins + after < ends;
                ends = ends.min(begins + after);
            }
            let rate = random.pick(&spec.reports_per_100_days).copied().filter(|&rate| rate > 0);
            actors.push(Actor {
                row,
                address: if spec.one_network {
                    actors::crowded_address(row, nth, spec.ipv6)
                } else {
                    actors::relay_address(number, spec.ipv6.then_some(network))
                },
                style: *random.pick(styles).unwrap_or(&STYLES[0]),
                begins,
                ends,
                is_repaired,
                gap: rate.map(|rate| 100 * 24 * HOUR / u64::from(rate)),
            });
            of_row.entry(&spec.name).or_default().push(number);
        }
    }
    actors
}
