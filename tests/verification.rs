//! What the fold makes of the answers of relays' sides.

use std::collections::BTreeSet;

use backscatterd::blocklist::{ListChange, VerificationQuestion};
use backscatterd::classify::Kind;
use backscatterd::evidence::{
    AskedHost, AskedSide, Channel, Entry, Observation, Order, Verification, VerificationAnswer,
};
use backscatterd::relay::Relay;
use backscatterd::score::short_domain;
use backscatterd::time::{Span, Timestamp};
use backscatterd::trap::Donor;
use backscatterd::zone::{QueryType, Rcode};

use crate::support::world::{ORIGIN, Report, World, exchanger, laboratory_zone, prefix, told};

const RELAY: &str = "198.18.0.25";

/// The laboratory's zone, in which a listing in the main zone needs the answer of the relay's side.
fn required() -> String {
    laboratory_zone().replace("verification = \"off\"", "verification = \"required\"")
}

/// A world with that zone.
fn world(answer: VerificationAnswer) -> World {
    let mut world = World::new();
    world.adopt(&required());
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

/// Enters the answer of the relay's side about a domain, from a session that ended at a time.
fn answer(world: &mut World, domain: &str, answer: VerificationAnswer, ended: Timestamp) {
    let (relay, said) = (RELAY.parse().unwrap(), (answer, answer.name()));
    let session = AskedHost { host: [198, 18, 0, 25].into(), ended, answer, is_unreachable: false };
    let verification = Verification::new(relay, domain.to_owned(), AskedSide::Exchangers, said, world.now);
    world.take(Entry::Verification(Box::new(verification.by_sessions(vec![session]))));
}

/// The questions to the relay's side.
fn questions(world: &World) -> Vec<VerificationQuestion> {
    world.blocklist.questions(prefix(RELAY))
}

#[test]
fn an_answer_lasts_as_long_as_the_listing_is_held() {
    for (answer, is_listed_later) in [
        (VerificationAnswer::NoAnswer, true),
        (VerificationAnswer::TakesAll, true),
        (VerificationAnswer::RefusesUnknown, false),
    ] {
        let mut world = world(VerificationAnswer::TakesAll);
        world.order(Order::Freeze);
        case(&mut world, |_| {});
        case(&mut world, |_| {});
        assert_eq!(world.blocklist.status().held[ORIGIN].freeze, 1);
        // Its side is asked every day while the list is frozen.
        world.answers.insert(RELAY.parse::<Relay>().unwrap(), answer);
        for _ in 0..5 {
            world.tick(Span::from_hours(25));
        }
        assert_eq!(questions(&world).len(), usize::from(is_listed_later), "{answer:?}");
        assert_eq!(world.blocklist.status().unverified.len(), 0, "{answer:?}: the case waits for no answer");
        assert!(!is_listed(&world, ORIGIN));
        world.order(Order::Release);
        assert_eq!(is_listed(&world, ORIGIN), is_listed_later, "{answer:?} after five days");
    }
}

#[test]
fn no_case_waits_in_a_zone_that_is_withdrawn_or_asks_for_no_answer() {
    let waiting = || {
        let mut world = world(VerificationAnswer::NoAnswer);
        case(&mut world, |_| {});
        assert_eq!(world.blocklist.status().unverified[ORIGIN], 1);
        world
    };
    let mut withdrawn = waiting();
    let changes = withdrawn.order(Order::WithdrawZone { origin: ORIGIN.to_owned() });
    assert!(changes.relays.contains(&prefix(RELAY)), "readers learn that there is no question");
    assert_eq!(withdrawn.blocklist.status().unverified.len(), 0);
    assert_eq!((withdrawn.blocklist.questioned().count(), questions(&withdrawn).len()), (0, 0));
    for (verification, is_listed_now) in [("off", true), ("claims", true), ("required", false)] {
        let mut world = waiting();
        let zone = required().replace("\"required\"", &format!("\"{verification}\""));
        world.adopt(&zone.replace("points_thousandths = 3000", "points_thousandths = 2900"));
        assert_eq!(is_listed(&world, ORIGIN), is_listed_now, "{verification}");
        assert_eq!(world.blocklist.status().unverified.is_empty(), is_listed_now, "{verification}");
    }
    // A case that the new file does not complete waits for nothing.
    let mut stricter = waiting();
    stricter.adopt(&required().replace("points_thousandths = 3000", "points_thousandths = 9000"));
    assert_eq!(stricter.blocklist.status().unverified.len(), 0);
}

#[test]
fn a_listing_is_asked_about_again_in_the_commonest_domains_of_its_case() {
    let mut names: Vec<String> = (1..=5).map(|nth| format!("d{nth}.relay.example")).collect();
    names.sort_by_key(|name| short_domain(name));
    // The domains with the highest digests have the most reports, and the last report is about another.
    let order = [4, 3, 0, 4, 1, 3, 4, 2];
    let mut world = world(VerificationAnswer::TakesAll);
    for name in &names {
        let now = world.now;
        answer(&mut world, name, VerificationAnswer::TakesAll, now);
    }
    for at in order {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAY);
        report.failed = report.failed.replace("relay.example", &names[at]);
        world.send(report);
    }
    assert!(is_listed(&world, ORIGIN));
    let asked: BTreeSet<u64> = questions(&world).iter().map(|question| question.domain).collect();
    let commonest: BTreeSet<u64> = [4, 3, 0].iter().map(|&at| short_domain(&names[at])).collect();
    assert_eq!(asked, commonest, "the lowest digest of those with one report each");
    // The listing ends when these three refuse, and not before.
    for (at, stays) in [(1, true), (2, true), (4, true), (3, true), (0, false)] {
        let now = world.now;
        answer(&mut world, &names[at], VerificationAnswer::RefusesUnknown, now);
        assert_eq!(is_listed(&world, ORIGIN), stays, "{}", names[at]);
    }
}

