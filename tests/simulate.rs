//! Tests of the simulation: in small hostile worlds the main zone lists no well-run relay beyond what
//! docs/JUDGING.md states for each setting of `verification`, and it lists nearly all sources.

use std::collections::BTreeMap;

use backscatterd::score::VerificationMode;
use backscatterd::simulate::{
    SHIPPED as WORLD, SideAnswer, SimulationOutcome, SimulationSetup, Truth, WorldSpec, run,
};
use backscatterd::time::Span;

use crate::support::world::SHIPPED;

/// The document that states what the settings cost.
const JUDGING: &str = include_str!("../docs/JUDGING.md");
/// The largest share of a kind of relay, in millionths of the relays, and its highest rate of reports
/// within 100 days, so that a test takes seconds.
const SHARE_MAX: u32 = 3_000;
const RATE_MAX: u32 = 500;
/// The longest attack in days, and the largest number of messages a day of an attacker of a full world.
const ATTACK_DAYS_MAX: u32 = 16;
const MESSAGES_PER_DAY_MAX: u32 = 400;
/// The days of a small world.
const DAYS: u32 = 26;
const MODES: [(VerificationMode, &str); 3] = [
    (VerificationMode::Required, "required"),
    (VerificationMode::Claims, "claims"),
    (VerificationMode::Off, "off"),
];

/// The shipped world with few relays of each kind, in a shorter time.
fn small(seed: u64, verification: &str) -> SimulationSetup {
    let mut world = WorldSpec::read("world", WORLD).unwrap();
    world.persistent_after = Span::from_days(16);
    for relays in &mut world.relays {
        relays.share_millionths = relays.share_millionths.min(SHARE_MAX);
        relays.begins_within = relays.begins_within.min(Span::from_days(2));
        relays.repaired_after = relays.repaired_after.map(|_| Span::from_days(17));
        if relays.episode_hours.is_empty() {
            // A source of few reports is listed late, if the time is short.
            let least = if relays.truth == Truth::Source { 200 } else { 1 };
            relays.reports_per_100_days.iter_mut().for_each(|rate| *rate = (*rate).clamp(least, RATE_MAX));
        }
    }
    for attackers in &mut world.attackers {
        attackers.days = attackers.days.min(ATTACK_DAYS_MAX);
        attackers.messages_per_day = attackers.messages_per_day.min(MESSAGES_PER_DAY_MAX);
    }
    let shipped = "verification = \"required\"";
    assert!(SHIPPED.contains(shipped));
    let zone = SHIPPED.replace(shipped, &format!("verification = {verification:?}"));
    SimulationSetup { seed, relays: 1_000, days: DAYS, world, zone }
}

/// The cells of the rows of a table, by the first cell.
fn table(head: &str) -> BTreeMap<String, Vec<String>> {
    let rows = JUDGING.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        (cells.next().unwrap(), cells.collect())
    })
    .collect()
}

/// Runs a small world under a setting of `verification`, and compares what it costs with the document.
fn costs_what_is_stated(mode: VerificationMode, name: &str) -> SimulationOutcome {
    let setup = small(1, name);
    let outcome = run(&setup, |_| {});
    println!("{outcome}");
    let listed_under = |modes: &[VerificationMode]| modes.contains(&mode);
    for (attack, spec) in outcome.attacks.iter().zip(&setup.world.attackers) {
        assert_eq!(attack.name, spec.name);
        assert_eq!(attack.good_listed > 0, listed_under(&spec.listed_under), "{name}: {attack}");
        assert_eq!(attack.good_listed_in_sublists > 0, spec.listed_in_sublists, "{name}: {attack}");
    }
    for (row, spec) in outcome.rows.iter().zip(&setup.world.relays) {
        let winning = setup.world.attackers.iter().filter(|attackers| listed_under(&attackers.listed_under));
        let is_victim = winning.flat_map(|attackers| &attackers.victim_kinds).any(|kind| *kind == spec.name);
        let costs = is_victim || listed_under(&spec.listed_under);
        assert_eq!(row.good_listed > 0, costs, "{name}: {row}");
        if row.truth == Truth::Source && row.lost.is_some() && mode == VerificationMode::Required {
            assert_eq!(row.listed_in_main, 0, "this kind is not lost: {row}");
        }
    }
    assert!(outcome.sources_listed_share >= 0.90, "{outcome}");
    assert!(outcome.persistent_sources >= 30 && outcome.reports > 5_000, "{outcome}");
    outcome
}

#[test]
fn with_verification_no_well_run_relay_is_listed_in_the_main_zone() {
    let outcome = costs_what_is_stated(VerificationMode::Required, "required");
    assert_eq!(outcome.good_listed, 0, "{:?}", outcome.good_listed_named);
    let kinds = WorldSpec::read("world", WORLD).unwrap().relays;
    let row = |name: &str| outcome.rows.iter().find(|row| row.name == name).unwrap();
    assert!(row("evader").vetoed > 0 && row("evader").escaped > 0, "{outcome}");
    assert!(row("silent").unanswered > 0, "{outcome}");
    assert!(row("greylister").listed > 0, "{outcome}");
    assert!(row("repaired").ended_early > 0, "{outcome}");
    assert!(row("exchange-without-filter").listed > 0, "{outcome}");
    // What nobody can verify stays out of the main zone.
    for (kind, row) in kinds.iter().zip(&outcome.rows).filter(|(kind, _)| kind.sublists_only) {
        assert_eq!((row.listed > 0, row.listed_in_main), (true, 0), "{}", kind.name);
    }
}

