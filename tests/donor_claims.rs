//! Tests of the fold: a trap that two donors gave, what the second of them hands on, and donors that
//! leave.

use backscatterd::blocklist::{Blocklist, ListChange, ListChanges};
use backscatterd::evidence::{Channel, Entry, EvidenceSource, GivenTrap, Observation, Order};
use backscatterd::score::Ledger;
use backscatterd::time::{Span, Timestamp};
use backscatterd::trap::{Contribution, Donor, DonorTerms, TrapCount};

use crate::support::world::{Report, World, exchanger, hasher, laboratory_zone, prefix};

const RELAY: &str = "198.18.0.25";
const DOMAINS: [&str; 2] = ["trap-one.example", "trap-two.example"];

fn donor(name: &str) -> Donor {
    Donor::parse(name).unwrap()
}

/// A world in which the donors gave the two trap domains, in this order.
fn given_by(donors: &[&str]) -> World {
    let mut world = World::bare();
    world.adopt(&laboratory_zone());
    for name in donors {
        give(&mut world, name);
    }
    world
}

fn give(world: &mut World, name: &str) {
    world.order(Order::SetDonor { donor: donor(name), terms: DonorTerms::default() });
    world.order(feed(name));
}

fn feed(name: &str) -> Order {
    let traps = DOMAINS.map(|domain| {
        let named = hasher().named(domain).unwrap();
        let (key, scope, domain) = (named.key, named.scope, named.domain);
        GivenTrap { key, scope, domain, silent_since: Some(Timestamp::default()) }
    });
    Order::AddTraps { donor: donor(name), traps: traps.to_vec() }
}

/// The evidence of a report that a donor hands on.
fn handed_on(world: &mut World, report: Report, name: &str) -> Entry {
    let mut entry = world.evidence(report);
    if let Entry::Evidence(evidence) = &mut entry {
        (evidence.channel, evidence.forwarded_by) = (Channel::Submitted, Some(donor(name)));
    }
    entry
}

/// Folds a report that a donor hands on, and its observation if it waits for one.
fn hand_on(world: &mut World, report: Report, name: &str) -> ListChanges {
    let seen = report.seen.clone();
    let entry = handed_on(world, report, name);
    let evidence = entry.id();
    let changes = world.take(entry);
    match seen {
        Some(seen) if changes.list.is_empty() => {
            world.take(Entry::Observation(Observation { evidence, ..seen }))
        }
        _ => changes,
    }
}

fn ledger(world: &World) -> Ledger {
    world.blocklist.relay_record(prefix(RELAY)).unwrap().ledger
}

/// What a donor can see of itself.
fn seen(world: &World, name: &str) -> (Contribution, TrapCount) {
    let contribution = world.blocklist.donors()[&donor(name)].contribution;
    // Evidence that relays brought to the server itself is for the operator only.
    let shown = Contribution { counted: 0, last: Timestamp::default(), ..contribution };
    (shown, world.blocklist.traps().count_of(&donor(name)))
}

/// Direct reports of a relay every five hours, until it is listed. `before` runs before each of
/// them, with the report. Returns the number of reports and what their case weighed.
fn until_listed(
    world: &mut World,
    mut before: impl FnMut(&mut World, &Report),
    seen: Option<&Observation>,
) -> (usize, String) {
    for nth in 1..30 {
        world.tick(Span::from_hours(5));
        // Reports of relays are numbered by the world; what others do must not change them.
        world.nth = 1_000 + nth;
        let report = Report { seen: seen.cloned(), ..world.report(RELAY) };
        before(world, &report);
        world.nth = 1_001 + nth;
        world.send(report);
        if world.is_listed(RELAY) {
            let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
            let grounds = record.records.values().find_map(|record| record.current.clone()).unwrap().grounds;
            return (
                usize::try_from(nth).unwrap(),
                format!("{:?} {:?}", grounds.points, grounds.evidence.len()),
            );
        }
    }
    panic!("it is never listed");
}

