//! Tests that the same journal makes the same list, octet for octet: from the beginning, from any
//! checkpoint, and with restarts.

use std::sync::Arc;

use backscatterd::blocklist::Blocklist;
use backscatterd::digest::Digest;
use backscatterd::evidence::{Entry, Offset, Order, RecordedEntry};
use backscatterd::journal::{Journal, MemoryJournal};
use backscatterd::publish::{catch_up, checkpoint, restore};
use backscatterd::time::{LaboratoryClock, Span};

use crate::support::world::{World, laboratory_zone, relay, start};

/// The entries of a month: several relays, listings that begin, are extended, end and are removed,
/// a retired trap, and changes of the policy and of the zones.
fn month() -> Vec<RecordedEntry> {
    let mut world = World::new();
    world.add_trap("bait@seeded.example");
    let relays = ["198.18.0.25", "198.18.7.9", "2001:db8:1:2::25", "2001:db8:1:2::26", "198.19.1.1"];
    for hour in 0..180usize {
        world.tick(Span::from_hours(4));
        for nth in 0..=(hour % 3) {
            let mut report = world.report(relays[(hour * 7 + nth * 3) % relays.len()]);
            if hour % 11 == 0 {
                report.trap = "bait@seeded.example";
            }
            world.send(report);
        }
        match hour {
            60 => drop(world.order(Order::Remove { relay: relay(relays[0]) })),
            90 => drop(world.adopt(&laboratory_zone().replace("half_life = \"7d\"", "half_life = \"5d\""))),
            70 => drop(world.adopt(
                &laboratory_zone().replace("observation_wait = \"15m\"", "observation_wait = \"5h\""),
            )),
            100 => {
                drop(world.order(Order::WithdrawZone { origin: crate::support::world::ORIGIN.to_owned() }))
            }
            104 => drop(
                world.adopt(
                    &laboratory_zone()
                        .replace("observation_wait = \"15m\"", "observation_wait = \"5h\"")
                        .replace("publish_every = \"0s\"", "publish_every = \"15m\""),
                ),
            ),
            110 => {
                let second = laboratory_zone().replace("origin = \"bl.", "origin = \"bl2.");
                world.order(Order::AdoptZone { origin: "bl2.backscatter.example.".to_owned(), text: second });
            }
            120 => {
                let key = crate::support::world::hasher().domain("trap-one.example");
                world.order(Order::RetireTrap { key });
            }
            _ => {}
        }
    }
    world.entries
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    zones: Vec<(u32, Digest, usize)>,
    state: Vec<u8>,
}

fn outcome(blocklist: &Blocklist) -> Outcome {
    let snapshot = blocklist.snapshot();
    let zones = snapshot.zones().iter().map(|zone| (zone.serial, zone.digest(), zone.entries.len()));
    Outcome { zones: zones.collect(), state: blocklist.to_checkpoint() }
}

fn fold(entries: &[RecordedEntry]) -> Blocklist {
    let mut blocklist = Blocklist::new();
    for recorded in entries {
        blocklist.apply(recorded);
    }
    blocklist
}

#[test]
fn twice_the_same() {
    let entries = month();
    let once = outcome(&fold(&entries));
    assert_eq!(once, outcome(&fold(&entries)));
    assert!(once.zones[0].2 > 0, "the zone is empty at the end of the month");
}

#[test]
fn from_any_checkpoint_the_same() {
    let entries = month();
    let whole = outcome(&fold(&entries));
    for at in (0..entries.len()).step_by(7) {
        let octets = fold(&entries[..at]).to_checkpoint();
        let mut rest = Blocklist::from_checkpoint(&octets).unwrap();
        assert_eq!(rest.to_checkpoint(), octets, "a restored checkpoint writes the same octets");
        for recorded in &entries[at..] {
            rest.apply(recorded);
        }
        assert_eq!(outcome(&rest), whole, "from entry {at}");
    }
}

#[test]
fn with_a_restart_after_every_entry_the_same() {
    let entries = month();
    let mut blocklist = Blocklist::new();
    for recorded in &entries {
        blocklist.apply(recorded);
        let before = blocklist.snapshot();
        blocklist = Blocklist::from_checkpoint(&blocklist.to_checkpoint()).unwrap();
        assert_eq!(blocklist.snapshot(), before, "the snapshot differs after a restart");
    }
    assert_eq!(outcome(&blocklist), outcome(&fold(&entries)));
}

