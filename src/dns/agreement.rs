//! Checks that the fast path and the library answer every query alike. For tests and fuzzing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use hickory_server::net::xfer::Protocol;
use ipnet::IpNet;

use super::access::{AccessAction, AccessKey, AccessRule, AccessTable};
use super::cookies::{CookieSecret, CookieSecrets};
use super::edns::{Nsid, QueryEdns, UDP_OCTETS_MAX};
use super::fallback;
use super::handler::DnsHandler;
use super::limit::{ResponseLimiter, ResponseLimits};
use super::message::{self, ReplyParts, WireQuery};
use super::service::{ClientQuery, DnsService};
use crate::digest::Digest;
use crate::metrics::DnsMetrics;
use crate::relay::Prefix;
use crate::time::{LaboratoryClock, Span, Stopwatch, Timestamp};
use crate::zone::{
    Apex, Dataset, DatasetParts, DomainName, JudgedZone, ListReason, ListZone, ListZones, ListedCode,
    ListedCodes, ListedEntries, ReasonRef, Snapshot, Soa, ValueRange, read,
};

const KEY: &str = "abcdefghijklmnop";
/// Clients: two that no access rule covers, and one for each access rule.
pub const CLIENTS: [&str; 5] = ["192.0.2.1", "2001:db8::5", "198.51.100.1", "198.51.101.1", "198.51.102.1"];

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

/// The time at which the zones were up to date.
pub(super) fn now() -> Timestamp {
    "2026-03-01T00:00:00Z".parse().expect("a time")
}

