//! Tests of the fold under the shipped policy: which relays are listed, for what, and for how long.

use backscatterd::blocklist::ListChange;
use backscatterd::classify::Kind;
use backscatterd::evidence::{Entry, Observation, Order, OriginalSender};
use backscatterd::listing::ListingEnd;
use backscatterd::mail::ReversePath;
use backscatterd::relay::Prefix;
use backscatterd::score::BURST_MARKS_MAX;
use backscatterd::time::Span;

use crate::support::world::{ORIGIN, World, laboratory_zone, prefix, relay};

const RELAY: &str = "198.18.0.25";

fn ignored(changes: &backscatterd::blocklist::ListChanges) -> &'static str {
    match &changes.list[..] {
        [ListChange::Ignored { why }] => why,
        other => panic!("not ignored: {other:?}"),
    }
}

#[test]
fn a_pattern_over_traps_injectors_recipients_and_a_day_lists_a_relay() {
    let mut world = World::new();
    let mut listed_at = None;
    for nth in 1..=8 {
        world.tick(Span::from_hours(5));
        assert!(!world.is_listed(RELAY), "before report {nth}");
        let report = world.report(RELAY);
        if world.send(report).list.iter().any(|change| matches!(change, ListChange::Listed { .. })) {
            listed_at = Some(nth);
            break;
        }
    }
    assert_eq!(listed_at, Some(7), "the third occasion comes after thirty hours");
    assert!(world.is_listed(RELAY));
    assert!(!world.is_listed("198.18.0.26"));
}

#[test]
fn every_part_of_the_quorum_is_needed() {
    struct Spoiled {
        what: &'static str,
        spoil: fn(&mut crate::support::world::Report),
    }
    let cases = [
        Spoiled { what: "one trap domain", spoil: |report| report.trap = "sales@trap-one.example" },
        Spoiled { what: "one injector network", spoil: |report| report.injector = "192.0.2.9".parse().ok() },
        Spoiled {
            what: "one failed recipient",
            spoil: |report| report.failed = "alias@relay.example".to_owned(),
        },
    ];
    for Spoiled { what, spoil } in cases {
        let mut world = World::new();
        for _ in 0..40 {
            world.tick(Span::from_hours(5));
            let mut report = world.report(RELAY);
            spoil(&mut report);
            world.send(report);
        }
        assert!(!world.is_listed(RELAY), "{what}");
    }
    let mut burst = World::new();
    for _ in 0..40 {
        burst.tick(Span::from_seconds(2_000));
        let report = burst.report(RELAY);
        burst.send(report);
    }
    assert!(!burst.is_listed(RELAY), "22 hours are less than the span of a day");
}

#[test]
fn one_injectors_burst_counts_once() {
    let mut world = World::new();
    world.tick(Span::from_hours(1));
    for _ in 0..500 {
        let mut report = world.report(RELAY);
        report.injector = "192.0.2.9".parse().ok();
        report.trap = "sales@trap-one.example";
        world.send(report);
    }
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert_eq!(record.ledger.marks().len(), BURST_MARKS_MAX);
    assert_eq!(record.ledger.marks().iter().map(|mark| 1 + mark.more).sum::<u32>(), 500);
    assert!(!world.is_listed(RELAY));
}

#[test]
fn the_same_report_sent_again_counts_once() {
    let mut world = World::new();
    let report = world.report(RELAY);
    world.send(report.clone());
    world.tick(Span::from_hours(30));
    assert_eq!(ignored(&world.send(report)), "the same report was counted before");
}

#[test]
fn rfc3464_s6_only_failures_score() {
    for kind in
        [Kind::DsnDelayed, Kind::DsnSuccess, Kind::Mdn, Kind::FeedbackReport, Kind::Unknown, Kind::FakeNdr]
    {
        let mut world = World::new();
        for _ in 0..20 {
            world.tick(Span::from_hours(5));
            let mut report = world.report(RELAY);
            report.kind = kind;
            assert_eq!(ignored(&world.send(report)), "no zone has a code for this kind", "{kind}");
        }
        assert!(!world.is_listed(RELAY), "{kind}");
    }
}

#[test]
fn rfc3464_s4_a_report_to_several_recipients_is_an_anomaly() {
    let mut world = World::new();
    let mut report = world.report(RELAY);
    report.recipients = 2;
    assert_eq!(ignored(&world.send(report)), "a report has one recipient (RFC 3464 §2)");
}

