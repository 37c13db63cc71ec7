//! Tests of the guards under the shipped policy: what the share of a site and the limit of the zone
//! hold, and what lets it in.

use std::collections::BTreeSet;

use backscatterd::blocklist::{Blocklist, HoldingGuard, ListChange, ListChanges, WAITING_SITES_MAX};
use backscatterd::evidence::{Channel, Entry, Observation, Order};
use backscatterd::explain::explain;
use backscatterd::relay::{Prefix, RelaySite};
use backscatterd::time::Span;
use backscatterd::trap::Donor;

use crate::support::world::{ORIGIN, World, exchanger, laboratory_zone, prefix, relay};

/// The additions of one site in an hour, as shipped: a twentieth of 200.
const SHARE: usize = 10;
/// The additions of the zone in an hour, as shipped.
const LIMIT: usize = 200;
/// A relay of another site than all others.
const OTHER: &str = "198.19.255.25";

/// As many reports of each relay, five hours apart, all relays within the same second. Returns the
/// changes of the last ones. `seen` is the observation of each relay.
fn rounds(world: &mut World, rounds: usize, relays: &[String], seen: &Observation) -> Vec<ListChange> {
    let mut changes = Vec::new();
    // The next report of each relay shows another trap and another injector than its last one.
    let step = (relays.len()..).find(|step| step % 2 == 1 && step % 3 != 0).unwrap();
    for _ in 0..rounds {
        assert!(!changes.iter().any(|change| matches!(change, ListChange::Listed { .. })), "too early");
        changes = world.tick(Span::from_hours(5)).list;
        world.nth += (step - relays.len()) as u64;
        for relay in relays {
            let mut report = world.report(relay);
            report.seen = Some(seen.clone());
            changes.extend(world.send(report).list);
        }
    }
    changes
}

/// Lets the relays complete their cases within one hour, in this order. Returns the changes of that
/// hour.
fn complete(world: &mut World, relays: &[String], seen: &Observation) -> Vec<ListChange> {
    rounds(world, 7, relays, seen)
}

fn listed(world: &World, relays: &[String]) -> Vec<bool> {
    relays.iter().map(|relay| world.is_listed(relay)).collect()
}

fn count(world: &World, relays: &[String]) -> usize {
    listed(world, relays).into_iter().filter(|listed| *listed).count()
}

/// As many relays in each of as many IPv4 /24.
fn in_sites(sites: usize, relays: usize) -> Vec<String> {
    let of = |site: usize| (0..relays).map(move |relay| format!("198.18.{site}.{}", relay + 1));
    (0..sites).flat_map(of).collect()
}

fn holders(changes: &[ListChange]) -> Vec<HoldingGuard> {
    let guard = |change: &ListChange| match change {
        ListChange::Held { guard, .. } => Some(*guard),
        _ => None,
    };
    changes.iter().filter_map(guard).collect()
}

fn is_crowded(change: &ListChange) -> bool {
    matches!(change, ListChange::Crowded { .. })
}

/// Ticks every ten minutes for some hours.
fn hours(world: &mut World, hours: i64) -> Vec<ListChanges> {
    (0..6 * hours).map(|_| world.tick(Span::from_seconds(600))).collect()
}

/// Folds the world's journal again, with a checkpoint and a restart after every `every` entries, and
/// compares the states.
fn is_the_same_after_restarts(world: &World, every: usize) {
    let mut again = Blocklist::new();
    for (nth, recorded) in world.entries.iter().enumerate() {
        if nth % every == every - 1 {
            again = Blocklist::from_checkpoint(&again.to_checkpoint()).unwrap();
        }
        again.apply(recorded);
    }
    assert_eq!(again.status(), world.blocklist.status());
    assert!(again.to_checkpoint() == world.blocklist.to_checkpoint(), "the states differ");
}