#[test]
fn the_serial_counts_the_entries_that_changed_the_zone() {
    let entries = month();
    let mut blocklist = Blocklist::new();
    let mut last: Option<(u32, Digest)> = None;
    for recorded in &entries {
        blocklist.apply(recorded);
        let snapshot = blocklist.snapshot();
        let of_first = |zone: &&backscatterd::zone::JudgedZone| {
            zone.config.apex.origin.to_string() == crate::support::world::ORIGIN
        };
        let Some(zone) = snapshot.zones().iter().find(of_first) else { continue };
        let now = (zone.serial, zone.digest());
        if let Some((serial, digest)) = last {
            assert_eq!(now.0 == serial, now.1 == digest, "the serial must change exactly when the zone does");
            assert!(now.0 == serial || now.0 == serial + 1, "{serial} before {}", now.0);
        }
        last = Some(now);
    }
}

#[test]
fn an_entry_seen_twice_is_taken_once() {
    let entries = month();
    let mut blocklist = Blocklist::new();
    for recorded in &entries {
        blocklist.apply(recorded);
        assert!(blocklist.apply(recorded).list.is_empty());
    }
    assert_eq!(outcome(&blocklist), outcome(&fold(&entries)));
}

#[test]
fn a_checkpoint_and_the_rest_are_everything_after_retention_too() {
    let clock = Arc::new(LaboratoryClock::new(start()));
    let journal = MemoryJournal::new(Arc::<LaboratoryClock>::clone(&clock));
    let entries = month();
    let third = entries.len() / 3;
    let append = |recorded: &RecordedEntry| {
        clock.advance(recorded.at.since(backscatterd::time::Clock::now(&*clock)));
        journal.append(recorded.entry.clone().into()).wait().unwrap();
    };
    entries[..2 * third].iter().for_each(append);
    let mut half = restore(&journal).unwrap();
    catch_up(&mut half, &journal, |_, _, _| {}).unwrap();
    checkpoint(&half, &journal).unwrap();
    entries[2 * third..].iter().for_each(append);

    let since = entries[third].at.day();
    let dropped = journal
        .retain(backscatterd::journal::Retention { entries_since: since, reports_since: since })
        .unwrap();
    assert!(dropped.entry_days > 0 && journal.beginning().unwrap() > Offset::START);
    let mut rest = restore(&journal).unwrap();
    catch_up(&mut rest, &journal, |_, _, _| {}).unwrap();
    assert_eq!(outcome(&rest), outcome(&fold(&entries)));
}

#[test]
fn without_a_checkpoint_and_without_the_first_entry_there_is_no_list() {
    let clock = Arc::new(LaboratoryClock::new(start()));
    let journal = MemoryJournal::new(Arc::<LaboratoryClock>::clone(&clock));
    for number in 0..3 {
        journal.append(Entry::Tick(number).into()).wait().unwrap();
        clock.advance(Span::from_days(1));
    }
    let mut blocklist = restore(&journal).unwrap();
    catch_up(&mut blocklist, &journal, |_, _, _| {}).unwrap();
    checkpoint(&blocklist, &journal).unwrap();
    let later = backscatterd::time::Clock::now(&*clock).day();
    journal.retain(backscatterd::journal::Retention { entries_since: later, reports_since: later }).unwrap();
    let mut foreign = journal.checkpoint().unwrap().unwrap();
    foreign.version += 1;
    journal.save_checkpoint(&foreign).unwrap();
    let error = restore(&journal).unwrap_err().to_string();
    assert!(error.contains("version") && error.contains("first entries were deleted"), "{error}");
}

/// The number of entries after which the checkpoint was made.
const GOLDEN_ENTRIES: usize = 400;
/// A checkpoint that version 1 wrote, with its zones' files. It must never be regenerated: existing
/// checkpoints may be the only place that holds old traps and zones.
const GOLDEN: &[u8] = include_bytes!("golden/state-v1.bin");

#[test]
fn a_checkpoint_of_version_1_reads_for_ever() {
    if std::env::var_os("BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/state-v1.bin");
        std::fs::write(path, fold(&month()[..GOLDEN_ENTRIES]).to_checkpoint()).unwrap();
        return;
    }
    let read = Blocklist::from_checkpoint(GOLDEN).unwrap();
    assert_eq!(read.offset(), Offset::from_number(GOLDEN_ENTRIES as u64));
    assert!(read.snapshot().zones().iter().any(|zone| !zone.entries.is_empty()));
    assert_eq!(read.traps().iter().count(), 3);
}
