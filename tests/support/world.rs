//! A fold with a clock for tests: entries are made directly, without SMTP, under the shipped
//! policy.

use std::collections::BTreeMap;
use std::net::IpAddr;

use backscatterd::blocklist::{Blocklist, ListChange, ListChanges, VerificationQuestion};
use backscatterd::classify::{Author, Cause, HandedIn, Kind, ReportFields, ReportedRecipient, Verdict};
use backscatterd::digest::Digest;
use backscatterd::evidence::{
    Directive, Entry, Evidence, EvidenceParts, Observation, Offset, Order, OriginalSender, RecordedEntry,
    Verification, VerificationAnswer,
};
use backscatterd::mail::{DsnAction, Mailbox, ReversePath};
use backscatterd::relay::{Prefix, Relay};
use backscatterd::score::short_domain;
use backscatterd::time::{Span, Timestamp};
use backscatterd::transaction::{Client, Transaction};
use backscatterd::trap::{Donor, Scope, TrapHasher};
use backscatterd::zone::{
    AnswerContent, DomainName, QueryName, QueryType, Question, Rcode, RecordData, ResourceRecord, Snapshot,
};

/// The origin of the shipped zone.
pub(crate) const ORIGIN: &str = "bl.backscatter.example.";
/// The text of the shipped zone's file.
pub(crate) const SHIPPED: &str = include_str!("../../zones/backscatter.toml");

/// The shipped zone's file, with the documentation and benchmarking networks permitted, without
/// verification and without slots.
pub(crate) fn laboratory_zone() -> String {
    let networks =
        r#"["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]"#;
    let zone = SHIPPED.replace("laboratory_networks = []", &format!("laboratory_networks = {networks}"));
    let quiet = zone.replace("verification = \"required\"", "verification = \"off\"");
    let immediate = quiet.replace("publish_every = \"15m\"", "publish_every = \"0s\"");
    assert_ne!(zone, SHIPPED);
    assert_ne!(zone, quiet);
    assert_ne!(quiet, immediate);
    immediate
}

/// The time at which every test's clock starts.
pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// The hasher of traps and recipients, with a fixed key.
pub(crate) fn hasher() -> TrapHasher {
    TrapHasher::new([7; 32])
}

/// Parses a relay's address.
pub(crate) fn relay(text: &str) -> Relay {
    text.parse().unwrap()
}

/// An answer with owned data.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The response code.
    pub(crate) rcode: Rcode,
    /// Whether the answer is authoritative (AA).
    pub(crate) authoritative: bool,
    /// The records of the answer section.
    pub(crate) answers: Vec<Row>,
    /// The owner and the SOA record of a negative answer.
    pub(crate) negative: Option<(String, Row)>,
}

/// A record with owned data.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The time to live in seconds.
    pub(crate) ttl: u32,
    /// The record's data.
    pub(crate) data: Value,
}

/// The data of a record, by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Address(IpAddr),
    Txt(String),
    Ns(String),
    Soa { serial: u32 },
    Hinfo(&'static str),
}

impl From<ResourceRecord<'_>> for Row {
    fn from(record: ResourceRecord<'_>) -> Self {
        let data = match record.data {
            RecordData::Address(address) => Value::Address(address),
            RecordData::Txt(text) => Value::Txt(String::from_utf8(text.to_octets()).unwrap()),
            RecordData::Ns(name) => Value::Ns(name.to_string()),
            RecordData::Soa(soa) => Value::Soa { serial: soa.serial },
            RecordData::Hinfo(text) => Value::Hinfo(text),
        };
        Row { ttl: record.ttl, data }
    }
}

/// What a snapshot answers at a time.
pub(crate) fn told(snapshot: &Snapshot, name: &str, query_type: QueryType, now: Timestamp) -> Told {
    let wire = DomainName::parse(name).unwrap().to_wire();
    let (name, _) = QueryName::read(&wire).unwrap();
    let answer = snapshot.answer(&Question { name, query_type }, now);
    let negative = match answer.content {
        AnswerContent::Negative { apex, soa } => Some((apex.origin.to_string(), soa.into())),
        AnswerContent::Nothing | AnswerContent::Records(_) => None,
    };
    Told {
        rcode: answer.rcode,
        authoritative: answer.is_authoritative(),
        answers: answer.records().map(Row::from).collect(),
        negative,
    }
}

/// A fold, the entries it has taken, and its clock.
pub(crate) struct World {
    /// The fold.
    pub(crate) blocklist: Blocklist,
    /// Every entry that the fold has taken, in order.
    pub(crate) entries: Vec<RecordedEntry>,
    /// The time of the next entry.
    pub(crate) now: Timestamp,
    /// A counter that makes reports and directives distinct.
    pub(crate) nth: u64,
    /// What the relays' sides answer when they are asked about made-up recipients. A relay that is not
    /// named here takes all.
    pub(crate) answers: BTreeMap<Relay, VerificationAnswer>,
    /// The domains of failed recipients, by their short digests.
    domains: BTreeMap<u64, String>,
}