#[test]
fn rfc3464_s8_a_report_from_another_reverse_path_does_not_score() {
    let mut world = World::new();
    let mut report = world.report(RELAY);
    report.reverse_path = ReversePath::parse("<mailer-daemon@relay.example>");
    assert_eq!(ignored(&world.send(report)), "a report must come from the null reverse-path (RFC 3464 §2)");
}

#[test]
fn what_is_no_trap_weighs_nothing() {
    let mut world = World::new();
    let mut report = world.report(RELAY);
    report.trap = "someone@elsewhere.example";
    assert_eq!(ignored(&world.send(report.clone())), "the recipient is not a trap");

    world.add_trap("bait@elsewhere.example");
    assert_eq!(ignored(&world.send(report.clone())), "the recipient is not a trap", "unseeded local part");
    report.trap = "bait@elsewhere.example";
    assert!(matches!(world.send(report.clone()).list[..], [ListChange::Counted { .. }]));

    let key = crate::support::world::hasher()
        .address(&backscatterd::mail::Mailbox::parse("bait@elsewhere.example").unwrap());
    world.order(Order::RetireTrap { key });
    report.message = "another".to_owned();
    assert_eq!(ignored(&world.send(report)), "the recipient is not a trap", "retired");
}

#[test]
fn rfc6471_o14_special_purpose_relays_are_never_listed() {
    let mut world = World::bare();
    world.adopt(crate::support::world::SHIPPED);
    world.add_trap("trap-one.example");
    world.add_trap("trap-two.example");
    for address in ["192.0.2.99", "10.1.2.3", "127.0.0.2", "198.18.0.25", "2001:db8::1", "fe80::1"] {
        for _ in 0..8 {
            world.tick(Span::from_hours(5));
            let report = world.report(address);
            assert!(
                ignored(&world.send(report)).starts_with("the relay's address is special-purpose"),
                "{address}"
            );
        }
        assert!(world.blocklist.relay_record(prefix(address)).is_none());
    }
    let mut report = world.report("9.9.9.9");
    report.injector = "192.0.2.9".parse().ok();
    world.send(report);
    let record = world.blocklist.relay_record(prefix("9.9.9.9")).unwrap();
    assert_eq!(record.ledger.marks()[0].injector, None, "a special-purpose address is no injector");
}

#[test]
fn weaker_reports_need_company() {
    let mut world = World::new();
    for _ in 0..6 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        report.sender = OriginalSender::Other;
        world.send(report);
    }
    assert!(!world.is_listed(RELAY), "reports about mail in the name of another sender weigh a quarter");
}

#[test]
fn a_listing_ends_at_a_tick_and_only_new_evidence_brings_it_back() {
    let mut world = World::new();
    world.make_case(RELAY);
    let serial = world.serial();
    world.tick(Span::from_days(2));
    assert!(world.is_listed(RELAY));
    assert_eq!(world.serial(), serial, "a tick that ends nothing changes nothing");
    let changes = world.tick(Span::from_days(1));
    assert!(matches!(&changes.list[..], [ListChange::Ended { how: ListingEnd::Expired, .. }]), "{changes:?}");
    assert!(!world.is_listed(RELAY));
    assert!(world.serial() > serial);

    let report = world.report(RELAY);
    world.send(report);
    assert!(!world.is_listed(RELAY), "evidence that a listing used does not count again");
    let changes = world.make_case(RELAY);
    let until = changes.iter().find_map(|change| match change {
        ListChange::Listed { until, .. } => Some(*until),
        _ => None,
    });
    let lasts = until.unwrap().since(world.now);
    assert!(lasts > Span::from_days(3) && lasts <= Span::from_days(7), "{lasts}");
}

#[test]
fn new_evidence_extends_and_a_third_listing_shows_as_persistent() {
    let mut world = World::new();
    world.make_case(RELAY);
    let changes = world.make_case(RELAY);
    assert!(changes.iter().any(|change| matches!(change, ListChange::Extended { .. })));
    assert!(!changes.iter().any(|change| matches!(change, ListChange::Listed { .. })));
    for _ in 0..2 {
        world.tick(Span::from_days(8));
        assert!(!world.is_listed(RELAY));
        world.make_case(RELAY);
    }
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert_eq!(record.records[&(ORIGIN.into(), 2)].current.as_ref().unwrap().times, 3);
    let config = &world.blocklist.snapshot().zones()[0].config.clone();
    assert_eq!(record.public(relay(RELAY)).answer_mask(config), 2 | 64);
}

