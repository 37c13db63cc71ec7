//! Tests of observations that come after their evidence was counted: what they change in the fold,
//! and what they leave as it was.

use backscatterd::blocklist::{Blocklist, ListChange, ListChanges};
use backscatterd::evidence::{Entry, EvidenceSource, Observation, Order};
use backscatterd::listing::{ListingEnd, ListingRecord};
use backscatterd::score::{Case, Relation};
use backscatterd::time::Span;
use backscatterd::trap::{Donor, DonorTerms};

use crate::support::world::{ORIGIN, Report, World, exchanger, hasher, laboratory_zone, prefix, relay};

const RELAY: &str = "198.18.0.25";
/// The time after which evidence counts without an observation, and a little more.
const WAIT: Span = Span::from_seconds(16 * 60);

fn ignored(changes: &ListChanges) -> &'static str {
    match &changes.list[..] {
        [ListChange::Ignored { why }] => why,
        other => panic!("not ignored: {other:?}"),
    }
}

/// Folds a report whose observation does not come in time, and returns its entry.
fn starve(world: &mut World, report: Report) -> Entry {
    let entry = world.evidence(report);
    let changes = world.take(entry.clone());
    assert!(changes.list.is_empty(), "it waits: {changes:?}");
    let changes = world.tick(WAIT);
    assert!(changes.list.iter().any(|change| matches!(change, ListChange::Counted { .. })), "{changes:?}");
    entry
}

/// Starves eight reports of a relay over 40 hours, which would complete a case.
fn starve_case(world: &mut World, address: &str) -> Vec<Entry> {
    let starve_next = |_| {
        world.tick(Span::from_hours(5));
        let report = world.report(address);
        starve(world, report)
    };
    (0..8).map(starve_next).collect()
}

/// Folds a late observation of the evidence in an entry.
fn observe(world: &mut World, entry: &Entry, attempt: u16, seen: Observation) -> ListChanges {
    let Entry::Evidence(evidence) = entry else { panic!("no evidence: {entry:?}") };
    let observation = Observation { evidence: evidence.id, attempt, counted: Some(evidence.clone()), ..seen };
    world.take(Entry::Observation(observation))
}

fn refuting() -> Observation {
    Observation {
        mx_of_recipient: Some(false),
        spf_of_recipient: Some(false),
        same_organisation: Some(false),
        refused_inside: Some(false),
        ..exchanger()
    }
}

fn silent() -> Observation {
    Observation { mx_of_recipient: None, same_organisation: None, ..exchanger() }
}

fn listing_record(world: &World) -> ListingRecord {
    world.blocklist.relay_record(prefix(RELAY)).unwrap().records[&(ORIGIN.into(), 2)].clone()
}

/// The grounds of the current listing, and the case that they explain themselves by.
fn explained(world: &World) -> String {
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    let config = world.blocklist.snapshot().zones()[0].config.clone();
    let (kinds, _) = config.quorum(2).unwrap();
    let grounds = listing_record(world).current.unwrap().grounds;
    let case = Case::open(&record.ledger, &grounds.window(kinds), &config.policy);
    let weights: Vec<_> = case.marks().iter().map(|mark| (mark.offset, case.weight(mark))).collect();
    assert_eq!(case.points(), grounds.points, "the grounds explain themselves");
    format!("{grounds:?} {weights:?}")
}

/// The zone, with half the weight for reports whose relation is unknown.
fn trusting_zone() -> String {
    let zone = laboratory_zone();
    let trusting = zone.replace("relation_unknown = 0", "relation_unknown = 900");
    assert_ne!(zone, trusting);
    trusting
}

#[test]
fn reports_that_were_observed_late_complete_a_case() {
    let mut world = World::new();
    let entries = starve_case(&mut world, RELAY);
    assert!(!world.is_listed(RELAY), "an unknown relation weighs nothing");
    let mut listed_at = None;
    for (nth, entry) in entries.iter().enumerate() {
        let changes = observe(&mut world, entry, 4, exchanger());
        if changes.list.iter().any(|change| matches!(change, ListChange::Listed { .. })) {
            listed_at.get_or_insert(nth + 1);
        }
    }
    assert_eq!(listed_at, Some(7), "as many as if they had been observed at once");
    explained(&world);
}