#[test]
fn what_a_second_donor_hands_on_neither_strengthens_nor_weakens_the_case_of_the_first() {
    let known = exchanger();
    // The policy trusts `own`. A donor that it does not trust gives at most half of the points, and
    // a claim on both domains must not make the claiming donor the only one.
    let alone = until_listed(&mut given_by(&["own", "isp"]), |_, _| {}, Some(&known));
    type Act = fn(&mut World, &Report);
    let acts: [(&str, Act); 4] = [
        ("the same message before the relay brings it", |world, report| {
            hand_on(world, report.clone(), "isp");
        }),
        ("other messages of the same bursts", |world, report| {
            for nth in 0..20 {
                let message = format!("{} copy {nth}", report.message);
                hand_on(world, Report { message, ..report.clone() }, "isp");
            }
        }),
        ("other recipients and injectors", |world, report| {
            for nth in 0..20 {
                let (message, failed) =
                    (format!("{} new {nth}", report.message), format!("x{nth}@relay.example"));
                let injector = Some(std::net::IpAddr::from([203, 0, 113, nth]));
                hand_on(world, Report { message, failed, injector, ..report.clone() }, "isp");
            }
        }),
        ("a full ledger", |world, report| {
            for nth in 0..600_u32 {
                let message = format!("{} flood {nth}", report.message);
                let (failed, [_, _, high, low]) = (format!("y{nth}@relay.example"), nth.to_be_bytes());
                let injector = Some(std::net::IpAddr::from([20 + high, low, 1, 1]));
                hand_on(world, Report { message, failed, injector, ..report.clone() }, "isp");
            }
        }),
    ];
    for (what, act) in acts {
        let mut world = given_by(&["own", "isp"]);
        let mut times = 0;
        let acted = until_listed(
            &mut world,
            |world, report| {
                times += 1;
                if what != "a full ledger" || times == 2 {
                    act(world, report);
                }
            },
            Some(&known),
        );
        assert_eq!(acted, alone, "{what}");
        let handed = seen(&world, "isp").0;
        assert!(handed.evidence > 0 && handed.forwarded > 0, "{what}: {handed:?}");
    }
}

#[test]
fn a_second_donor_takes_no_place_of_reports_that_may_count_later() {
    let mut world = given_by(&["own", "isp"]);
    let silent = Observation { mx_of_recipient: None, same_organisation: None, ..exchanger() };
    let report = Report { seen: Some(silent.clone()), ..world.report(RELAY) };
    for nth in 0..20 {
        let message = format!("copy {nth}");
        hand_on(&mut world, Report { message, ..report.clone() }, "isp");
    }
    hand_on(&mut world, report.clone(), "isp");
    let before = ledger(&world);
    assert!(before.marks().iter().all(|mark| mark.is_outranked()), "nothing of it has weight");
    let direct = world.send(report);
    assert!(direct.list.iter().any(|change| matches!(change, ListChange::Counted { .. })), "{direct:?}");
    let waiting =
        ledger(&world).marks().iter().filter(|mark| !mark.is_outranked() && mark.unanswered).count();
    assert_eq!(waiting, 1, "the relay's own report waits for a late answer, and was not merged away");
}

#[test]
fn a_donor_sees_the_same_whether_it_is_the_first_the_second_or_alone() {
    let play = |donors: &[&str]| {
        let mut world = given_by(donors);
        let mut shown = Vec::new();
        for nth in 0..6 {
            world.tick(Span::from_hours(5));
            world.nth = 100 + nth;
            let report = world.report(RELAY);
            // The relay brings the same report to the server itself, which a donor must not notice.
            if nth % 2 == 0 {
                world.send(report.clone());
            }
            hand_on(&mut world, report, "me");
            shown.push(seen(&world, "me"));
        }
        let no_report = Report { kind: backscatterd::classify::Kind::Unknown, ..world.report(RELAY) };
        hand_on(&mut world, no_report, "me");
        shown.push(seen(&world, "me"));
        // Others are suspended, voided and leave.
        for other in donors.iter().filter(|name| **name != "me") {
            let terms = DonorTerms { suspended: true, ..DonorTerms::default() };
            world.order(Order::SetDonor { donor: donor(other), terms });
            shown.push(seen(&world, "me"));
            let source = EvidenceSource::Donor(donor(other));
            world.order(Order::Void { source, since: Timestamp::default() });
            world.order(Order::DismissDonor { donor: donor(other) });
        }
        shown.dedup();
        let report = world.report(RELAY);
        hand_on(&mut world, report, "me");
        shown.push(seen(&world, "me"));
        let again: Blocklist = Blocklist::from_checkpoint(&world.blocklist.to_checkpoint()).unwrap();
        assert_eq!(again.donors(), world.blocklist.donors());
        shown
    };
    let alone = play(&["me"]);
    assert_eq!(alone.last().unwrap().0.evidence, 7, "six reports and the last one are evidence");
    for donors in [&["me", "other"][..], &["other", "me"], &["other", "third", "me"]] {
        assert_eq!(play(donors), alone, "{donors:?}");
    }
}