/// An observation by which the relay is the mail exchanger of the failed recipient's domain.
pub(crate) fn exchanger() -> Observation {
    Observation {
        mx_of_recipient: Some(true),
        refused_inside: Some(true),
        recipient_organisation: Some("relay.example".to_owned()),
        named_within: Some(true),
        same_organisation: Some(true),
        ..Observation::unknown(Digest::of(b""))
    }
}

/// A report of a failure with full weight. A test changes the fields that it is about.
#[derive(Clone)]
pub(crate) struct Report {
    /// The kind of the message.
    pub(crate) kind: Kind,
    /// The relay that brings the report.
    pub(crate) relay: Relay,
    /// The address of the trap that receives it.
    pub(crate) trap: &'static str,
    /// The injector that the returned original shows.
    pub(crate) injector: Option<IpAddr>,
    /// The address of the failed recipient.
    pub(crate) failed: String,
    /// Whose name the returned original bears.
    pub(crate) sender: OriginalSender,
    /// The reverse-path of the report.
    pub(crate) reverse_path: ReversePath,
    /// The number of recipients of the report.
    pub(crate) recipients: u16,
    /// The message; two reports with the same one are the same report.
    pub(crate) message: String,
    /// When the report was seen; the world's time, if `None`.
    pub(crate) seen_at: Option<Timestamp>,
    /// Whether another host refused the original.
    pub(crate) remote: bool,
    /// Whether the relay only carried the report of another host.
    pub(crate) carried: bool,
    /// The cause of the failure.
    pub(crate) cause: Cause,
    /// Who wrote it.
    pub(crate) author: Author,
    /// The observation of the relay. `None` means that none arrives.
    pub(crate) seen: Option<Observation>,
}

impl World {
    /// A world with the laboratory's zone and two trap domains.
    pub(crate) fn new() -> Self {
        let mut world = World::bare();
        world.adopt(&laboratory_zone());
        for domain in ["trap-one.example", "trap-two.example"] {
            world.add_trap(domain);
        }
        world
    }

    /// A world without a zone and without traps, after its first tick.
    pub(crate) fn bare() -> Self {
        let mut world = World {
            blocklist: Blocklist::new(),
            entries: Vec::new(),
            now: start(),
            nth: 0,
            answers: BTreeMap::new(),
            domains: BTreeMap::new(),
        };
        world.tick(Span::ZERO);
        world
    }

    /// Records an entry at the world's time and folds it.
    pub(crate) fn take(&mut self, entry: Entry) -> ListChanges {
        let offset = Offset::from_number(self.entries.len() as u64 + 1);
        let recorded = RecordedEntry { offset, at: self.now, entry };
        if let Entry::Evidence(evidence) = &recorded.entry
            && let Some(domain) = evidence.facts.failed_recipient().and_then(|recipient| recipient.domain)
        {
            self.domains.insert(short_domain(&domain), domain);
        }
        let mut changes = self.blocklist.apply(&recorded);
        self.entries.push(recorded);
        let asked: Vec<Prefix> = match self.entries.last().map(|recorded| &recorded.entry) {
            Some(Entry::Tick(_)) => self.blocklist.questioned().collect(),
            _ => changes.relays.iter().copied().collect(),
        };
        let answers: Vec<_> = asked.into_iter().flat_map(|prefix| self.verifications(prefix)).collect();
        for verification in answers {
            let verified = self.take(Entry::Verification(Box::new(verification)));
            changes.list.extend(verified.list);
            changes.relays.extend(verified.relays);
            changes.audit.extend(verified.audit);
        }
        changes
    }

    /// The answers to the questions about a relay, each of which is asked once a day.
    fn verifications(&self, prefix: Prefix) -> Vec<Verification> {
        let relay = Relay::new(prefix.network());
        let answer = self.answers.get(&relay).copied().unwrap_or(VerificationAnswer::TakesAll);
        let due = |question: &VerificationQuestion| {
            question.asked.is_none_or(|asked| self.now.since(asked) >= Span::from_days(1))
        };
        let questions = self.blocklist.questions(prefix).into_iter().filter(due);
        let answered = questions.map(|question| {
            let domain = self.domains[&question.domain].clone();
            Verification::new(relay, domain, question.side, (answer, answer.name()), self.now)
        });
        answered.collect()
    }

    /// Lets time pass and folds a tick.
    pub(crate) fn tick(&mut self, later: Span) -> ListChanges {
        self.now = self.now.plus(later);
        let number = self.now.seconds().unsigned_abs();
        self.take(Entry::Tick(number))
    }

    /// Folds a directive.
    pub(crate) fn order(&mut self, order: Order) -> ListChanges {
        self.nth += 1;
        let id = Digest::of(&self.nth.to_be_bytes());
        self.take(Entry::Directive(Directive { id, by: "test".into(), why: "test".into(), order }))
    }

