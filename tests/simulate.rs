//! Tests of the simulation: in small worlds no well-run relay is listed, and nearly all sources
//! are.

use backscatterd::simulate::{SHIPPED as WORLD, SimulationOutcome, SimulationSetup, WorldSpec, run};

use crate::support::world::SHIPPED;

/// The shipped world with fewer attackers and fewer messages of each, so that a test takes seconds.
fn small(seed: u64) -> SimulationSetup {
    let mut world = WorldSpec::read("world", WORLD).unwrap();
    for attackers in &mut world.attackers {
        attackers.count = attackers.count.min(3);
        attackers.messages_per_day = 40;
    }
    SimulationSetup { seed, relays: 1_000, days: 42, world, zone: SHIPPED.to_owned() }
}

fn lived(seed: u64) -> SimulationOutcome {
    run(&small(seed), |_| {})
}

#[test]
fn three_worlds_list_their_sources_and_no_good_citizen() {
    let mut digests = Vec::new();
    for seed in [1, 2, 3] {
        let outcome = lived(seed);
        println!("{outcome}");
        assert_eq!(outcome.good_listed, 0, "{:?}", outcome.good_listed_named);
        assert!(outcome.sources_listed_share >= 0.95, "{outcome}");
        assert!(outcome.persistent_sources >= 50 && outcome.reports > 10_000, "{outcome}");
        assert!(outcome.median_hours_to_list.is_some_and(|hours| hours >= 24), "{outcome}");
        digests.push(outcome.digest);
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 3, "different seeds must make different worlds");
    assert!(digests.contains(&lived(1).digest), "the same seed must make the same world and list");
}

/// A looser policy lists well-run relays, which shows that the simulation can find such faults.
#[test]
fn a_policy_that_asks_for_less_lists_good_citizens() {
    let mut setup = small(1);
    for (shipped, loose) in [
        ("relation_unknown = 0", "relation_unknown = 1000"),
        ("failed_recipients = 5\n# From", "failed_recipients = 1\n# From"),
        ("occasions = 3\noccasions_apart = \"12h\"", "occasions = 1\noccasions_apart = \"12h\""),
        ("address = 1000", "address = 1000\nmailbox = 1000\nexpired = 1000"),
        ("injector_networks = 2\n# Recipients", "injector_networks = 1\n# Recipients"),
    ] {
        assert!(setup.zone.contains(shipped), "{shipped}");
        setup.zone = setup.zone.replace(shipped, loose);
    }
    let outcome = run(&setup, |_| {});
    assert!(outcome.good_listed > 0, "{outcome}");
}