#[test]
fn an_answer_that_was_known_stays() {
    let mut world = World::new();
    let report = world.report(RELAY);
    let entry = starve(&mut world, report.clone());
    assert_eq!(
        ignored(&observe(&mut world, &entry, 4, silent())),
        "the observation does not tell the relation"
    );
    observe(&mut world, &entry, 5, exchanger());
    for (attempt, seen) in [(6, refuting()), (7, silent()), (8, exchanger())] {
        assert_eq!(ignored(&observe(&mut world, &entry, attempt, seen)), "the relation is known");
    }
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert_eq!(record.ledger.marks()[0].relation, Relation::Confirmed);
    assert_eq!(ignored(&world.send(report)), "the same report was counted before");
}

#[test]
fn a_relay_that_was_removed_is_not_listed_by_what_came_before() {
    let mut world = World::new();
    let entries = starve_case(&mut world, RELAY);
    world.order(Order::Remove { relay: relay(RELAY) });
    for entry in &entries {
        assert_eq!(ignored(&observe(&mut world, entry, 4, exchanger())), "a removal forgave the report");
    }
    assert!(!world.is_listed(RELAY));
    // What comes after the removal counts as before it.
    let entries = starve_case(&mut world, RELAY);
    entries.iter().for_each(|entry| drop(observe(&mut world, entry, 4, exchanger())));
    assert!(world.is_listed(RELAY));
}

#[test]
fn the_grounds_of_a_listing_explain_themselves_the_same_after_a_late_observation() {
    let mut world = World::new();
    let mut entries = Vec::new();
    for _ in 0..4 {
        world.tick(Span::from_hours(5));
        let report = world.report(RELAY);
        entries.push(starve(&mut world, report));
    }
    world.make_case(RELAY);
    let before = explained(&world);
    let floor = listing_record(&world).floor;
    for entry in &entries {
        let changes = observe(&mut world, entry, 4, exchanger());
        assert!(matches!(changes.list[..], [ListChange::Counted { .. }]), "{changes:?}");
        assert_eq!(explained(&world), before);
    }
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    let late = record.ledger.marks().iter().filter(|mark| mark.counts_from() > floor).count();
    // One more report came on time after the seventh of the case.
    assert_eq!(late, entries.len() + 1, "they count towards the next case");
}

#[test]
fn late_observations_extend_a_listing_once() {
    let mut world = World::new();
    let entries = starve_case(&mut world, RELAY);
    world.make_case(RELAY);
    let floor = listing_record(&world).floor;
    let changes: Vec<ListChange> =
        entries.iter().flat_map(|entry| observe(&mut world, entry, 4, exchanger()).list).collect();
    let extended = changes.iter().filter(|change| matches!(change, ListChange::Extended { .. })).count();
    assert_eq!(extended, 1, "{changes:?}");
    assert!(listing_record(&world).floor > floor);
    explained(&world);
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert_eq!(record.ledger.marks().len(), 16);
}

#[test]
fn a_listing_on_late_observations_falls_with_its_evidence() {
    for void_later in [false, true] {
        let mut world = World::new();
        let entries = starve_case(&mut world, RELAY);
        let key = hasher().domain("trap-one.example");
        let void = Order::Void { source: EvidenceSource::Trap(key), since: crate::support::world::start() };
        if void_later {
            entries.iter().for_each(|entry| drop(observe(&mut world, entry, 4, exchanger())));
            assert!(world.is_listed(RELAY));
            let changes = world.order(void);
            assert!(
                changes
                    .list
                    .iter()
                    .any(|change| matches!(change, ListChange::Ended { how: ListingEnd::Voided, .. })),
                "{changes:?}"
            );
        } else {
            world.order(void);
            let late = entries.iter().map(|entry| observe(&mut world, entry, 4, exchanger()));
            let gone = late.filter(|changes| {
                changes.list == [ListChange::Ignored { why: "the report is not in the ledger" }]
            });
            assert_eq!(gone.count(), 4, "half of the reports came to the trap");
        }
        assert!(!world.is_listed(RELAY));
    }
}