    /// Adopts a text as the zone's file.
    pub(crate) fn adopt(&mut self, text: &str) -> ListChanges {
        self.order(Order::AdoptZone { origin: ORIGIN.to_owned(), text: text.to_owned() })
    }

    /// Adds a domain or an address as a trap.
    pub(crate) fn add_trap(&mut self, trap: &str) -> ListChanges {
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

    /// The next report of a relay: to the two trap domains and from three injectors in turn, about
    /// a new failed recipient.
    pub(crate) fn report(&mut self, relay: &str) -> Report {
        self.nth += 1;
        let injectors = ["192.0.2.44", "198.51.100.66", "203.0.113.9"];
        Report {
            kind: Kind::DsnFailed,
            relay: relay.parse().unwrap(),
            trap: if self.nth.is_multiple_of(2) { "sales@trap-one.example" } else { "jdoe@trap-two.example" },
            injector: injectors[(self.nth % 3) as usize].parse().ok(),
            failed: format!("user{}@relay.example", self.nth),
            sender: OriginalSender::Trap,
            reverse_path: ReversePath::Null,
            recipients: 1,
            message: format!("report {}", self.nth),
            seen_at: None,
            remote: false,
            carried: false,
            cause: Cause::Address,
            author: Author::MailSystem,
            seen: Some(exchanger()),
        }
    }

    /// Folds a report, and its observation if the report waits for one.
    pub(crate) fn send(&mut self, report: Report) -> ListChanges {
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

    /// Makes the journal entry of a report.
    pub(crate) fn evidence(&mut self, report: Report) -> Entry {
        let trap = Mailbox::parse(report.trap).unwrap();
        let verdict = Verdict {
            kind: report.kind,
            format: "rfc3464",
            report: ReportFields {
                reporting_mta: Some("relay.example".to_owned()),
                original_sender: match report.sender {
                    OriginalSender::Trap => Some(trap.clone()),
                    OriginalSender::Other => Mailbox::parse("other@elsewhere.example"),
                    OriginalSender::Unknown => None,
                },
                injector: report.injector,
                recipients: vec![ReportedRecipient {
                    mailbox: Mailbox::parse(&report.failed),
                    action: Some(DsnAction::Failed),
                    remote: report.remote,
                    cause: report.cause,
                    ..ReportedRecipient::default()
                }],
                carried: report.carried,
                handed_in: HandedIn::Stranger,
                author: report.author,
                ..ReportFields::default()
            },
            reasons: Vec::new(),
            doubts: Vec::new(),
        };
        let transaction = Transaction {
            traps: vec![trap.clone(); report.recipients.into()],
            ..Transaction::new(
                report.seen_at.unwrap_or(self.now),
                Client::Relay(report.relay),
                "relay.example".to_owned(),
                report.reverse_path,
            )
        };
        let parts = EvidenceParts {
            id: Digest::of(format!("evidence {} {}", self.nth, self.entries.len()).as_bytes()),
            transaction: &transaction,
            relay: report.relay,
            trap: &trap,
            wider: Vec::new(),
            verdict: &verdict,
            report: (report.kind != Kind::Callout).then(|| Digest::of(report.message.as_bytes())),
            forwarded_by: None,
            node: "test",
        };
        let mut evidence = Evidence::of(parts, &hasher());
        // The golden octets of the wire format name the first version of the classifier.
        evidence.facts.classifier = 1;
        Entry::Evidence(Box::new(evidence))
    }

    /// Sends eight reports of full weight over 40 hours, which completes a case.
    pub(crate) fn make_case(&mut self, relay: &str) -> Vec<ListChange> {
        let mut changes = Vec::new();
        for _ in 0..8 {
            self.tick(Span::from_hours(5));
            let report = self.report(relay);
            changes.extend(self.send(report).list);
        }
        changes
    }

    /// Answers a query from the current snapshot.
    pub(crate) fn ask(&self, name: &str, query_type: QueryType) -> Told {
        told(&self.blocklist.snapshot(), name, query_type, self.now)
    }

    /// The rcode of the answer to an A query for an address in the main zone.
    pub(crate) fn rcode(&self, address: &str) -> Rcode {
        let name = format!("{}.{ORIGIN}", backscatterd::zone::reversed(address.parse().unwrap()));
        self.ask(&name, QueryType::A).rcode
    }

    /// Whether an address is listed in the main zone.
    pub(crate) fn is_listed(&self, address: &str) -> bool {
        self.rcode(address) == Rcode::NoError
    }

    /// The serial of the first zone.
    pub(crate) fn serial(&self) -> u32 {
        self.blocklist.snapshot().zones()[0].serial
    }
}

/// Parses an address as a single-host prefix.
pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::host(relay(text))
}