#[test]
fn one_ipv6_site_takes_nothing_from_the_others_and_its_listings_come_in_later() {
    let mut world = World::new();
    let mut relays: Vec<String> = (0..300).map(|nth| format!("2001:db8:1:{nth:x}::25")).collect();
    relays.push(OTHER.to_owned());
    let changes = complete(&mut world, &relays, &exchanger());
    relays.pop();
    assert!(world.is_listed(OTHER), "a relay of another site is listed at once");
    let site = RelaySite::Network("2001:db8:1::/48".parse().unwrap());
    assert_eq!(holders(&changes), vec![HoldingGuard::Site(site); 300 - SHARE]);
    let held = world.blocklist.status().held[ORIGIN];
    assert_eq!((held.site, held.sites, held.zone, held.freeze), (300 - SHARE, 1, 0, 0));
    // Later in the same hour, nothing more comes in.
    world.tick(Span::from_seconds(600));
    assert_eq!(count(&world, &relays), SHARE);
    // Each later hour lets in one share, the oldest first.
    for hour in 2..=5 {
        hours(&mut world, 1);
        let oldest_first: Vec<bool> = (0..300).map(|nth| nth < SHARE * hour).collect();
        assert_eq!(listed(&world, &relays), oldest_first, "in hour {hour}");
    }
    is_the_same_after_restarts(&world, 97);
    is_the_same_after_restarts(&world, 1_000);
    // An operator who reviewed the relays need not wait.
    world.order(Order::Release);
    assert_eq!(count(&world, &relays), 300);
    assert!(world.blocklist.status().held.is_empty());
}

#[test]
fn many_ipv6_sites_of_one_provider_are_one_site_until_the_autonomous_system_is_known() {
    // Ten relays in each of 25 /48: their shares alone would use up the zone's 200 additions.
    let address = |nth: usize| format!("2001:db8:{:x}:{nth:x}::25", nth % 25 + 1);
    let mut relays: Vec<String> = (0..250).map(address).collect();
    let mut world = World::new();
    relays.push(OTHER.to_owned());
    let changes = complete(&mut world, &relays, &exchanger());
    assert!(world.is_listed(OTHER));
    let provider = HoldingGuard::Site(RelaySite::Network("2001:db8::/32".parse().unwrap()));
    assert_eq!(holders(&changes), vec![provider; 250 - SHARE]);
    relays.pop();
    relays.truncate(SHARE + 1);
    let mut world = World::new();
    let known = |nth: u32| Observation { network: Some(64_500 + nth), ..exchanger() };
    rounds(&mut world, 6, &relays, &known(0));
    world.tick(Span::from_hours(5));
    for (nth, relay) in (1..).zip(&relays) {
        let mut report = world.report(relay);
        report.seen = Some(known(nth));
        world.send(report);
    }
    // Each has an autonomous system of its own.
    assert_eq!(count(&world, &relays), SHARE + 1);
}

/// A report that the relay delivered is not lost in a burst of those that a donor handed on.
#[test]
fn a_direct_report_is_kept_beside_a_submitted_one_of_the_same_burst() {
    let mut world = World::new();
    let direct = world.report(OTHER);
    let mut submitted = direct.clone();
    submitted.message = "the same report, from a donor".to_owned();
    let Entry::Evidence(mut evidence) = world.evidence(submitted) else { panic!() };
    evidence.channel = Channel::Submitted;
    evidence.forwarded_by = Some(Donor::parse("own").unwrap());
    let id = evidence.id;
    world.take(Entry::Evidence(evidence));
    world.take(Entry::Observation(Observation { evidence: id, ..exchanger() }));
    world.send(direct);
    let ledger = world.blocklist.relay_record(prefix(OTHER)).unwrap().ledger;
    let channels: Vec<Channel> = ledger.marks().iter().map(|mark| mark.channel).collect();
    assert_eq!(channels, [Channel::Submitted, Channel::Direct]);
}

#[test]
fn a_new_case_does_not_pass_the_listings_of_its_site_that_wait() {
    let mut world = World::new();
    let relays = in_sites(1, 2 * SHARE + 1);
    let (early, late) = relays.split_at(2 * SHARE);
    rounds(&mut world, 6, &relays, &exchanger());
    rounds(&mut world, 1, early, &exchanger());
    hours(&mut world, 1);
    assert_eq!(count(&world, early), 2 * SHARE);
    let report = world.report(&late[0]);
    assert!(matches!(holders(&world.send(report).list)[..], [HoldingGuard::Site(_)]));
    hours(&mut world, 1);
    assert!(world.is_listed(&late[0]) && world.blocklist.status().held.is_empty());
}

