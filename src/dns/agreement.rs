//! The fast way and the library's way say the same, whatever is asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use hickory_server::net::xfer::Protocol;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use super::access::{Access, Action, Key, Rule};
use super::cookies::Cookies;
use super::edns::{Edns, Nsid, UDP_OCTETS_MAX};
use super::handler::Handler;
use super::limit::{Limiter, Limits};
use super::message::{self, Query, Reply};
use super::service::{Decision, Inquiry, Service};
use super::slow;
use crate::digest::Digest;
use crate::metrics::DnsMetrics;
use crate::relay::Prefix;
use crate::time::{LaboratoryClock, Span, Timestamp};
use crate::zone::{
    Apex, Block, Dataset, Entries, Entry, ListZone, Lists, Name, Parts, Reason, Snapshot, Soa, Standing,
    What, Zone, read,
};

const KEY: &str = "abcdefghijklmnop";
/// Two that are answered, and one that each rule is made for.
const CLIENTS: [&str; 5] = ["192.0.2.1", "2001:db8::5", "198.51.100.1", "198.51.101.1", "198.51.102.1"];

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

/// The shipped zone with some entries, and one of lists with several texts for one address.
fn zones() -> (Snapshot, Lists) {
    let config =
        Arc::new(read("zones/backscatter.toml", include_str!("../../zones/backscatter.toml")).unwrap());
    let mut entries = Entries::default();
    for (prefix, code) in
        [("192.0.2.99/32", 2), ("192.0.2.99/32", 16), ("198.51.100.0/24", 4), ("2001:db8:7::/48", 2)]
    {
        let net: IpNet = prefix.parse().unwrap();
        let until = Some(now().plus(Span::from_seconds(60)));
        let codes = vec![Standing { code, confidence: 40, until }];
        entries.set(Prefix::around(net.addr(), net.prefix_len()), Entry { codes });
    }
    let judged = Zone { config, entries: Arc::new(entries), serial: 9, shut_down: false };
    let text = |text: &[u8]| Some(text.into());
    let reasons = vec![
        Reason { value: [127, 0, 0, 2].into(), text: text(b"first, see http://list.example/?ip=$") },
        Reason { value: [127, 0, 0, 3].into(), text: text(&[b'x'; 250]) },
        Reason { value: [127, 0, 0, 4].into(), text: None },
    ];
    let several: Vec<(u32, What)> =
        (0..3).map(|nth| (0xc000_0205, What::reason(nth))).chain([(0x7f00_0002, What::reason(0))]).collect();
    let many: Vec<Reason> = (0..40)
        .map(|nth| Reason { value: [127, 0, 1, nth].into(), text: text(&[b'a' + nth % 26; 200]) })
        .collect();
    let first = Dataset::of(Parts {
        addresses: several,
        ipv4: vec![Block { first: 0xcb00_7100, last: 0xcb00_71ff, value: What::reason(1) }],
        ipv6: vec![Block {
            first: 0x2001_0db8 << 96,
            last: (0x2001_0db8 << 96) | 0xffff,
            value: What::reason(2),
        }],
        reasons,
        ttl: 600,
        ..Parts::default()
    });
    let second = Dataset::of(Parts {
        addresses: (0..40).map(|nth| (0xc000_0206, What::reason(nth))).collect(),
        reasons: many,
        ttl: 60,
        ..Parts::default()
    });
    let soa = Soa {
        primary: name("ns1.list.example"),
        mailbox: name("hostmaster.elsewhere.example"),
        refresh: 1,
        retry: 2,
        expire: 3,
        minimum: 4,
    };
    let ns = (0..60).map(|nth| name(&format!("ns{nth}.a-long-label-of-a-name-server.example"))).collect();
    let apex = Arc::new(Apex::new(name("list.example"), ns, Vec::new(), soa, 3_600));
    let list = ListZone { apex, serial: 5, lists: vec![Arc::new(first), Arc::new(second)], expires: None };
    (Snapshot::new(vec![judged], now()), Lists::new(vec![Arc::new(list)]))
}

