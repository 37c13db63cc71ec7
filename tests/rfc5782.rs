//! Checks the answers of a zone against RFC 5782 and related RFCs, without a network.
//!
//! The ids in the names of the tests are rows of `docs/STANDARDS.md`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use backscatterd::evidence::Order;
use backscatterd::time::Span;
use backscatterd::zone::{QueryType, Rcode, reversed};
use proptest::prelude::*;

use crate::support::world::{ORIGIN, Told, Value, World, laboratory_zone};

const LISTED: &str = "198.18.0.25";
const LISTED_V6: &str = "2001:db8:1:2::25";
const EVERY_TYPE: [QueryType; 7] = [
    QueryType::A,
    QueryType::Aaaa,
    QueryType::Txt,
    QueryType::Soa,
    QueryType::Ns,
    QueryType::Any,
    QueryType::Other,
];

fn listed() -> World {
    let mut world = World::new();
    world.make_case(LISTED);
    world.make_case(LISTED_V6);
    world
}

fn name(address: &str) -> String {
    format!("{}.{ORIGIN}", reversed(address.parse().unwrap()))
}

fn a(answer: &Told) -> Option<Ipv4Addr> {
    match answer.answers.first().map(|record| &record.data) {
        Some(Value::Address(IpAddr::V4(v4))) => Some(*v4),
        _ => None,
    }
}