#[test]
fn an_extension_on_late_observations_of_old_evidence_falls_with_it() {
    let mut world = World::new();
    let entries = starve_case(&mut world, RELAY);
    while !world.is_listed(RELAY) {
        world.tick(Span::from_hours(5));
        let report = world.report(RELAY);
        world.send(report);
    }
    let floor = listing_record(&world).floor;
    entries.iter().for_each(|entry| drop(observe(&mut world, entry, 4, exchanger())));
    let grounds = listing_record(&world).current.unwrap().grounds;
    assert!(grounds.after == floor && grounds.evidence.iter().all(|entry| *entry < floor), "{grounds:?}");
    let key = hasher().domain("trap-one.example");
    world.order(Order::Void { source: EvidenceSource::Trap(key), since: crate::support::world::start() });
    assert!(!world.is_listed(RELAY), "the entries of its evidence lie before its floor");
}

#[test]
fn a_late_report_shows_who_knows_a_trap_and_may_burn_it() {
    let mut world = World::new();
    let relays: Vec<String> = (1..=6).map(|nth| format!("198.18.0.{nth}")).collect();
    let mut entries = Vec::new();
    for address in &relays {
        let mut report = world.report(address);
        (report.trap, report.injector) = ("sales@trap-one.example", "192.0.2.9".parse().ok());
        entries.push(starve(&mut world, report));
    }
    let burned = |changes: &ListChanges| changes.list.contains(&ListChange::Burned);
    for (nth, entry) in entries[..5].iter().enumerate() {
        let changes = observe(&mut world, entry, 4, exchanger());
        assert_eq!(burned(&changes), nth == 4, "report {nth}: {changes:?}");
    }
    for address in &relays {
        let record = world.blocklist.relay_record(prefix(address));
        assert!(record.is_none_or(|record| record.ledger.marks().is_empty()), "{address}");
    }
    assert_eq!(ignored(&observe(&mut world, &entries[5], 4, exchanger())), "the report is not in the ledger");
    // A report that came later and that nobody could judge changes nothing about the trap.
    let mut report = world.report("198.18.0.7");
    (report.trap, report.injector) = ("sales@trap-one.example", "192.0.2.9".parse().ok());
    let entry = starve(&mut world, report);
    assert!(ignored(&observe(&mut world, &entry, 4, exchanger())).starts_with("the trap is burned"));
}

#[test]
fn a_report_that_was_merged_is_judged_by_the_one_that_stands_for_it() {
    let mut world = World::new();
    let mut first = world.report(RELAY);
    first.failed = "user@relay.example".to_owned();
    let mut second = first.clone();
    second.message = "another message".to_owned();
    let (one, two) = (world.evidence(first), {
        world.nth += 1;
        world.evidence(second)
    });
    world.take(one.clone());
    world.take(two.clone());
    world.tick(WAIT);
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert_eq!((record.ledger.marks().len(), record.ledger.marks()[0].more), (1, 1));
    assert_eq!(ignored(&observe(&mut world, &two, 4, exchanger())), "the report is not in the ledger");
    observe(&mut world, &one, 4, exchanger());
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    let mark = &record.ledger.marks()[0];
    assert_eq!((mark.relation, mark.more), (Relation::Confirmed, 1));
}

#[test]
fn a_listing_on_unknown_relations_ends_if_they_are_refuted_and_is_not_used_twice() {
    let mut world = World::new();
    world.adopt(&trusting_zone());
    let entries = starve_case(&mut world, RELAY);
    assert!(world.is_listed(RELAY), "this policy gives weight to unknown relations");
    let before = explained(&world);
    assert_eq!(
        ignored(&observe(&mut world, &entries[0], 4, exchanger())),
        "a listing used the report already"
    );
    assert_eq!(explained(&world), before);
    let changes: Vec<ListChange> =
        entries.iter().flat_map(|entry| observe(&mut world, entry, 5, refuting()).list).collect();
    assert!(
        changes.iter().any(|change| matches!(change, ListChange::Ended { how: ListingEnd::Voided, .. })),
        "{changes:?}"
    );
    assert!(!world.is_listed(RELAY));
}