fn service() -> Service {
    let (snapshot, lists) = zones();
    let rule =
        |network: &str, action| Rule { zones: Vec::new(), networks: vec![network.parse().unwrap()], action };
    let rules = [
        rule("198.51.100.0/24", Action::Refuse),
        rule("198.51.101.0/24", Action::Ignore),
        rule("198.51.102.0/24", Action::Empty),
    ];
    let keys = vec![Key { name: "customer".to_owned(), digest: Digest::of(KEY.as_bytes()) }];
    Service {
        judged: Arc::new(ArcSwap::from_pointee(snapshot)),
        lists: Arc::new(ArcSwap::from_pointee(lists)),
        clock: Arc::new(LaboratoryClock::new(now())),
        access: Access::new(&rules, keys),
        cookies: Cookies::new(vec![[3; 16]]),
        nsid: Nsid::new("ns1"),
        version: String::new(),
        age_max: Span::from_seconds(3_600),
    }
}

/// Labels of a name, most of them of some meaning, each with the case of its letters.
fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = select(vec![
        "99.2.0.192.bl.backscatter.example",
        "2.0.192.bl.backscatter.example",
        "0.192.bl.backscatter.example",
        "99.2.0.192.dsn.bl.backscatter.example",
        "99.2.0.192.auto.bl.backscatter.example",
        "17.100.51.198.all.bl.backscatter.example",
        "2.0.0.127.bl.backscatter.example",
        "1.0.0.127.bl.backscatter.example",
        "dsn.bl.backscatter.example",
        "bl.backscatter.example",
        "_status.bl.backscatter.example",
        "x._status.bl.backscatter.example",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.0.0.8.b.d.0.1.0.0.2.bl.backscatter.example",
        "7.0.0.0.8.b.d.0.1.0.0.2.bl.backscatter.example",
        "99.2.0.192.abcdefghijklmnop.bl.backscatter.example",
        "99.2.0.192.abcdefghijklmnoq.bl.backscatter.example",
        "99.02.0.192.bl.backscatter.example",
        "5.2.0.192.list.example",
        "6.2.0.192.list.example",
        "9.113.0.203.list.example",
        "113.0.203.list.example",
        "2.0.0.127.list.example",
        "list.example",
        "example",
        "other.example",
    ]);
    let known = (known, any::<u64>()).prop_map(|(text, cases)| {
        let cased = text.bytes().enumerate().map(|(nth, octet)| {
            if cases >> (nth % 64) & 1 == 1 { octet.to_ascii_uppercase() } else { octet }
        });
        let cased: Vec<u8> = cased.collect();
        cased.split(|octet| *octet == b'.').map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    let addresses = (any::<[u8; 4]>(), select(vec!["bl.backscatter.example", "list.example"])).prop_map(
        |([a, b, c, d], origin)| {
            let text = format!("{d}.{c}.{b}.{a}.{origin}");
            text.split('.').map(|label| label.as_bytes().to_vec()).collect()
        },
    );
    let hostile = (vec(vec(any::<u8>(), 1..20), 0..6), known.clone(), any::<bool>()).prop_map(
        |(mut left, origin, within)| {
            if within {
                left.extend(origin);
            }
            left
        },
    );
    prop_oneof![6 => known, 2 => addresses, 2 => hostile, 1 => Just(Vec::new())]
}

/// An OPT record's options, sound or not.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let option =
        (select(vec![3u16, 8, 10, 10, 12, 15, 999]), vec(any::<u8>(), 0..45)).prop_map(|(code, data)| {
            [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), &data].concat()
        });
    let cookie = any::<[u8; 8]>().prop_map(|own| [&[0, 10, 0, 8][..], &own].concat());
    vec(prop_oneof![option, cookie, Just(vec![0, 3, 0, 0])], 0..3).prop_map(|options| options.concat())
}

fn opt() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![8 => Just(0u8), 1 => any::<u8>()];
    (select(vec![0u16, 100, 512, 1_232, 4_096, 65_535]), version, any::<u16>(), options()).prop_map(
        |(payload, version, flags, options)| {
            let mut octets = vec![0, 0, 41];
            octets.extend(payload.to_be_bytes());
            octets.extend([0, version]);
            octets.extend(flags.to_be_bytes());
            octets.extend((options.len() as u16).to_be_bytes());
            octets.extend(options);
            octets
        },
    )
}