#[test]
fn with_many_sites_waiting_nothing_comes_in_by_itself() {
    for (sites, crowded) in [(WAITING_SITES_MAX, false), (WAITING_SITES_MAX + 1, true)] {
        let mut world = World::new();
        let relays = in_sites(sites, SHARE + 2);
        let changes = complete(&mut world, &relays, &exchanger());
        assert_eq!(holders(&changes).len(), 2 * sites);
        assert_eq!(changes.iter().filter(|change| is_crowded(change)).count(), usize::from(crowded));
        assert_eq!(world.blocklist.status().held[ORIGIN].is_crowded(), crowded);
        let quiet = hours(&mut world, 3);
        assert!(!quiet.iter().any(|changes| changes.list.iter().any(is_crowded)));
        let expected = if crowded { SHARE } else { SHARE + 2 } * sites;
        assert_eq!(count(&world, &relays), expected, "{sites} sites");
        is_the_same_after_restarts(&world, 101);
        world.order(Order::Release);
        assert_eq!(count(&world, &relays), (SHARE + 2) * sites);
    }
}

#[test]
fn when_fewer_sites_wait_again_the_others_come_in() {
    let mut world = World::new();
    let relays = in_sites(WAITING_SITES_MAX + 1, SHARE + 1);
    complete(&mut world, &relays, &exchanger());
    hours(&mut world, 2);
    assert_eq!(count(&world, &relays), SHARE * (WAITING_SITES_MAX + 1));
    // The owner of one waiting relay removes it.
    world.order(Order::Remove { relay: relay(&format!("198.18.0.{}", SHARE + 1)) });
    hours(&mut world, 1);
    assert_eq!(count(&world, &relays), SHARE * (WAITING_SITES_MAX + 1) + WAITING_SITES_MAX);
    assert!(!world.is_listed(&format!("198.18.0.{}", SHARE + 1)));
    assert!(world.blocklist.status().held.is_empty());
}

#[test]
fn what_the_limit_of_the_zone_holds_waits_for_the_operator() {
    let mut world = World::new();
    let relays = in_sites(30, 8);
    let changes = complete(&mut world, &relays, &exchanger());
    assert_eq!(holders(&changes), vec![HoldingGuard::Zone; 240 - LIMIT]);
    hours(&mut world, 5);
    assert_eq!(count(&world, &relays), LIMIT);
    is_the_same_after_restarts(&world, 103);
    world.order(Order::Release);
    assert_eq!(count(&world, &relays), 240);
}

#[test]
fn listings_that_waited_count_for_the_limit_of_the_zone() {
    let mut world = World::bare();
    world.adopt(
        &laboratory_zone()
            .replace("additions_per_hour = 200", "additions_per_hour = 4")
            .replace("additions_per_hour_thousandths = 50", "additions_per_hour_thousandths = 0")
            .replace("additions_per_site_thousandths = 50", "additions_per_site_thousandths = 500"),
    );
    for trap in ["trap-one.example", "trap-two.example"] {
        world.add_trap(trap);
    }
    // Two of each site are listed. The third site finds the zone's limit reached.
    let relays = in_sites(3, 4);
    let changes = complete(&mut world, &relays, &exchanger());
    assert_eq!(holders(&changes).iter().filter(|guard| **guard == HoldingGuard::Zone).count(), 4);
    hours(&mut world, 1);
    assert_eq!(count(&world, &relays[..8]), 8, "the next hour has room for the four that waited");
    hours(&mut world, 2);
    assert_eq!(count(&world, &relays[8..]), 0);
}

#[test]
fn an_organisation_and_an_autonomous_system_are_sites() {
    let organisation = Observation { organisation: Some("house.example".into()), ..exchanger() };
    let system = Observation { network: Some(64_500), ..exchanger() };
    for (seen, is_right) in [
        (organisation, (|site| matches!(site, RelaySite::Organisation(_))) as fn(RelaySite) -> bool),
        (system, |site| site.to_string() == "AS64500"),
    ] {
        let mut world = World::new();
        let relays = in_sites(SHARE + 3, 1);
        let changes = complete(&mut world, &relays, &seen);
        let holders = holders(&changes);
        let by_site = |guard: &HoldingGuard| matches!(guard, HoldingGuard::Site(site) if is_right(*site));
        assert!(holders.len() == 3 && holders.iter().all(by_site), "{holders:?}");
        hours(&mut world, 1);
        assert_eq!(count(&world, &relays), SHARE + 3);
        is_the_same_after_restarts(&world, 11);
    }
    // Without such an answer, relays of different networks have no site in common.
    let mut world = World::new();
    let relays = in_sites(SHARE + 3, 1);
    assert!(holders(&complete(&mut world, &relays, &exchanger())).is_empty());
}