#[test]
fn what_may_not_count_any_more_does_not_count_late() {
    type Spoil = fn(&mut World);
    let spoils: [(&str, Spoil); 3] = [
        ("the operator exempted the relay", |world| {
            let review_by = world.now.plus(Span::from_days(30));
            world.order(Order::Exempt { prefix: prefix(RELAY), review_by });
        }),
        ("the donor is suspended", |world| {
            let terms = DonorTerms { suspended: true, ..DonorTerms::default() };
            world.order(Order::SetDonor { donor: Donor::parse("own").unwrap(), terms });
        }),
        ("the recipient is not a trap", |world| {
            for domain in ["trap-one.example", "trap-two.example"] {
                world.order(Order::RetireTrap { key: hasher().domain(domain) });
            }
        }),
    ];
    for (why, spoil) in spoils {
        let mut world = World::new();
        let entries = starve_case(&mut world, RELAY);
        spoil(&mut world);
        for entry in &entries {
            assert_eq!(ignored(&observe(&mut world, entry, 4, exchanger())), why);
        }
        assert!(!world.is_listed(RELAY), "{why}");
    }
}

#[test]
fn one_network_stays_one_if_only_some_reports_were_observed_at_once() {
    let mut world = World::new();
    let seen = Observation { injector_network: Some(64_496), ..exchanger() };
    let mut entries = Vec::new();
    for nth in 0..12 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        report.injector = "192.0.2.9".parse().ok();
        if nth % 4 == 0 {
            report.seen = Some(seen.clone());
            world.send(report);
        } else {
            entries.push(starve(&mut world, report));
        }
    }
    entries.iter().for_each(|entry| drop(observe(&mut world, entry, 4, seen.clone())));
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    let networks: std::collections::BTreeSet<_> =
        record.ledger.marks().iter().map(|mark| mark.injector.unwrap().to_string()).collect();
    assert_eq!(networks.len(), 1, "{networks:?}");
    assert!(!world.is_listed(RELAY));
}

#[test]
fn an_observation_speaks_for_its_own_evidence_alone() {
    let mut world = World::new();
    let (report, other) = (world.report(RELAY), world.report("198.18.0.26"));
    let (entry, other) = (starve(&mut world, report), starve(&mut world, other));
    let Entry::Evidence(evidence) = entry else { unreachable!() };
    let swapped = Observation { evidence: other.id(), attempt: 4, counted: Some(evidence), ..exchanger() };
    assert_eq!(ignored(&world.take(Entry::Observation(swapped))), "the observation contains other evidence");
    let bare = Observation { evidence: other.id(), attempt: 4, ..exchanger() };
    assert_eq!(ignored(&world.take(Entry::Observation(bare))), "no evidence waits for this observation");
}

#[test]
fn each_try_is_an_entry_of_its_own() {
    let observation = |attempt| Entry::Observation(Observation { attempt, ..exchanger() });
    assert_ne!(observation(0).id(), observation(1).id());
    assert_eq!(observation(4).id(), observation(4).id());
}

#[test]
fn a_listing_does_not_use_up_evidence_that_still_waits() {
    let mut world = World::new();
    for _ in 0..6 {
        world.tick(Span::from_hours(5));
        let report = world.report(RELAY);
        world.send(report);
    }
    world.tick(Span::from_hours(5));
    let waits = world.report(RELAY);
    let waits = world.evidence(waits);
    world.take(waits.clone());
    let report = world.report(RELAY);
    world.send(report);
    assert!(world.is_listed(RELAY));
    let floor = listing_record(&world).floor;
    let before = explained(&world);
    world.take(Entry::Observation(Observation { evidence: waits.id(), ..exchanger() }));
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    let mark = record.ledger.marks().last().unwrap();
    assert!(mark.offset < floor && mark.counts_from() > floor, "it counts towards the next case");
    assert_eq!(explained(&world), before);
}

#[test]
fn a_restart_in_between_changes_nothing() {
    let mut world = World::new();
    let entries = starve_case(&mut world, RELAY);
    for entry in &entries {
        observe(&mut world, entry, 4, exchanger());
    }
    world.make_case(RELAY);
    let state = world.blocklist.to_checkpoint();
    for cut in 0..world.entries.len() {
        let mut again = Blocklist::new();
        world.entries[..cut].iter().for_each(|entry| drop(again.apply(entry)));
        let mut again = Blocklist::from_checkpoint(&again.to_checkpoint()).unwrap();
        world.entries[cut..].iter().for_each(|entry| drop(again.apply(entry)));
        assert_eq!(again.to_checkpoint(), state, "a restart after entry {cut}");
    }
}