#[test]
fn rfc5782_d11_a_removal_takes_effect_at_once_and_forgives_what_came_before() {
    let mut world = World::new();
    world.make_case(RELAY);
    let changes = world.order(Order::Remove { relay: relay(RELAY) });
    assert!(matches!(&changes.list[..], [ListChange::Ended { how: ListingEnd::Removed, .. }]), "{changes:?}");
    assert!(!world.is_listed(RELAY));
    assert!(
        world.ask(&format!("25.0.18.198.{ORIGIN}"), backscatterd::zone::QueryType::Txt).answers.is_empty()
    );

    // Half a case, a removal, and the other half do not make a case.
    for round in 0..2 {
        for _ in 0..4 {
            world.tick(Span::from_hours(5));
            let report = world.report(RELAY);
            world.send(report);
        }
        assert!(!world.is_listed(RELAY), "round {round}");
        world.order(Order::Remove { relay: relay(RELAY) });
    }
    // A listing after a removal lasts twice as long: the second one 14 days instead of 7.
    let changes = world.make_case(RELAY);
    let until = changes.iter().find_map(|change| match change {
        ListChange::Listed { until, .. } => Some(until.since(world.now)),
        _ => None,
    });
    assert!(until.unwrap() > Span::from_days(13), "{until:?}");
}

