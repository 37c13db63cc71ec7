//! Measures the fold with many relays: entries a second on one core, memory for each relay, and the
//! time from a checkpoint to a list.
//!
//! `cargo bench --profile dist --bench fold -- [RELAYS] [REPORTS]`: RELAYS relays (1,000,000) with
//! REPORTS reports of each (3).

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints results, and panics where it cannot continue"
)]

use std::time::Duration;

use backscatterd::blocklist::Blocklist;
use backscatterd::classify::{Author, Cause, HandedIn, Kind};
use backscatterd::digest::Digest;
use backscatterd::evidence::{
    Directive, Entry, Evidence, EvidenceFacts, Observation, Offset, Order, OriginalSender, RecipientFailure,
    RecordedEntry, SentFrom, SessionReach,
};
use backscatterd::relay::Relay;
use backscatterd::time::{Span, Timestamp};
use backscatterd::trap::{Donor, Scope, TrapHasher};

const ZONE: &str = include_str!("../../zones/backscatter.toml");
const TRAP_DOMAINS: u64 = 24;
/// Reports that are made together, outside of the measured time.
const BATCH: u64 = 20_000;

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in ticks of 10 ms.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

struct Journal {
    hasher: TrapHasher,
    offset: u64,
    now: Timestamp,
}

impl Journal {
    fn recorded(&mut self, entry: Entry) -> RecordedEntry {
        self.offset += 1;
        RecordedEntry { offset: Offset::from_number(self.offset), at: self.now, entry }
    }

    fn order(&mut self, order: Order) -> RecordedEntry {
        let id = Digest::of(&self.offset.to_be_bytes());
        let entry = Directive { id, by: "bench".into(), why: "bench".into(), order };
        self.recorded(Entry::Directive(entry))
    }

    /// The nth report, from relay `nth % relays`.
    fn report(&mut self, nth: u64, relays: u64) -> [RecordedEntry; 2] {
        let number = u32::try_from(nth % relays).unwrap();
        let relay = Relay::new([23, (number >> 16) as u8, (number >> 8) as u8, number as u8].into());
        // One relay in ten is a source and names a new failed recipient in each report.
        let source = number.is_multiple_of(10);
        let failed = if source { nth } else { u64::from(number) };
        let id = Digest::of(&nth.to_be_bytes());
        let domain =
            self.hasher.domain(&format!("t{}.example", nth.wrapping_mul(2_654_435_761) % TRAP_DOMAINS));
        let evidence = Evidence {
            id,
            seen_at: self.now,
            relay,
            helo: "mx.relay.example".into(),
            reverse_path: SentFrom::FromNull,
            trap: domain,
            trap_domain: domain,
            recipients: 1,
            reach: SessionReach::Data,
            report: Some(id),
            facts: EvidenceFacts {
                kind: Kind::DsnFailed,
                format: "rfc3464".into(),
                classifier: 1,
                reporting_mta: Some("mx.relay.example".into()),
                sender: OriginalSender::Trap,
                injector: Some([61, (nth % 97) as u8, 1, 1].into()),
                failures: vec![RecipientFailure {
                    recipient: Digest::of(&failed.to_le_bytes()),
                    domain: Some("relay.example".into()),
                    status: None,
                    remote: false,
                    cause: Cause::Address,
                    expanded: false,
                    remote_mta: None,
                }],
                reasons: vec!["delivery-status with Action: failed".into()],
                carried: false,
                writer: None,
                solicited: false,
                follows_rfc3834: false,
                author: Author::MailSystem,
                handed_in: HandedIn::Stranger,
            },
            node: "bench".into(),
            wider: Vec::new(),
            channel: Default::default(),
            forwarded_by: None,
        };
        let observation = Observation {
            mx_of_recipient: Some(true),
            same_organisation: Some(true),
            recipient_organisation: Some("relay.example".into()),
            ..Observation::unknown(id)
        };
        [self.recorded(Entry::Evidence(Box::new(evidence))), self.recorded(Entry::Observation(observation))]
    }
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let relays = numbers.next().unwrap_or(1_000_000);
    let reports = numbers.next().unwrap_or(3);
    let mut journal =
        Journal { hasher: TrapHasher::new([7; 32]), offset: 0, now: "2026-01-01T00:00:00Z".parse().unwrap() };
    let mut blocklist = Blocklist::new();
    let mut begin = vec![
        journal.recorded(Entry::Tick(0)),
        journal.order(Order::AdoptZone { origin: "bl.backscatter.example.".into(), text: ZONE.into() }),
    ];
    for number in 0..TRAP_DOMAINS {
        let key = journal.hasher.domain(&format!("t{number}.example"));
        let donor = Donor::parse("own").unwrap();
        let silent_since = Some(Timestamp::default());
        let order = Order::AddTrap { key, scope: Scope::Domain, domain: key, donor, silent_since };
        begin.push(journal.order(order));
    }
    begin.iter().for_each(|recorded| drop(blocklist.apply(recorded)));

    let (mut took, mut entries, before) = (Duration::ZERO, 0u64, resident());
    let total = relays * reports;
    let mut nth = 0;
    while nth < total {
        let mut batch = Vec::new();
        for _ in 0..BATCH.min(total - nth) {
            batch.extend(journal.report(nth, relays));
            nth += 1;
        }
        // Twelve days from the first report to the last, and a tick for each batch.
        journal.now = journal.now.plus(Span::from_milliseconds(
            Span::from_days(12).milliseconds() / i64::try_from(total.div_ceil(BATCH)).unwrap(),
        ));
        batch.push(journal.recorded(Entry::Tick(nth)));
        let began = cpu();
        for recorded in &batch {
            blocklist.apply(recorded);
        }
        took += cpu() - began;
        entries += batch.len() as u64;
    }
    let snapshot = blocklist.snapshot();
    let listed: usize = snapshot.zones().iter().map(|zone| zone.entries.len()).sum();
    println!(
        "{entries} entries in {:.2} s of CPU time: {:.0} entries/s on one core; {} relays known, {listed} listed",
        took.as_secs_f64(),
        entries as f64 / took.as_secs_f64(),
        blocklist.ledgers()
    );
    drop(snapshot);
    println!(
        "{} octets for each relay: resident {} MB before, {} MB after",
        (resident() - before) / relays,
        before >> 20,
        resident() >> 20
    );
    let began = cpu();
    let octets = blocklist.to_checkpoint();
    println!("checkpoint: {} MB in {:.2} s", octets.len() >> 20, (cpu() - began).as_secs_f64());
    drop(blocklist);
    let began = cpu();
    let restored = Blocklist::from_checkpoint(&octets).unwrap();
    println!("from the checkpoint to the list: {:.2} s", (cpu() - began).as_secs_f64());
    assert_eq!(restored.to_checkpoint(), octets);
}