/// The shipped zone with some entries, and a list zone with several texts for one address.
fn zones() -> (Snapshot, ListZones) {
    let config = Arc::new(
        read("zones/backscatter.toml", include_str!("../../zones/backscatter.toml"))
            .expect("the shipped zone"),
    );
    let mut entries = ListedEntries::default();
    for (prefix, code) in
        [("192.0.2.99/32", 2), ("192.0.2.99/32", 32), ("198.51.100.0/24", 4), ("2001:db8:7::/48", 2)]
    {
        let net: IpNet = prefix.parse().expect("a network");
        let until = Some(now().plus(Span::from_seconds(60)));
        let codes = vec![ListedCode { code, confidence: 40, until }];
        entries.set(Prefix::around(net.addr(), net.prefix_len()), ListedCodes { codes });
    }
    let judged = JudgedZone { config, entries: Arc::new(entries), serial: 9, shut_down: false };
    let text = |text: &[u8]| Some(text.into());
    let reasons = vec![
        ListReason { value: [127, 0, 0, 2].into(), text: text(b"first, see http://list.example/?ip=$") },
        ListReason { value: [127, 0, 0, 3].into(), text: text(&[b'x'; 250]) },
        ListReason { value: [127, 0, 0, 4].into(), text: None },
    ];
    let several: Vec<(u32, ReasonRef)> = (0..3)
        .map(|nth| (0xc000_0205, ReasonRef::reason(nth)))
        .chain([(0x7f00_0002, ReasonRef::reason(0))])
        .collect();
    let many: Vec<ListReason> = (0..40)
        .map(|nth| ListReason { value: [127, 0, 1, nth].into(), text: text(&[b'a' + nth % 26; 200]) })
        .collect();
    let first = Dataset::of(DatasetParts {
        addresses: several,
        ipv4: vec![ValueRange { first: 0xcb00_7100, last: 0xcb00_71ff, value: ReasonRef::reason(1) }],
        ipv6: vec![ValueRange {
            first: 0x2001_0db8 << 96,
            last: (0x2001_0db8 << 96) | 0xffff,
            value: ReasonRef::reason(2),
        }],
        reasons,
        ttl: 600,
        ..DatasetParts::default()
    });
    let second = Dataset::of(DatasetParts {
        addresses: (0..40).map(|nth| (0xc000_0206, ReasonRef::reason(nth))).collect(),
        reasons: many,
        ttl: 60,
        ..DatasetParts::default()
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
    (Snapshot::new(vec![judged], now()), ListZones::new(vec![Arc::new(list)]))
}

/// A service over both kinds of zones, with access rules, a key and cookies.
pub(super) fn service() -> DnsService {
    let (snapshot, lists) = zones();
    let rule = |network: &str, action| AccessRule {
        zones: Vec::new(),
        networks: vec![network.parse().expect("a network")],
        action,
    };
    let rules = [
        rule("198.51.100.0/24", AccessAction::Refuse),
        rule("198.51.101.0/24", AccessAction::Ignore),
        rule("198.51.102.0/24", AccessAction::Empty),
    ];
    let keys = vec![AccessKey { name: "customer".to_owned(), digest: Digest::of(KEY.as_bytes()) }];
    DnsService {
        judged: Arc::new(ArcSwap::from_pointee(snapshot)),
        lists: Arc::new(ArcSwap::from_pointee(lists)),
        clock: Arc::new(LaboratoryClock::new(now())),
        running: Stopwatch::start(),
        access: AccessTable::new(&rules, keys),
        cookies: CookieSecrets::new(vec![CookieSecret::new([3; 16])]),
        nsid: Nsid::new("ns1"),
        unlimited: Vec::new(),
        version: String::new(),
        age_max: Span::from_seconds(3_600),
    }
}

/// A service, and both ways of querying it.
pub struct Agreement {
    service: Arc<DnsService>,
    handler: DnsHandler,
    runtime: tokio::runtime::Runtime,
}

impl Default for Agreement {
    fn default() -> Self {
        let service = Arc::new(service());
        let metrics = Arc::new(DnsMetrics::new(Vec::new(), vec!["customer".to_owned()]));
        let limiter = ResponseLimiter::new(ResponseLimits { identical: 0, network: 0, error: 0, slip: 0 }, 1);
        let handler = DnsHandler::new(Arc::clone(&service), metrics, limiter);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Agreement { service, handler, runtime }
    }
}

impl Agreement {
    /// Answers a datagram in both ways, and returns whether the fast path could read it.
    ///
    /// # Panics
    /// If the two responses differ.
    pub fn check(&self, octets: &[u8], client: IpAddr) -> bool {
        let source = SocketAddr::new(client, 53);
        let by_library =
            self.runtime.block_on(fallback::answer(&self.handler, octets.to_vec(), source, Protocol::Udp));
        let Some((query, by_hand)) = self.fast(octets, client) else { return false };
        let (Some(by_hand), Some(by_library)) = (&by_hand, &by_library) else {
            assert_eq!(by_hand, by_library);
            return true;
        };
        assert!(
            by_hand.len() <= usize::from(UDP_OCTETS_MAX) && by_library.len() <= usize::from(UDP_OCTETS_MAX)
        );
        let question = message::HEADER_OCTETS..query.end();
        for response in [by_hand, by_library] {
            assert_eq!(
                response[question.clone()],
                octets[question.clone()],
                "the question must be returned unchanged"
            );
        }
        let [ours, theirs] =
            [by_hand, by_library].map(|response| Message::from_vec(response).expect("a valid response"));
        assert_eq!(ours.metadata, theirs.metadata);
        assert_eq!(ours.edns.is_some(), theirs.edns.is_some());
        if let (Some(ours), Some(theirs)) = (&ours.edns, &theirs.edns) {
            assert_eq!((ours.max_payload(), ours.version()), (theirs.max_payload(), theirs.version()));
            assert_eq!(ours.flags().dnssec_ok, theirs.flags().dnssec_ok);
            assert_eq!(ours.options(), theirs.options());
        }
        // The library puts as many records as fit into a truncated response.
        if !ours.metadata.truncation {
            assert_eq!((&ours.answers, &ours.authorities), (&theirs.answers, &theirs.authorities));
        }
        true
    }

    /// The query and the response of the fast path; `None` if it cannot read the datagram.
    fn fast<'o>(&self, octets: &'o [u8], client: IpAddr) -> Option<(WireQuery<'o>, Option<Vec<u8>>)> {
        let query = WireQuery::read(octets)?;
        let held = self.service.hold();
        let place = self.service.locate(held.zones(), query.name);
        let inquiry =
            ClientQuery { client, name: query.name, query_type: query.query_type, edns: query.edns };
        let decision = self.service.decide(&place, &inquiry, &held, None);
        let Ok(response) = decision else { return Some((query, None)) };
        let mut out = vec![0; usize::from(UDP_OCTETS_MAX)];
        let reply = ReplyParts::of(&response, QueryEdns::octets_max(query.edns));
        let length = message::write(&octets[..query.end()], &reply, &response.content, &mut out);
        out.truncate(length);
        Some((query, Some(out)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    /// Labels of a name, most of which have a meaning in the zones, in random case.
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
            "abcdefghijklmnop.bl.backscatter.example",
            "dsn.abcdefghijklmnop.bl.backscatter.example",
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

    /// Options of an OPT record, well formed or not.
    fn options() -> impl Strategy<Value = Vec<u8>> {
        let option =
            (select(vec![3u16, 8, 10, 10, 12, 15, 999]), vec(any::<u8>(), 0..45)).prop_map(|(code, data)| {
                [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), &data].concat()
            });
        let cookie = any::<[u8; 8]>().prop_map(|own| [&[0, 10, 0, 8][..], &own].concat());
        // A client subnet option: family, prefix lengths and address octets.
        let subnet =
            (select(vec![1u8, 2, 3]), 0..=40u8, prop_oneof![4 => Just(0u8), 1 => any::<u8>()], any::<bool>())
                .prop_map(|(family, length, scope, right)| {
                    let octets = usize::from(length.div_ceil(8)) + usize::from(!right);
                    let data = [&[0, family, length, scope][..], &vec![0; octets]].concat();
                    [&[0, 8][..], &(data.len() as u16).to_be_bytes(), &data].concat()
                });
        vec(prop_oneof![option, cookie, subnet, Just(vec![0, 3, 0, 0])], 0..3)
            .prop_map(|options| options.concat())
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

    /// A message as a client may send it: mostly valid, sometimes odd or damaged.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let types = prop_oneof![
            6 => select(vec![1u16, 16, 28, 6, 6, 2, 255, 15, 12, 41, 0, 252, 250]),
            1 => any::<u16>(),
        ];
        let classes = prop_oneof![12 => Just(1u16), 1 => select(vec![3u16, 4, 254, 255, 0])];
        let flags =
            prop_oneof![6 => select(vec![[1u8, 0], [0, 0], [1, 0x20], [0, 0x10]]), 1 => any::<[u8; 2]>()];
        let damage = prop_oneof![
            8 => Just(Vec::new()),
            1 => vec((any::<Index>(), any::<u8>()), 1..4),
        ];
        let cut = prop_oneof![12 => Just(None), 1 => any::<Index>().prop_map(Some)];
        let tail = prop_oneof![12 => Just(Vec::new()), 1 => vec(any::<u8>(), 1..30)];
        (any::<u16>(), flags, labels(), types, classes, proptest::option::of(opt()), damage, cut, tail)
            .prop_map(|(id, flags, labels, query_type, class, opt, damage, cut, tail)| {
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
            })
    }

    #[test]
    fn both_ways_say_the_same() {
        let agreement = Agreement::default();
        let compared = std::cell::Cell::new(0);
        let config = Config { cases: 20_000, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&(messages(), select(CLIENTS.to_vec())), |(octets, client)| {
                let read = agreement.check(&octets, client.parse().unwrap());
                compared.set(compared.get() + usize::from(read));
                Ok(())
            })
            .unwrap();
        assert!(compared.get() > 5_000, "the fast path read only {} messages", compared.get());
    }
}