#[test]
fn a_removal_on_request_leaves_what_the_operator_decided() {
    let (network, until) = ("203.0.113.0/24".parse().unwrap(), "2026-06-01T00:00:00Z".parse().unwrap());
    let on_request = |relay_text: &str| Order::RemoveOnRequest { relay: relay(relay_text), network };
    let list = |text: &str, code| {
        let prefix = text.parse().unwrap();
        Order::List { origin: ORIGIN.to_owned(), prefix, code, until }
    };
    let mut world = World::new();
    // By decision alone: nothing goes.
    world.order(list("198.18.0.30", 2));
    assert_eq!(
        ignored(&world.order(on_request("198.18.0.30"))),
        "no listing of the relay stands on evidence"
    );
    assert!(world.is_listed("198.18.0.30"));
    // Beside a case: the case goes, and what came before is forgiven.
    world.make_case(RELAY);
    world.order(list(RELAY, 16));
    let changes = world.order(on_request(RELAY));
    let ended: Vec<u8> = changes
        .list
        .iter()
        .filter_map(|change| match change {
            ListChange::Ended { code, how: ListingEnd::Removed, .. } => Some(*code),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [2], "{changes:?}");
    assert_eq!(changes.audit[0].by, "test from 203.0.113.0/24");
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    let standing: Vec<u8> =
        record.records.iter().filter(|(_, of)| of.current.is_some()).map(|((_, code), _)| *code).collect();
    assert_eq!(standing, [16]);
    assert_eq!(ignored(&world.order(on_request(RELAY))), "no listing of the relay stands on evidence");
    world.tick(Span::from_hours(5));
    let report = world.report(RELAY);
    world.send(report);
    assert!(!world.is_listed(RELAY), "one report does not list again");
    // A request from an address of a /64 that is listed by decision does not end that listing.
    world.order(list("2001:db8:1:2::/64", 2));
    assert_eq!(
        ignored(&world.order(on_request("2001:db8:1:2::99"))),
        "no listing of the relay stands on evidence"
    );
    assert!(world.is_listed("2001:db8:1:2::99"));
    world.make_case("2001:db8:1:2::25");
    world.order(on_request("2001:db8:1:2::25"));
    assert!(world.is_listed("2001:db8:1:2::25"), "the network is listed by decision");
    // The operator's own removal ends both.
    world.order(Order::Remove { relay: relay("2001:db8:1:2::25") });
    assert!(!world.is_listed("2001:db8:1:2::25"));
}

#[test]
fn the_first_trap_key_holds() {
    let mut world = World::new();
    let of = |text: &[u8]| Order::SetTrapKey { fingerprint: backscatterd::digest::Digest::of(text) };
    let changes = world.order(of(b"key"));
    assert_eq!((&changes.list[..], changes.audit.len()), (&[ListChange::Decided][..], 1));
    assert_eq!(ignored(&world.order(of(b"key"))), "the key is known already");
    assert_eq!(ignored(&world.order(of(b"other"))), "the traps are hashed under another key");
    let restored =
        backscatterd::blocklist::Blocklist::from_checkpoint(&world.blocklist.to_checkpoint()).unwrap();
    assert_eq!(restored.trap_key(), Some(backscatterd::digest::Digest::of(b"key")));
}

#[test]
fn an_unlisted_half_case_is_forgiven_by_a_removal_too() {
    let mut world = World::new();
    for _ in 0..5 {
        world.tick(Span::from_hours(5));
        let report = world.report(RELAY);
        world.send(report);
    }
    let changes = world.order(Order::Remove { relay: relay(RELAY) });
    assert_eq!(changes.list, [ListChange::Decided]);
    world.tick(Span::from_hours(5));
    let report = world.report(RELAY);
    world.send(report);
    assert!(!world.is_listed(RELAY));
}

#[test]
fn time_comes_from_ticks_alone_and_evidence_is_bounded_by_it() {
    let mut world = World::new();
    let time = world.blocklist.time();
    let mut report = world.report(RELAY);
    report.seen_at = Some(time.plus(Span::from_days(400)));
    world.send(report);
    assert_eq!(world.blocklist.time(), time);
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert_eq!(record.ledger.marks()[0].seen_at, time);

    let mut report = world.report(RELAY);
    report.seen_at = Some(time.minus(Span::from_days(400)));
    world.send(report);
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    assert!(record.ledger.marks().iter().all(|mark| mark.seen_at == time));
}

#[test]
fn evidence_waits_for_its_observation_or_its_deadline() {
    let mut world = World::new();
    world.adopt(&laboratory_zone().replace("observation_wait = \"15m\"", "observation_wait = \"10m\""));
    let counted = |changes: &backscatterd::blocklist::ListChanges| {
        changes.list.iter().any(|change| matches!(change, ListChange::Counted { .. }))
    };
    let report = world.report(RELAY);
    let entry = world.evidence(report);
    let id = entry.id();
    assert!(!counted(&world.take(entry)));
    let observation = Observation { evidence: id, ..crate::support::world::exchanger() };
    assert!(counted(&world.take(Entry::Observation(observation.clone()))));
    assert!(!counted(&world.take(Entry::Observation(observation))), "an observation counts once");

    let mut report = world.report(RELAY);
    report.seen = None;
    world.send(report);
    assert!(!counted(&world.tick(Span::from_seconds(599))));
    assert!(counted(&world.tick(Span::from_seconds(1))));
}

#[test]
fn ipv6_lists_an_address_by_its_own_evidence_and_no_neighbour() {
    let mut world = World::new();
    for nth in 0..16 {
        world.tick(Span::from_hours(5));
        // A neighbour in the same /64 has one broken alias.
        let mut report = world.report(if nth % 2 == 0 { "2001:db8:1:2::99" } else { "2001:db8:1:2::25" });
        if nth % 2 == 0 {
            report.failed = "alias@neighbour.example".to_owned();
        }
        report.trap = ["sales@trap-one.example", "jdoe@trap-two.example"][nth / 2 % 2];
        world.send(report);
    }
    assert!(world.is_listed("2001:db8:1:2::25"));
    assert!(!world.is_listed("2001:db8:1:2::99") && !world.is_listed("2001:db8:1:2::1"));

    let line: Prefix = "2001:db8:1:2::/64".parse().unwrap();
    let until = world.now.plus(Span::from_days(2));
    world.order(Order::List { origin: ORIGIN.to_owned(), prefix: line, code: 2, until });
    assert!(world.is_listed("2001:db8:1:2:ffff::1"), "a decision lists a network");
    world.order(Order::Remove { relay: relay("2001:db8:1:2::99") });
    assert!(!world.is_listed("2001:db8:1:2::99"), "a removal of one address ends the listing of the network");
    assert!(world.is_listed("2001:db8:1:2::25"));
    world.tick(Span::from_days(4));
    assert!(world.blocklist.snapshot().zones()[0].entries.is_empty());
}

#[test]
fn many_addresses_of_one_line_crowd_out_nobody() {
    let mut world = World::new();
    for nth in 0..100 {
        let report = world.report(&format!("2001:db8:1:2::{nth:x}"));
        world.send(report);
    }
    assert_eq!(world.blocklist.ledgers(), 64);
    let report = world.report(RELAY);
    assert!(matches!(world.send(report).list[..], [ListChange::Counted { .. }]));
}

#[test]
fn a_zone_that_comes_back_does_not_go_back() {
    let mut world = World::new();
    let raised = laboratory_zone().replace("serial_base = 1", "serial_base = 1000000");
    world.adopt(&raised);
    let before = world.serial();
    world.order(Order::WithdrawZone { origin: crate::support::world::ORIGIN.to_owned() });
    world.adopt(&laboratory_zone());
    assert_eq!(world.serial(), before + 1, "a base that is behind is not used");
    world.adopt(&laboratory_zone().replace("serial_base = 1", "serial_base = 2000000"));
    assert_eq!(world.serial(), 2_000_000);
}

#[test]
fn old_evidence_is_forgotten() {
    let mut world = World::new();
    let report = world.report(RELAY);
    world.send(report);
    world.tick(Span::from_days(27));
    assert!(world.blocklist.relay_record(prefix(RELAY)).is_some());
    world.tick(Span::from_days(2));
    assert!(world.blocklist.relay_record(prefix(RELAY)).is_none());
}

#[test]
fn callouts_and_replies_are_listed_apart() {
    for (kind, label, code) in [(Kind::Callout, "callout", 8), (Kind::AutoReply, "auto", 4)] {
        let mut world = World::new();
        world.add_trap("trap-three.example");
        for nth in 0..30 {
            world.tick(Span::from_hours(5));
            let mut report = world.report(RELAY);
            report.kind = kind;
            report.trap = ["a@trap-one.example", "b@trap-two.example", "c@trap-three.example"][nth % 3];
            report.injector = None;
            report.sender = OriginalSender::Unknown;
            world.send(report);
        }
        assert!(!world.is_listed(RELAY), "{kind} is not part of the main zone");
        let answer = world.ask(&format!("25.0.18.198.{label}.{ORIGIN}"), backscatterd::zone::QueryType::A);
        let address = crate::support::world::Value::Address(std::net::IpAddr::from([127, 0, 0, code]));
        assert_eq!(answer.answers.first().map(|record| record.data.clone()), Some(address), "{kind}");
    }
}

#[test]
fn a_zone_that_is_withdrawn_is_gone_and_one_that_loses_a_network_ends_its_listings() {
    let mut world = World::new();
    world.make_case(RELAY);
    world.adopt(crate::support::world::SHIPPED);
    assert!(!world.is_listed(RELAY), "the shipped zone permits no laboratory networks");
    world.order(Order::WithdrawZone { origin: ORIGIN.to_owned() });
    assert_eq!(world.rcode(RELAY), backscatterd::zone::Rcode::Refused);
    assert_eq!(ignored(&world.adopt("nonsense")), "this program cannot read the zone's file");
}

/// Evidence that a removal forgave or a listing used stays so, whatever happens to the zones.
#[test]
fn no_change_of_zones_brings_back_what_was_forgiven_or_used() {
    struct Changed {
        what: &'static str,
        change: fn(&mut World),
    }
    let changes = [
        Changed {
            what: "withdrawn and adopted again",
            change: |world| {
                world.order(Order::WithdrawZone { origin: ORIGIN.to_owned() });
                world.adopt(&laboratory_zone());
            },
        },
        Changed {
            what: "a network lost and regained",
            change: |world| {
                world.adopt(crate::support::world::SHIPPED);
                world.adopt(&laboratory_zone());
            },
        },
        Changed {
            what: "another policy",
            change: |world| {
                world.adopt(&laboratory_zone().replace("half_life = \"7d\"", "half_life = \"9d\""));
            },
        },
        Changed {
            what: "a second zone",
            change: |world| {
                let second = laboratory_zone().replace("origin = \"bl.", "origin = \"bl2.");
                let origin = "bl2.backscatter.example.".to_owned();
                world.order(Order::AdoptZone { origin, text: second });
            },
        },
    ];
    for Changed { what, change } in changes {
        for removed in [true, false] {
            let mut world = World::new();
            world.make_case(RELAY);
            if removed {
                world.order(Order::Remove { relay: relay(RELAY) });
            } else {
                world.tick(Span::from_days(4));
            }
            assert!(!world.is_listed(RELAY));
            change(&mut world);
            let report = world.report(RELAY);
            world.send(report);
            assert!(!world.is_listed(RELAY), "{what}, removed: {removed}");
            let listed = world.blocklist.snapshot().zones().iter().any(|zone| !zone.entries.is_empty());
            // A second zone judges evidence for itself that no removal forgave.
            assert!(!listed || (what == "a second zone" && !removed), "{what}, removed: {removed}");
        }
    }
}

#[test]
fn a_removal_reaches_evidence_that_still_waits() {
    let mut world = World::new();
    world.adopt(&laboratory_zone().replace("observation_wait = \"15m\"", "observation_wait = \"3d\""));
    for _ in 0..6 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        report.seen = None;
        world.send(report);
    }
    world.order(Order::Remove { relay: relay(RELAY) });
    world.tick(Span::from_days(4));
    assert!(!world.is_listed(RELAY));
    assert!(
        world.blocklist.relay_record(prefix(RELAY)).is_none_or(|record| record.ledger.marks().is_empty())
    );
}

