//! A small world to fold: entries without SMTP, under the shipped policy.

use std::net::IpAddr;

use backscatterd::blocklist::{Blocklist, Change, Changes};
use backscatterd::classify::{Cause, Kind};
use backscatterd::digest::Digest;
use backscatterd::evidence::{
    Directive, Entry, Evidence, Facts, Failure, Observation, Offset, Order, Reach, Recorded, Sender, Sent,
};
use backscatterd::mail::{Mailbox, ReversePath};
use backscatterd::relay::{Prefix, Relay};
use backscatterd::time::{Span, Timestamp};
use backscatterd::trap::{Donor, Scope, TrapHasher};
use backscatterd::zone::{Asked, Content, Data, Name, QueryType, Question, Rcode, Record, Snapshot};

pub(crate) const ORIGIN: &str = "bl.backscatter.example.";
pub(crate) const SHIPPED: &str = include_str!("../zones/backscatter.toml");

/// The shipped zone, with documentation networks allowed, as a laboratory has them.
pub(crate) fn laboratory_zone() -> String {
    let networks =
        r#"["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]"#;
    let zone = SHIPPED.replace("laboratory_networks = []", &format!("laboratory_networks = {networks}"));
    assert_ne!(zone, SHIPPED);
    zone
}

pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn hasher() -> TrapHasher {
    TrapHasher::new([7; 32])
}

pub(crate) fn relay(text: &str) -> Relay {
    text.parse().unwrap()
}

/// An answer, kept.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    pub(crate) answers: Vec<Row>,
    /// The SOA and its owner.
    pub(crate) negative: Option<(String, Row)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) ttl: u32,
    pub(crate) data: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Address(IpAddr),
    Txt(String),
    Ns(String),
    Soa { serial: u32 },
    Hinfo(&'static str),
}

impl From<Record<'_>> for Row {
    fn from(record: Record<'_>) -> Self {
        let data = match record.data {
            Data::Address(address) => Value::Address(address),
            Data::Txt(text) => Value::Txt(String::from_utf8(text.to_octets()).unwrap()),
            Data::Ns(name) => Value::Ns(name.to_string()),
            Data::Soa(soa) => Value::Soa { serial: soa.serial },
            Data::Hinfo(text) => Value::Hinfo(text),
        };
        Row { ttl: record.ttl, data }
    }
}

/// What a snapshot answers at a time.
pub(crate) fn told(snapshot: &Snapshot, name: &str, query_type: QueryType, now: Timestamp) -> Told {
    let wire = Name::parse(name).unwrap().to_wire();
    let (name, _) = Asked::read(&wire).unwrap();
    let answer = snapshot.answer(&Question { name, query_type }, now);
    let negative = match answer.content {
        Content::Negative { apex, soa } => Some((apex.origin.to_string(), soa.into())),
        Content::Nothing | Content::Records(_) => None,
    };
    Told {
        rcode: answer.rcode,
        authoritative: answer.is_authoritative(),
        answers: answer.records().map(Row::from).collect(),
        negative,
    }
}

/// A fold, the entries it took, and a clock.
pub(crate) struct World {
    pub(crate) blocklist: Blocklist,
    pub(crate) entries: Vec<Recorded>,
    pub(crate) now: Timestamp,
    pub(crate) nth: u64,
}

/// The DNS names the relay as the failed recipient's mail exchanger.
pub(crate) fn exchanger() -> Observation {
    Observation {
        mx_of_recipient: Some(true),
        refused_inside: Some(true),
        same_organisation: Some(true),
        ..Observation::unknown(Digest::of(b""))
    }
}

/// A failed report that counts fully; change what matters to the test.
#[derive(Clone)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    pub(crate) relay: Relay,
    pub(crate) trap: &'static str,
    pub(crate) injector: Option<IpAddr>,
    pub(crate) failed: String,
    pub(crate) sender: Sender,
    pub(crate) reverse_path: ReversePath,
    pub(crate) recipients: u16,
    pub(crate) message: String,
    pub(crate) seen_at: Option<Timestamp>,
    pub(crate) remote: bool,
    pub(crate) carried: bool,
    pub(crate) cause: Cause,
    /// What the DNS says of the relay; nothing comes where there is none.
    pub(crate) seen: Option<Observation>,
}

impl World {
    /// With the laboratory's zone adopted, and two trap domains.
    pub(crate) fn new() -> Self {
        let mut world = World::bare();
        world.adopt(&laboratory_zone());
        for domain in ["trap-one.example", "trap-two.example"] {
            world.add_trap(domain);
        }
        world
    }

    pub(crate) fn bare() -> Self {
        let mut world = World { blocklist: Blocklist::new(), entries: Vec::new(), now: start(), nth: 0 };
        world.tick(Span::ZERO);
        world
    }

    pub(crate) fn take(&mut self, entry: Entry) -> Changes {
        let offset = Offset::from_number(self.entries.len() as u64 + 1);
        let recorded = Recorded { offset, at: self.now, entry };
        let changes = self.blocklist.apply(&recorded);
        self.entries.push(recorded);
        changes
    }

    pub(crate) fn tick(&mut self, later: Span) -> Changes {
        self.now = self.now.plus(later);
        let number = self.now.seconds().unsigned_abs();
        self.take(Entry::Tick(number))
    }