#[test]
fn an_answer_counts_from_its_session_for_two_days_and_a_veto_for_longer() {
    // The answer of another relay's question may be up to a day old when it is entered.
    let policy = |world: &mut World| {
        let zone =
            required().replace("span = \"24h\"", "span = \"0s\"").replace("occasions = 3", "occasions = 1");
        world.adopt(&zone);
    };
    let listed_after = |given, hours| {
        let mut world = world(VerificationAnswer::NoAnswer);
        policy(&mut world);
        let ended = world.now.minus(Span::from_hours(20));
        answer(&mut world, "relay.example", given, ended);
        world.tick(Span::from_hours(hours));
        for nth in 0..12 {
            let mut report = world.report(RELAY);
            report.seen_at = Some(world.now.minus(Span::from_hours(nth)));
            world.send(report);
        }
        (is_listed(&world, ORIGIN), questions(&world))
    };
    let (listed, asked) = listed_after(VerificationAnswer::TakesAll, 27);
    assert!(listed, "47 hours after the session");
    assert_eq!(asked.len(), 1, "it is asked again while it is listed");
    let (listed, asked) = listed_after(VerificationAnswer::TakesAll, 29);
    assert!(!listed, "49 hours after the session");
    assert_eq!(asked.len(), 1, "the case waits for a new answer");
    let (listed, asked) = listed_after(VerificationAnswer::RefusesUnknown, 24 * 14);
    assert!(!listed && asked.is_empty(), "a veto holds, and nothing is asked");
}

#[test]
fn a_domain_with_a_veto_takes_no_place_in_a_burst() {
    let with_veto = |is_known: bool| {
        let mut world = world(VerificationAnswer::NoAnswer);
        let say = |world: &mut World, domain: &str, said: VerificationAnswer| {
            let now = world.now;
            answer(world, domain, said, now);
        };
        if is_known {
            say(&mut world, "refuses.example", VerificationAnswer::RefusesUnknown);
        }
        for _ in 0..8 {
            world.tick(Span::from_hours(5));
            let last = world.report(RELAY);
            // Reports of the same burst come first.
            for nth in 0..12 {
                let failed = format!("user{nth}of{}@refuses.example", world.nth);
                let report = Report { failed, message: format!("{nth} of {}", world.nth), ..last.clone() };
                world.send(report);
            }
            world.send(last);
        }
        say(&mut world, "refuses.example", VerificationAnswer::RefusesUnknown);
        say(&mut world, "relay.example", VerificationAnswer::TakesAll);
        let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
        (is_listed(&world, ORIGIN), record.ledger.marks().len())
    };
    assert_eq!(with_veto(true), (true, 8 * (8 + 1)), "the reports of the two domains are kept apart");
    assert_eq!(with_veto(false), (true, 8 * 8), "each domain has a share of the burst");
}