#[test]
fn a_wrong_clock_makes_no_pattern_of_a_burst() {
    let mut world = World::new();
    world.tick(Span::from_days(10));
    for nth in 0..30 {
        let mut report = world.report(RELAY);
        if nth % 2 == 0 {
            report.seen_at = Some(backscatterd::time::Timestamp::default());
        }
        world.send(report);
        world.tick(Span::from_seconds(60));
    }
    assert!(!world.is_listed(RELAY));
}

#[test]
fn what_weighs_nothing_makes_up_no_numbers() {
    let mut world = World::new();
    world.adopt(&laboratory_zone().replace("sender_other = 250", "sender_other = 0"));
    // A full case, except that only reports without weight reached the second trap domain.
    for nth in 0..24 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        report.sender = if nth % 2 == 0 { OriginalSender::Trap } else { OriginalSender::Other };
        report.trap = if nth % 2 == 0 { "sales@trap-one.example" } else { "jdoe@trap-two.example" };
        world.send(report);
    }
    assert!(!world.is_listed(RELAY));
    for kind in ["dsn-delayed", "unknown"] {
        let zone = laboratory_zone()
            .replace("kinds = [\"content-notice\", \"mdn-reject\"]", &format!("kinds = [{kind:?}]"));
        let complaints = backscatterd::zone::read("zone", &zone).unwrap_err();
        assert!(complaints[0].problem.contains("weighs nothing"), "{complaints:?}");
    }
}