    pub(crate) fn order(&mut self, order: Order) -> Changes {
        self.nth += 1;
        let id = Digest::of(&self.nth.to_be_bytes());
        self.take(Entry::Directive(Directive { id, by: "test".into(), why: "test".into(), order }))
    }

    pub(crate) fn adopt(&mut self, text: &str) -> Changes {
        self.order(Order::AdoptZone { origin: ORIGIN.to_owned(), text: text.to_owned() })
    }

    /// A whole domain, or one address.
    pub(crate) fn add_trap(&mut self, trap: &str) -> Changes {
        let donor = Donor::parse("own").unwrap();
        let order = match Mailbox::parse(trap) {
            Some(mailbox) => Order::AddTrap {
                key: hasher().address(&mailbox),
                scope: Scope::Address,
                domain: hasher().domain(mailbox.domain()),
                donor,
                silent_since: Some(Timestamp::default()),
            },
            None => {
                let key = hasher().domain(trap);
                Order::AddTrap {
                    key,
                    scope: Scope::Domain,
                    domain: key,
                    donor,
                    silent_since: Some(Timestamp::default()),
                }
            }
        };
        self.order(order)
    }

    /// The nth report is from the nth moment and about the nth recipient, unless the test says otherwise.
    pub(crate) fn report(&mut self, relay: &str) -> Report {
        self.nth += 1;
        let injectors = ["192.0.2.44", "198.51.100.66", "203.0.113.9"];
        Report {
            kind: Kind::DsnFailed,
            relay: relay.parse().unwrap(),
            trap: if self.nth.is_multiple_of(2) { "sales@trap-one.example" } else { "jdoe@trap-two.example" },
            injector: injectors[(self.nth % 3) as usize].parse().ok(),
            failed: format!("user{}@relay.example", self.nth),
            sender: Sender::Trap,
            reverse_path: ReversePath::Null,
            recipients: 1,
            message: format!("report {}", self.nth),
            seen_at: None,
            remote: false,
            carried: false,
            cause: Cause::Address,
            seen: Some(exchanger()),
        }
    }

    pub(crate) fn send(&mut self, report: Report) -> Changes {
        let seen = report.seen.clone();
        let entry = self.evidence(report);
        let evidence = entry.id();
        let mut changes = self.take(entry);
        if let (Some(seen), true) = (seen, changes.list.is_empty()) {
            let observed = self.take(Entry::Observation(Observation { evidence, ..seen }));
            changes.list.extend(observed.list);
            changes.relays.extend(observed.relays);
            changes.audit.extend(observed.audit);
        }
        changes
    }

    pub(crate) fn evidence(&mut self, report: Report) -> Entry {
        let trap = Mailbox::parse(report.trap).unwrap();
        let failed = Mailbox::parse(&report.failed).unwrap();
        let message = matches!(report.kind, Kind::Callout).then_some(()).is_none();
        Entry::Evidence(Box::new(Evidence {
            id: Digest::of(format!("evidence {} {}", self.nth, self.entries.len()).as_bytes()),
            seen_at: report.seen_at.unwrap_or(self.now),
            relay: report.relay,
            helo: "relay.example".into(),
            reverse_path: Sent::of(&report.reverse_path, &hasher()),
            trap: hasher().address(&trap),
            trap_domain: hasher().domain(trap.domain()),
            recipients: report.recipients,
            reach: if message { Reach::Data } else { Reach::Recipient },
            report: message.then(|| Digest::of(report.message.as_bytes())),
            facts: Facts {
                kind: report.kind,
                format: "rfc3464".into(),
                classifier: 1,
                reporting_mta: Some("relay.example".into()),
                sender: report.sender,
                injector: report.injector,
                failures: vec![Failure {
                    recipient: hasher().recipient(&failed),
                    domain: Some(failed.domain().to_owned()),
                    status: None,
                    remote: report.remote,
                    cause: report.cause,
                    expanded: false,
                    remote_mta: None,
                }],
                reasons: Vec::new(),
                carried: report.carried,
                writer: None,
                solicited: false,
                keeps_rfc3834: false,
            },
            node: "test".into(),
            wider: Vec::new(),
            way: Default::default(),
            forwarded_by: None,
        }))
    }

    /// Eight full reports over 40 hours: a case that is made.
    pub(crate) fn make_case(&mut self, relay: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        for _ in 0..8 {
            self.tick(Span::from_hours(5));
            let report = self.report(relay);
            changes.extend(self.send(report).list);
        }
        changes
    }

    pub(crate) fn ask(&self, name: &str, query_type: QueryType) -> Told {
        told(&self.blocklist.snapshot(), name, query_type, self.now)
    }

    /// The rcode for the A record of an address in the main zone.
    pub(crate) fn rcode(&self, address: &str) -> Rcode {
        let name = format!("{}.{ORIGIN}", backscatterd::zone::reversed(address.parse().unwrap()));
        self.ask(&name, QueryType::A).rcode
    }

    pub(crate) fn is_listed(&self, address: &str) -> bool {
        self.rcode(address) == Rcode::NoError
    }

    pub(crate) fn serial(&self) -> u32 {
        self.blocklist.snapshot().zones()[0].serial
    }
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::host(relay(text))
}