fn txt(answer: &Told) -> Option<&str> {
    match answer.answers.first().map(|record| &record.data) {
        Some(Value::Txt(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn rfc5782_d1_a_listed_address_answers_inside_127() {
    let world = listed();
    for address in [LISTED, LISTED_V6] {
        assert_eq!(
            a(&world.ask(&name(address), QueryType::A)),
            Some(Ipv4Addr::new(127, 0, 0, 2)),
            "{address}"
        );
    }
}

#[test]
fn rfc5782_d2_a_listed_address_has_one_text_that_says_why() {
    let world = listed();
    let answer = world.ask(&name(LISTED), QueryType::Txt);
    assert_eq!(answer.answers.len(), 1);
    let text = txt(&answer).unwrap();
    assert!(text.contains(LISTED) && text.contains("https://") && text.len() <= 255, "{text}");
}

#[test]
fn rfc5782_d3_what_is_not_listed_has_no_record_of_any_type() {
    let world = listed();
    let mut runner = proptest::test_runner::TestRunner::default();
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits)));
    runner
        .run(&prop_oneof![v4, v6], |address| {
            prop_assume!(!address.is_loopback() && address.to_string() != LISTED);
            for query_type in EVERY_TYPE {
                let answer = world.ask(&name(&address.to_string()), query_type);
                prop_assert!(answer.answers.is_empty(), "{address} {query_type:?}");
                prop_assert_eq!(answer.rcode, Rcode::NameError);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn rfc5782_d3_every_address_of_a_listed_range_answers() {
    let mut world = World::new();
    let (prefix, until) = ("2001:db8:1:2::/64".parse().unwrap(), world.now.plus(Span::from_days(1)));
    world.order(Order::List { origin: ORIGIN.to_owned(), prefix, code: 2, until });
    let range = u128::from("2001:db8:1:2::".parse::<Ipv6Addr>().unwrap());
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&any::<u64>(), |host| {
            let address = Ipv6Addr::from(range | u128::from(host)).to_string();
            prop_assert_eq!(a(&world.ask(&name(&address), QueryType::A)), Some(Ipv4Addr::new(127, 0, 0, 2)));
            prop_assert!(txt(&world.ask(&name(&address), QueryType::Txt)).is_some());
            Ok(())
        })
        .unwrap();
}

#[test]
fn rfc5782_d4_d5_d6_test_entries_stand_for_every_value_and_none_for_1() {
    // An empty zone has test entries too: they show whether the list works at all.
    let mut world = World::bare();
    world.adopt(&laboratory_zone());
    let views: [(&str, u8); 6] =
        [("", 2 | 32 | 64), ("dsn.", 2), ("auto.", 4), ("callout.", 8), ("content.", 16), ("all.", 126)];
    for (label, mask) in views {
        for value in 0..=255u8 {
            let v4 = Ipv4Addr::new(127, 0, 0, value);
            let reversed = [reversed(v4.into()), reversed(v4.to_ipv6_mapped().into())];
            for name in reversed.map(|name| format!("{name}.{label}{ORIGIN}")) {
                let answer = world.ask(&name, QueryType::A);
                let returns = value != 0 && value % 2 == 0 && value & !mask == 0;
                let want = match value {
                    _ if returns => Some(v4),
                    // RFC 5782 §5: every list has the entry 127.0.0.2.
                    2 => Some(Ipv4Addr::new(127, 0, 0, 1 << mask.trailing_zeros())),
                    _ => None,
                };
                assert_eq!(a(&answer), want, "{name}");
                assert_eq!(txt(&world.ask(&name, QueryType::Txt)).is_some(), want.is_some(), "{name}");
                assert_eq!(answer.rcode == Rcode::NameError, want.is_none(), "{name}");
            }
        }
    }
}

#[test]
fn rfc5782_d5_ipv6_names_are_whole_and_their_case_does_not_matter() {
    let world = listed();
    let whole = name("2001:db8:1:2::25");
    assert!(a(&world.ask(&whole.to_uppercase(), QueryType::A)).is_some());
    assert_eq!(world.ask(&format!("0.{whole}"), QueryType::A).rcode, Rcode::NameError, "33 nibbles");
    let (_, shorter) = whole.split_once('.').unwrap();
    let answer = world.ask(shorter, QueryType::A);
    assert!(answer.answers.is_empty(), "31 nibbles");
}

#[test]
fn rfc5782_d7_sublists_are_subdomains_and_codes() {
    let world = listed();
    let at = |label: &str| {
        world.ask(&format!("{}.{label}.{ORIGIN}", reversed(LISTED.parse().unwrap())), QueryType::A)
    };
    assert_eq!(a(&at("dsn")), Some(Ipv4Addr::new(127, 0, 0, 2)));
    assert_eq!(a(&at("all")), Some(Ipv4Addr::new(127, 0, 0, 2)));
    assert_eq!(at("auto").rcode, Rcode::NameError);
    for label in ["2", "12", "x", "UP", "a.b"] {
        let zone = laboratory_zone().replace("label = \"dsn\"", &format!("label = {label:?}"));
        let complaints = backscatterd::zone::read("zone", &zone).unwrap_err();
        assert!(complaints[0].key.contains("sublists[0].label"), "{label}: {complaints:?}");
    }
}

#[test]
fn rfc5782_d9_the_apex_leads_to_the_web_host_and_there_is_no_wildcard() {
    let mut world = listed();
    let apex = world.ask(ORIGIN, QueryType::A);
    assert!(apex.answers.is_empty() && apex.rcode == Rcode::NoError);
    let zone = laboratory_zone()
        .replace("web_addresses = []", "web_addresses = [\"203.0.113.80\", \"2001:db8::80\"]");
    world.adopt(&zone);
    assert_eq!(a(&world.ask(ORIGIN, QueryType::A)), Some(Ipv4Addr::new(203, 0, 113, 80)));
    assert_eq!(world.ask(ORIGIN, QueryType::Aaaa).answers.len(), 1);
    for nonsense in ["www", "nonsense", "a.b.c.d", "1.2.3.4.5", "256.1.1.1", "nonsense.dsn", "dsn.dsn"] {
        assert_eq!(
            world.ask(&format!("{nonsense}.{ORIGIN}"), QueryType::A).rcode,
            Rcode::NameError,
            "{nonsense}"
        );
    }
}

#[test]
fn rfc5782_d10_no_ttl_outlives_the_listing() {
    let mut world = listed();
    let record = world.blocklist.relay_record(crate::support::world::prefix(LISTED)).unwrap();
    let until = record.records[&(ORIGIN.into(), 2)].current.as_ref().unwrap().until;
    let ttl = |world: &World| world.ask(&name(LISTED), QueryType::A).answers[0].ttl;
    assert_eq!(ttl(&world), 900);
    for left in [899, 60, 1] {
        // The TTL follows the time of the query, also between two ticks of the list.
        world.now = until.minus(Span::from_seconds(left));
        assert_eq!(i64::from(ttl(&world)), left);
    }
}

#[test]
fn rfc5782_d11_what_is_removed_is_a_name_error_at_once() {
    let mut world = listed();
    world.order(backscatterd::evidence::Order::Remove { relay: LISTED.parse().unwrap() });
    for query_type in EVERY_TYPE {
        assert_eq!(world.ask(&name(LISTED), query_type).rcode, Rcode::NameError, "{query_type:?}");
    }
}

#[test]
fn rfc2308_n1_negative_answers_carry_the_soa_with_the_lesser_ttl() {
    let world = listed();
    for (asked, rcode) in [(name("9.9.9.9"), Rcode::NameError), (name(LISTED), Rcode::NoError)] {
        let answer = world.ask(&asked, QueryType::Other);
        assert_eq!(answer.rcode, rcode);
        let (owner, soa) = answer.negative.unwrap();
        assert_eq!(owner.to_string(), ORIGIN);
        assert_eq!(soa.ttl, 120, "the minimum, which is less than the SOA's own TTL");
        assert!(matches!(&soa.data, Value::Soa { serial } if *serial == world.serial()));
    }
    assert!(world.ask(&name(LISTED), QueryType::A).negative.is_none());
}

#[test]
fn rfc8020_n2_empty_non_terminals_are_no_name_errors() {
    let world = listed();
    for part in [
        "198",
        "18.198",
        "0.18.198",
        "127",
        "0.127",
        "0.0.127",
        "2",
        "1.0.0.2",
        "dsn",
        "auto",
        "0.18.198.dsn",
    ] {
        for query_type in EVERY_TYPE {
            let answer = world.ask(&format!("{part}.{ORIGIN}"), query_type);
            assert_eq!((answer.rcode, answer.answers.len()), (Rcode::NoError, 0), "{part}");
            assert!(answer.negative.is_some());
        }
    }
    for part in ["199", "19.198", "1.18.198", "0.18.198.auto", "f", "f.f"] {
        assert_eq!(world.ask(&format!("{part}.{ORIGIN}"), QueryType::A).rcode, Rcode::NameError, "{part}");
    }
}

#[test]
fn rfc8482_n3_any_is_minimal_and_other_types_are_empty() {
    let world = listed();
    for asked in [name(LISTED), ORIGIN.to_owned(), name("127.0.0.2")] {
        let any = world.ask(&asked, QueryType::Any);
        assert!(matches!(&any.answers[..], [record] if record.data == Value::Hinfo("RFC8482")), "{asked}");
        let other = world.ask(&asked, QueryType::Other);
        assert_eq!((other.rcode, other.answers.len()), (Rcode::NoError, 0));
    }
    assert_eq!(world.ask(&name("9.9.9.9"), QueryType::Any).rcode, Rcode::NameError);
}

#[test]
fn questions_outside_of_the_zone_are_refused() {
    let world = listed();
    for outside in
        ["example.", "backscatter.example.", "xbl.backscatter.example.", "2.0.0.127.other.example."]
    {
        let answer = world.ask(outside, QueryType::A);
        assert_eq!((answer.rcode, answer.authoritative), (Rcode::Refused, false), "{outside}");
    }
}