#[test]
fn a_serial_base_that_is_behind_is_not_used() {
    let mut world = World::new();
    world.adopt(&laboratory_zone().replace("serial_base = 1", "serial_base = 100000"));
    let serial = world.serial();
    assert_eq!(serial, 100_000);
    world.adopt(&laboratory_zone());
    assert_eq!(world.serial(), serial + 1);
    world.adopt(&laboratory_zone().replace("serial_base = 1", "serial_base = 3000000000"));
    assert_eq!(world.serial(), serial + 2, "RFC 1982: a serial more than half way round is behind");
}

#[test]
fn rfc1982_n12_the_serial_goes_round_the_end() {
    let mut world = World::new();
    // Each step is less than half way round.
    for base in [2_000_000_000u32, 4_000_000_000, 4_294_967_280] {
        world.adopt(&laboratory_zone().replace("serial_base = 1", &format!("serial_base = {base}")));
    }
    let (mut before, mut rounds) = (world.serial(), 0);
    for nth in 0..40u8 {
        let prefix = prefix(&format!("198.18.7.{nth}"));
        let until = world.now.plus(Span::from_days(1));
        world.order(Order::List { origin: ORIGIN.to_owned(), prefix, code: 2, until });
        let serial = world.serial();
        assert!((1..1 << 31).contains(&serial.wrapping_sub(before)), "{before} before {serial}");
        rounds += usize::from(serial < before);
        before = serial;
    }
    assert_eq!(rounds, 1);
}