/// A message as a client may send it: mostly sound, some odd, some damaged.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let types = prop_oneof![
        6 => select(vec![1u16, 16, 28, 6, 2, 255, 15, 12, 41, 0, 252, 250]),
        1 => any::<u16>(),
    ];
    let classes = prop_oneof![12 => Just(1u16), 1 => select(vec![3u16, 4, 254, 255, 0])];
    let flags = prop_oneof![6 => select(vec![[1u8, 0], [0, 0], [1, 0x20], [0, 0x10]]), 1 => any::<[u8; 2]>()];
    let damage = prop_oneof![
        8 => Just(Vec::new()),
        1 => vec((any::<Index>(), any::<u8>()), 1..4),
    ];
    let cut = prop_oneof![12 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let tail = prop_oneof![12 => Just(Vec::new()), 1 => vec(any::<u8>(), 1..30)];
    (any::<u16>(), flags, labels(), types, classes, proptest::option::of(opt()), damage, cut, tail).prop_map(
        |(id, flags, labels, query_type, class, opt, damage, cut, tail)| {
            let mut octets = id.to_be_bytes().to_vec();
            octets.extend(flags);
            octets.extend([0, 1, 0, 0, 0, 0, 0, u8::from(opt.is_some())]);
            for label in labels.iter().filter(|label| !label.is_empty()) {
                octets.push(label.len() as u8);
                octets.extend(label);
            }
            octets.push(0);
            octets.extend(query_type.to_be_bytes());
            octets.extend(class.to_be_bytes());
            octets.extend(opt.into_iter().flatten());
            for (at, value) in damage {
                let at = at.index(octets.len());
                octets[at] = value;
            }
            octets.extend(tail);
            if let Some(cut) = cut {
                octets.truncate(cut.index(octets.len()));
            }
            octets
        },
    )
}

/// What the fast way says; `None` for what it leaves to the library.
fn fast(service: &Service, octets: &[u8], client: IpAddr) -> Option<Option<Vec<u8>>> {
    let query = Query::read(octets)?;
    let held = service.hold();
    let place = service.locate(held.zones(), query.name);
    let inquiry = Inquiry { client, name: query.name, query_type: query.query_type, edns: query.edns };
    Some(match service.decide(&place, &inquiry, &held, None) {
        Decision::Silence(_) => None,
        Decision::Respond(response) => {
            let mut out = vec![0; 2_000];
            let reply = Reply::of(&response, Edns::octets_max(query.edns));
            let length = message::write(&octets[..query.end()], &reply, &response.content, &mut out);
            out.truncate(length);
            Some(out)
        }
    })
}

#[test]
fn both_ways_say_the_same() {
    let service = Arc::new(service());
    let metrics = Arc::new(DnsMetrics::new(Vec::new(), vec!["customer".to_owned()]));
    let limiter = Limiter::new(Limits { identical: 0, network: 0, slip: 0 }, 1);
    let handler = Handler::new(Arc::clone(&service), metrics, limiter);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let library = |octets: &[u8], client: IpAddr| {
        runtime.block_on(slow::answer(&handler, octets.to_vec(), SocketAddr::new(client, 53), Protocol::Udp))
    };
    let compared = std::cell::Cell::new(0);
    let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(messages(), select(CLIENTS.to_vec())), |(octets, client)| {
            let client = client.parse().unwrap();
            let by_library = library(&octets, client);
            let Some(by_hand) = fast(&service, &octets, client) else { return Ok(()) };
            compared.set(compared.get() + 1);
            let (Some(by_hand), Some(by_library)) = (&by_hand, &by_library) else {
                prop_assert_eq!(by_hand, by_library);
                return Ok(());
            };
            prop_assert!(by_hand.len() <= usize::from(UDP_OCTETS_MAX));
            let (ours, theirs) = (Message::from_vec(by_hand), Message::from_vec(by_library));
            let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
            prop_assert_eq!(ours.metadata, theirs.metadata);
            prop_assert_eq!(&ours.queries, &theirs.queries);
            let question = 12..Query::read(&octets).unwrap().end();
            prop_assert_eq!(&by_hand[question.clone()], &octets[question.clone()], "letter by letter");
            prop_assert_eq!(&by_library[question.clone()], &octets[question], "letter by letter");
            prop_assert_eq!(ours.edns.is_some(), theirs.edns.is_some());
            if let (Some(ours), Some(theirs)) = (&ours.edns, &theirs.edns) {
                prop_assert_eq!(
                    (ours.max_payload(), ours.version()),
                    (theirs.max_payload(), theirs.version())
                );
                prop_assert_eq!(ours.flags().dnssec_ok, theirs.flags().dnssec_ok);
                prop_assert_eq!(ours.options(), theirs.options());
            }
            if !ours.metadata.truncation {
                prop_assert_eq!(&ours.answers, &theirs.answers);
                prop_assert_eq!(&ours.authorities, &theirs.authorities);
            }
            Ok(())
        })
        .unwrap();
    assert!(compared.get() > 5_000, "{} were read by the fast way", compared.get());
}
