//! What the fold makes of the answers of relays' sides.

use backscatterd::blocklist::ListChange;
use backscatterd::classify::Kind;
use backscatterd::evidence::{AskedSide, Entry, Observation, Verification, VerificationAnswer};
use backscatterd::relay::Relay;
use backscatterd::time::Span;
use backscatterd::zone::{QueryType, Rcode};

use crate::support::world::{ORIGIN, World, exchanger, laboratory_zone, told};

const RELAY: &str = "198.18.0.25";

/// A world in which a listing in the main zone needs the answer of the relay's side.
fn world(answer: VerificationAnswer) -> World {
    let mut world = World::new();
    world.adopt(&laboratory_zone().replace("verification = \"off\"", "verification = \"required\""));
    world.answers.insert(RELAY.parse::<Relay>().unwrap(), answer);
    world
}

/// Eight reports, five hours apart.
fn case(world: &mut World, change: impl Fn(&mut crate::support::world::Report)) -> Vec<ListChange> {
    let mut changes = Vec::new();
    for _ in 0..8 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        change(&mut report);
        changes.extend(world.send(report).list);
    }
    changes
}

/// Whether the relay is listed in the zone with this name.
fn is_listed(world: &World, zone: &str) -> bool {
    let name = format!("25.0.18.198.{zone}");
    told(&world.blocklist.snapshot(), &name, QueryType::A, world.blocklist.time()).rcode == Rcode::NoError
}

fn listed(answer: VerificationAnswer) -> bool {
    let mut world = world(answer);
    case(&mut world, |_| {});
    is_listed(&world, ORIGIN)
}

#[test]
fn only_a_relay_whose_side_takes_all_recipients_is_listed() {
    assert!(listed(VerificationAnswer::TakesAll));
    assert!(!listed(VerificationAnswer::RefusesUnknown));
    assert!(!listed(VerificationAnswer::RefusesAll));
    assert!(!listed(VerificationAnswer::NoAnswer));
}

#[test]
fn a_relay_that_must_not_be_asked_is_listed_for_confirmed_relations_alone() {
    assert!(listed(VerificationAnswer::OptedOut));
    let mut world = world(VerificationAnswer::OptedOut);
    case(&mut world, |report| {
        report.seen = Some(Observation {
            same_organisation: Some(false),
            named_within: Some(false),
            recipient_organisation: None,
            ..exchanger()
        });
    });
    assert!(!is_listed(&world, ORIGIN), "a claim");
}

#[test]
fn a_request_not_to_be_asked_takes_no_veto_back() {
    let mut world = world(VerificationAnswer::RefusesUnknown);
    case(&mut world, |_| {});
    let relay = RELAY.parse().unwrap();
    let said = (VerificationAnswer::OptedOut, "");
    let opted_out = Verification::new(relay, "relay.example".to_owned(), AskedSide::Relay, said, world.now);
    world.take(Entry::Verification(Box::new(opted_out)));
    case(&mut world, |_| {});
    assert!(!is_listed(&world, ORIGIN));
}

#[test]
fn a_listing_ends_early_when_the_relays_side_has_begun_to_refuse() {
    let mut world = world(VerificationAnswer::TakesAll);
    case(&mut world, |_| {});
    assert!(is_listed(&world, ORIGIN));
    for (answer, stays) in [
        (VerificationAnswer::NoAnswer, true),
        (VerificationAnswer::RefusesAll, true),
        (VerificationAnswer::RefusesUnknown, false),
    ] {
        world.answers.insert(RELAY.parse::<Relay>().unwrap(), answer);
        world.tick(Span::from_hours(25));
        assert_eq!(is_listed(&world, ORIGIN), stays, "{answer:?}");
    }
}

#[test]
fn a_code_that_nobody_verified_brings_no_further_code_into_the_main_zone() {
    let mut world = world(VerificationAnswer::RefusesUnknown);
    case(&mut world, |report| {
        report.kind = Kind::ContentNotice;
        report.seen = Some(Observation { original_forbidden: Some(true), ..exchanger() });
    });
    assert!(is_listed(&world, &format!("content.{ORIGIN}")), "filters are not asked about");
    assert!(!is_listed(&world, ORIGIN), "the code of forbidden originals goes with verified codes alone");
}

#[test]
fn a_checkpoint_between_the_question_and_the_answer_changes_nothing() {
    let mut world = world(VerificationAnswer::NoAnswer);
    case(&mut world, |_| {});
    let octets = world.blocklist.to_checkpoint();
    world.blocklist = backscatterd::blocklist::Blocklist::from_checkpoint(&octets).unwrap();
    assert_eq!(world.blocklist.to_checkpoint(), octets);
    assert_eq!(world.blocklist.questioned().count(), 1);
    assert_eq!(world.blocklist.status().unverified.values().sum::<usize>(), 1);
    world.answers.insert(RELAY.parse::<Relay>().unwrap(), VerificationAnswer::TakesAll);
    world.tick(Span::from_hours(25));
    assert!(is_listed(&world, ORIGIN));
    assert_eq!(world.blocklist.status().unverified.len(), 0);
}