#[test]
fn the_claim_follows_when_the_first_donor_is_voided_and_not_while_it_is_suspended() {
    let mut world = given_by(&["first", "second"]);
    let suspended = DonorTerms { suspended: true, ..DonorTerms::default() };
    world.order(Order::SetDonor { donor: donor("first"), terms: suspended });
    world.tick(Span::from_hours(1));
    let report = world.report(RELAY);
    let direct = world.send(report);
    assert!(
        direct.list.contains(&ListChange::Ignored { why: "the donor is suspended" }),
        "until the operator decides, nothing at the trap counts: {direct:?}"
    );
    let report = world.report(RELAY);
    hand_on(&mut world, report, "second");
    assert!(ledger(&world).marks().iter().all(|mark| mark.is_outranked()));
    let source = EvidenceSource::Donor(donor("first"));
    world.order(Order::Void { source, since: Timestamp::default() });
    let report = world.report(RELAY);
    hand_on(&mut world, report, "second");
    let report = world.report(RELAY);
    world.send(report);
    let weighing: Vec<Channel> =
        ledger(&world).marks().iter().filter(|mark| !mark.is_outranked()).map(|mark| mark.channel).collect();
    assert_eq!(weighing, [Channel::Submitted, Channel::Direct], "from now on the trap is the second donor's");
    // The second donor's own void takes both kinds of its reports.
    let source = EvidenceSource::Donor(donor("second"));
    world.order(Order::Void { source, since: Timestamp::default() });
    assert!(world.blocklist.relay_record(prefix(RELAY)).is_none_or(|record| record.ledger.is_empty()));
}

#[test]
fn a_donor_that_leaves_takes_its_evidence_and_listings_with_it() {
    let mut world = given_by(&["own"]);
    world.order(Order::SetDonor { donor: donor("isp"), terms: DonorTerms::default() });
    let named = hasher().named("third.example").unwrap();
    let third = GivenTrap {
        key: named.key,
        scope: named.scope,
        domain: named.domain,
        silent_since: Some(Timestamp::default()),
    };
    world.order(Order::AddTraps { donor: donor("isp"), traps: vec![third] });
    world.order(feed("isp"));
    // A case that stands on the own domains, and another that needs the donor's domain.
    let quorum = laboratory_zone().replace("trap_domains = 2", "trap_domains = 3");
    assert_ne!(quorum, laboratory_zone());
    world.adopt(&quorum);
    for nth in 0..12 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        if nth % 3 == 2 {
            report.trap = "x@third.example";
        }
        world.send(report);
    }
    assert!(world.is_listed(RELAY));
    let waiting = {
        let mut report = world.report(RELAY);
        report.trap = "x@third.example";
        let entry = handed_on(&mut world, report, "isp");
        world.take(entry.clone());
        entry
    };
    assert_eq!(world.blocklist.pending().count(), 1);
    let changes = world.order(Order::DismissDonor { donor: donor("isp") });
    assert!(changes.list.iter().any(|change| matches!(change, ListChange::Ended { .. })), "{changes:?}");
    assert!(changes.audit.iter().any(|record| record.act == "dismiss-donor" && record.about == "isp"));
    assert!(!world.is_listed(RELAY));
    assert_eq!(world.blocklist.pending().count(), 0);
    assert!(ledger(&world).marks().iter().all(|mark| mark.donor == donor("own").short()));
    assert!(!world.blocklist.donors().contains_key(&donor("isp")));
    assert!(!world.blocklist.traps().is_active(named.key), "the donor's own domain is no trap any more");
    assert!(world.blocklist.traps().is_active(hasher().domain(DOMAINS[0])), "the operator gave it too");
    let state = world.blocklist.to_checkpoint();
    assert!(!state.windows(3).any(|window| window == b"isp"), "the state still names the donor");

    // What comes late does not bring it back: a list, a report, an observation.
    let ignored = |changes: &ListChanges, why: &str| {
        assert!(
            matches!(&changes.list[..], [ListChange::Ignored { why: is }] if is.contains(why)),
            "{changes:?}"
        );
    };
    ignored(&world.order(feed("isp")), "the donor left");
    ignored(&world.order(Order::DismissDonor { donor: donor("isp") }), "no such donor");
    ignored(&world.order(Order::DismissDonor { donor: donor("own") }), "the operator");
    ignored(&world.take(waiting.clone()), "is not known");
    let observation = Observation { evidence: waiting.id(), ..exchanger() };
    ignored(&world.take(Entry::Observation(observation)), "no evidence waits");
    assert!(!world.blocklist.donors().contains_key(&donor("isp")));

    // The same name later: a new donor, for whom only new evidence counts.
    world.tick(Span::from_hours(1));
    give(&mut world, "isp");
    world.order(Order::AddTraps { donor: donor("isp"), traps: vec![third] });
    assert_eq!(seen(&world, "isp").0, Contribution::default());
    ignored(&world.take(waiting), "left");
    let mut report = world.report(RELAY);
    report.trap = "x@third.example";
    hand_on(&mut world, report, "isp");
    assert_eq!(seen(&world, "isp").0.evidence, 1);
    let again = Blocklist::from_checkpoint(&world.blocklist.to_checkpoint()).unwrap();
    assert_eq!(again.to_checkpoint(), world.blocklist.to_checkpoint());
}