#[test]
fn verification_of_claims_alone_costs_what_the_document_states() {
    costs_what_is_stated(VerificationMode::Claims, "claims");
}

#[test]
fn no_verification_costs_what_the_document_states() {
    costs_what_is_stated(VerificationMode::Off, "off");
}

/// The rows of the document are those of the world, so that no attack is stated cheaper than it is.
#[test]
fn the_document_states_the_cost_of_every_attack_of_the_world() {
    let world = WorldSpec::read("world", WORLD).unwrap();
    let cells = |modes: &[VerificationMode], in_sublists: bool| {
        let mut cells: Vec<String> = MODES
            .iter()
            .map(|(mode, _)| if modes.contains(mode) { "listed" } else { "no" }.to_owned())
            .collect();
        cells.push(if in_sublists { "listed" } else { "no" }.to_owned());
        cells
    };
    let attacks = table("| attack |");
    let stated = |name: &String| attacks.get(name).unwrap_or_else(|| panic!("no row for {name}"));
    for spec in &world.attackers {
        assert!(
            stated(&spec.name).ends_with(&cells(&spec.listed_under, spec.listed_in_sublists)),
            "{}",
            spec.name
        );
    }
    let priced: Vec<_> = world.relays.iter().filter(|relays| !relays.listed_under.is_empty()).collect();
    for relays in &priced {
        assert!(stated(&relays.name).ends_with(&cells(&relays.listed_under, false)), "{}", relays.name);
    }
    assert_eq!(attacks.len(), world.attackers.len() + priced.len(), "the document has other rows");
    let lost = table("| kind that is not listed |");
    for relays in world.relays.iter().filter(|relays| relays.lost.is_some()) {
        let reason = lost.get(&relays.name).unwrap_or_else(|| panic!("no row for {}", relays.name));
        assert_eq!(reason.last(), relays.lost.as_ref());
    }
    assert_eq!(lost.len(), world.relays.iter().filter(|relays| relays.lost.is_some()).count());
}

#[test]
fn the_same_seed_makes_the_same_world_and_another_seed_another() {
    let lived = |seed| {
        let mut setup = small(seed, "required");
        setup.days = 5;
        run(&setup, |_| {}).digest
    };
    assert_eq!(lived(1), lived(1));
    assert_ne!(lived(1), lived(2));
}

/// A looser policy lists well-run relays, which shows that the simulation can find such faults.
#[test]
fn a_policy_that_asks_for_less_lists_good_citizens() {
    let mut setup = small(1, "off");
    setup.world.attackers.clear();
    for relays in &mut setup.world.relays {
        if !relays.listed_under.is_empty() {
            relays.share_millionths = 0;
        }
    }
    for (shipped, loose) in [
        ("relation_unknown = 0", "relation_unknown = 1000"),
        ("failed_recipients = 5\n# From", "failed_recipients = 1\n# From"),
        ("span = \"24h\"\n# Separate", "span = \"1h\"\n# Separate"),
        ("occasions = 3\noccasions_apart = \"12h\"", "occasions = 1\noccasions_apart = \"12h\""),
        ("injector_networks = 2\n# Recipients", "injector_networks = 1\n# Recipients"),
    ] {
        assert!(setup.zone.contains(shipped), "{shipped}");
        setup.zone = setup.zone.replace(shipped, loose);
    }
    let outcome = run(&setup, |_| {});
    assert!(outcome.good_listed > 0, "{outcome}");
}

/// A hosting company's customer who owns two domains makes a case that every rule and every answer
/// supports: the company's host takes all recipients of both, and returns the mail.
#[test]
fn a_hosted_customer_with_two_domains_has_the_host_listed() {
    let mut setup = small(1, "required");
    setup.world.attackers.retain(|attackers| attackers.name == "hosted-customer");
    assert_eq!(setup.world.attackers.len(), 1);
    setup.world.relays.retain(|relays| relays.name == "shared-hosting");
    assert_eq!(run(&setup, |_| {}).good_listed, 0);
    setup.world.attackers[0].domains = 2;
    assert!(run(&setup, |_| {}).good_listed > 0);
}

/// The limit of verification: a host that takes all recipients, because every address exists or because
/// it refuses after DATA, gives no veto. If attackers can make it mail their text as its own report, no
/// setting protects it. docs/JUDGING.md says so.
#[test]
fn a_host_without_a_veto_that_mails_what_others_enter_is_listed_under_every_setting() {
    assert!(JUDGING.contains("no setting protects it"));
    for (attack, victims) in [("stripped-submission", "stripping-submission"), ("through-form", "web-shop")] {
        let mut setup = small(1, "required");
        setup.world.attackers.retain(|attackers| attackers.name == attack);
        setup.world.relays.retain(|relays| relays.name == victims);
        assert_eq!(run(&setup, |_| {}).good_listed, 0, "{attack}");
        setup.world.relays[0].answers = SideAnswer::TakesAll;
        assert!(run(&setup, |_| {}).good_listed > 0, "{attack}");
    }
}