#[test]
fn a_relay_does_not_leave_its_organisation_when_its_dns_is_silent() {
    let mut world = World::new();
    let relays = in_sites(SHARE + 1, 1);
    let known = Observation { organisation: Some("house.example".into()), ..exchanger() };
    rounds(&mut world, 1, &relays, &known);
    let changes = rounds(&mut world, 6, &relays, &exchanger());
    assert_eq!(holders(&changes).len(), 1, "{changes:?}");
}

#[test]
fn a_freeze_holds_what_waits_and_a_removal_drops_it() {
    let mut world = World::new();
    let relays = in_sites(1, SHARE + 3);
    complete(&mut world, &relays, &exchanger());
    world.order(Order::Freeze);
    hours(&mut world, 2);
    assert_eq!(count(&world, &relays), SHARE);
    let gone = &relays[SHARE];
    let changes = world.order(Order::Remove { relay: relay(gone) });
    assert!(changes.relays.contains(&prefix(gone)));
    world.order(Order::Release);
    assert_eq!(count(&world, &relays), SHARE + 2);
    assert!(!world.is_listed(gone));
}

#[test]
fn a_zone_file_from_before_the_shares_reads_and_has_none() {
    let text = laboratory_zone();
    let old: String = text
        .lines()
        .filter(|line| {
            !line.starts_with("additions_per_site_thousandths") && !line.starts_with("direct_reports")
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let mut world = World::bare();
    world.adopt(&old);
    for trap in ["trap-one.example", "trap-two.example"] {
        world.add_trap(trap);
    }
    let relays = in_sites(1, 3 * SHARE);
    complete(&mut world, &relays, &exchanger());
    assert_eq!(count(&world, &relays), 3 * SHARE);
    // A new file must name both.
    let mut complaints = backscatterd::complaint::Complaints::about("zone");
    backscatterd::zone::read("zone", &old).unwrap().check_new(&mut complaints);
    let told: Vec<String> = complaints.into_vec().iter().map(ToString::to_string).collect();
    let about: BTreeSet<&str> = ["guards.additions_per_site_thousandths", "direct_reports = 1"].into();
    assert!(about.iter().all(|about| told.iter().any(|told| told.contains(about))), "{told:?}");
    let mut complaints = backscatterd::complaint::Complaints::about("zone");
    backscatterd::zone::read("zone", &text).unwrap().check_new(&mut complaints);
    assert!(complaints.into_vec().is_empty());
}

#[test]
fn explanations_and_audit_records_name_the_guard_and_what_ends_the_hold() {
    let mut world = World::new();
    let relays = in_sites(1, SHARE + 1);
    complete(&mut world, &relays, &exchanger());
    world.order(Order::Freeze);
    let told = |world: &World, address: &str| {
        let blocklist = &world.blocklist;
        let record = blocklist.relay_record(Prefix::host(relay(address)));
        let status = blocklist.status();
        let explained = explain(
            relay(address),
            record.as_ref(),
            &status.exemptions,
            &blocklist.snapshot(),
            blocklist.offset(),
        );
        explained.to_string()
    };
    let waiting = told(&world, &relays[SHARE]);
    for text in ["the listing is held", "the share of its site (198.18.0.0/24)", "by itself in a later hour"]
    {
        assert!(waiting.contains(text), "{text}: {waiting}");
    }
    assert!(!told(&world, &relays[0]).contains("held"), "a listed relay is not held");
    let mut records = Vec::new();
    for _ in 0..8 {
        world.tick(Span::from_hours(5));
        let report = world.report(OTHER);
        records.extend(world.send(report).audit);
    }
    let frozen = told(&world, OTHER);
    assert!(frozen.contains("the list is frozen") && frozen.contains("until the operator releases it"));
    let held: Vec<_> = records.iter().filter(|record| record.act == "held").collect();
    assert!(held.len() == 1 && held[0].why.contains("the list is frozen; the listing waits"), "{held:?}");
    world.order(Order::Release);
    assert!(!told(&world, OTHER).contains("held since"));
    assert!(world.is_listed(OTHER));
}