#[test]
fn a_line_of_a_log_adds_weight_to_verified_reports_and_asks_nobody() {
    let world_with = |points: usize, lines: usize, answer: VerificationAnswer| {
        let mut world = world(answer);
        world.adopt(
            &required().replace("points_thousandths = 3000", &format!("points_thousandths = {points}")),
        );
        for _ in 0..lines {
            let mut entry = world.report(RELAY);
            (entry.kind, entry.seen) = (Kind::NullRejected, None);
            let mut entry = world.evidence(entry);
            if let Entry::Evidence(evidence) = &mut entry {
                evidence.facts.failures.clear();
                evidence.report = None;
                evidence.channel = Channel::Logged;
                evidence.forwarded_by = Donor::parse("own").ok();
            }
            world.take(entry);
        }
        world
    };
    let alone = world_with(1_000, 50, VerificationAnswer::TakesAll);
    assert!(!is_listed(&alone, ORIGIN) && questions(&alone).is_empty(), "no report, no question");
    // The number of points that the reports reach alone, and with the lines.
    let reached = |lines: usize, answer: VerificationAnswer| {
        let is_reached = |points: &usize| {
            let mut world = world_with(*points, lines, answer);
            case(&mut world, |_| {});
            is_listed(&world, ORIGIN)
        };
        (2_000..5_000).step_by(50).rfind(is_reached)
    };
    let (without, with) = (
        reached(0, VerificationAnswer::TakesAll).unwrap(),
        reached(50, VerificationAnswer::TakesAll).unwrap(),
    );
    assert!(with > without && with < without * 110 / 100, "{without} and {with}");
    assert_eq!(reached(50, VerificationAnswer::RefusesUnknown), None);
}

/// Sends one report whose failed recipient is in a domain.
fn report_about(world: &mut World, trap: &'static str, domain: &str) {
    let mut report = world.report(RELAY);
    (report.trap, report.failed) = (trap, report.failed.replace("relay.example", domain));
    world.send(report);
}

/// The domains that the relay's side is asked about.
fn asked_domains(world: &World) -> BTreeSet<u64> {
    questions(world).iter().map(|question| question.domain).collect()
}

/// Ten names of which one is a trap. A report to each of them names a domain of its own.
const GUESSES: [&str; 10] = [
    "a@guess-0.example",
    "a@guess-1.example",
    "a@guess-2.example",
    "a@guess-3.example",
    "a@guess-4.example",
    "a@guess-5.example",
    "a@guess-6.example",
    "a@guess-7.example",
    "a@guess-8.example",
    "a@guess-9.example",
];

/// The domain that the report to a guess names.
fn tag(nth: usize) -> String {
    format!("g-{nth}.relay.example")
}

#[test]
fn the_questions_do_not_tell_which_of_ten_guesses_is_a_trap() {
    // The guesses come before the case is complete, or after.
    for guesses_come_first in [false, true] {
        let asked_if = |bait: usize| {
            let mut world = world(VerificationAnswer::NoAnswer);
            world.add_trap(&format!("guess-{bait}.example"));
            let guess = |world: &mut World| {
                (0..GUESSES.len()).for_each(|nth| report_about(world, GUESSES[nth], &tag(nth)));
            };
            if guesses_come_first {
                guess(&mut world);
            }
            case(&mut world, |_| {});
            if !guesses_come_first {
                guess(&mut world);
            }
            let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
            let hits = record.ledger.marks().iter().filter(|mark| mark.domain == short_domain(&tag(bait)));
            assert_eq!(hits.count(), 1, "the hit counts");
            let mut asked = Vec::new();
            for _ in 0..7 {
                asked.push(asked_domains(&world));
                world.tick(Span::from_hours(25));
                let report = world.report(RELAY);
                world.send(report);
            }
            asked
        };
        let first = asked_if(0);
        assert!(first.iter().all(|asked| *asked == BTreeSet::from([short_domain("relay.example")])));
        assert!((1..GUESSES.len()).all(|bait| asked_if(bait) == first), "{guesses_come_first}");
    }
}

#[test]
fn a_waiting_case_is_asked_about_at_most_one_further_domain_a_day() {
    let mut world = world(VerificationAnswer::NoAnswer);
    case(&mut world, |_| {});
    let names: Vec<String> = (0..4).map(tag).collect();
    for name in names.iter().chain(&names) {
        let trap = world.report(RELAY).trap;
        report_about(&mut world, trap, name);
        world.tick(Span::from_hours(7));
    }
    let mut before = asked_before(&world);
    for _ in 0..6 {
        world.tick(Span::from_hours(25));
        let now = asked_before(&world);
        assert!(now.len() <= before.len() + 1 && now.is_superset(&before));
        before = now;
    }
    assert_eq!(before.len(), 1 + names.len(), "silent domains keep none of the others away");
}

/// The domains that the relay's side was asked about until now.
fn asked_before(world: &World) -> BTreeSet<u64> {
    let record = world.blocklist.relay_record(prefix(RELAY)).unwrap();
    record.answers.into_keys().collect()
}
