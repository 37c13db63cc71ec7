//! Tests of the journal: one contract for every kind, and a wire format that later versions must be
//! able to read.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use backscatterd::classify::{Author, Cause, HandedIn, Kind};
use backscatterd::digest::Digest;
use backscatterd::evidence::{
    AskedHost, AskedSide, Channel, Directive, Entry, EvidenceSource, GivenTrap, Observation, Offset, Order,
    OriginalSender, RecordedEntry, Verification, VerificationAnswer,
};
use backscatterd::journal::{
    Append, Checkpoint, DroppedDays, EmbeddedJournal, Journal, JournalError, MemoryJournal, Retention,
    SealedReport, wire,
};
use backscatterd::mail::EnhancedStatus;
use backscatterd::relay::Prefix;
use backscatterd::time::{Clock, LaboratoryClock, Span, Timestamp};
use backscatterd::trap::{Donor, DonorTerms, MailRoute, Scope, SealedName, TrapMail};
use minicbor::{Decode, Encode};

use crate::support::world::{World, start};

type Make = fn(&Path, Arc<dyn Clock>) -> Box<dyn Journal>;

/// Every kind of journal, and whether it keeps its entries over a restart.
const KINDS: [(&str, Make, bool); 2] = [
    ("memory", |_, clock| Box::new(MemoryJournal::new(clock)), false),
    (
        "embedded",
        |folder, clock| Box::new(EmbeddedJournal::open(&folder.join("store"), clock).unwrap()),
        true,
    ),
];

fn for_every_kind(promise: impl Fn(&dyn Journal, &LaboratoryClock, &dyn Fn() -> Option<Box<dyn Journal>>)) {
    for (name, make, keeps) in KINDS {
        println!("journal kind: {name}");
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(LaboratoryClock::new(start()));
        let journal = make(folder.path(), Arc::<LaboratoryClock>::clone(&clock));
        let copy = tempfile::tempdir().unwrap();
        let again = || {
            // A copy of the store's file, taken while the store is open, is what a crash would
            // leave.
            keeps.then(|| {
                std::fs::copy(folder.path().join("store"), copy.path().join("store")).unwrap();
                make(copy.path(), Arc::<LaboratoryClock>::clone(&clock))
            })
        };
        promise(&*journal, &clock, &again);
    }
}

fn tick(number: u64) -> Append {
    Entry::Tick(number).into()
}

fn all(journal: &dyn Journal) -> Vec<RecordedEntry> {
    journal.read(Offset::START, usize::MAX).unwrap()
}

#[test]
fn offsets_rise_by_one_and_entries_come_back_in_order() {
    for_every_kind(|journal, _, again| {
        assert_eq!(
            (journal.beginning().unwrap(), journal.last().unwrap(), *journal.head().borrow()),
            (Offset::START, None, Offset::START)
        );
        for number in 1..=50 {
            assert_eq!(journal.append(tick(number)).wait().unwrap(), Offset::from_number(number));
        }
        assert_eq!(*journal.head().borrow(), Offset::from_number(50));
        let read = journal.read(Offset::from_number(10), 5).unwrap();
        assert_eq!(
            read.iter().map(|recorded| recorded.offset.number()).collect::<Vec<_>>(),
            [11, 12, 13, 14, 15]
        );
        assert_eq!(read[0].entry, Entry::Tick(11));
        assert!(journal.read(Offset::from_number(50), 5).unwrap().is_empty());
        let at = |number| journal.entry(Offset::from_number(number)).unwrap().map(|recorded| recorded.entry);
        assert_eq!(
            (at(0), at(11), at(50), at(51)),
            (None, Some(Entry::Tick(11)), Some(Entry::Tick(50)), None)
        );
        if let Some(again) = again() {
            assert_eq!(all(&*again), all(journal));
            assert_eq!(again.append(tick(51)).wait().unwrap(), Offset::from_number(51));
        }
    });
}

#[test]
fn an_entry_that_comes_twice_lies_in_one_place() {
    for_every_kind(|journal, clock, again| {
        let first = journal.append(tick(7)).wait().unwrap();
        journal.append(tick(8)).wait().unwrap();
        assert_eq!(journal.append(tick(7)).wait().unwrap(), first);
        clock.advance(Span::from_hours(20));
        assert_eq!(journal.append(tick(7)).wait().unwrap(), first, "on the next day");
        assert_eq!(all(journal).len(), 2);
        let found = |id: Digest| journal.find(id).unwrap().map(|recorded| recorded.offset);
        let offsets = [7, 8, 9].map(|number| found(Entry::Tick(number).id()));
        assert_eq!(offsets, [Some(first), Some(Offset::from_number(2)), None]);
        if let Some(again) = again() {
            assert_eq!(again.append(tick(7)).wait().unwrap(), first, "after a restart");
        }
    });
}

#[test]
fn its_time_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |days: i64| Arc::new(LaboratoryClock::new(start().plus(Span::from_days(days))));
    let journal = EmbeddedJournal::open(&folder.path().join("store"), at(5)).unwrap();
    journal.append(tick(1)).wait().unwrap();
    drop(journal);
    let journal = EmbeddedJournal::open(&folder.path().join("store"), at(1)).unwrap();
    journal.append(tick(2)).wait().unwrap();
    let times: Vec<Timestamp> = all(&journal).into_iter().map(|recorded| recorded.at).collect();
    assert!(times.is_sorted() && times[1] == start().plus(Span::from_days(5)), "{times:?}");
}

#[test]
fn word_of_a_new_entry_goes_round() {
    for_every_kind(|journal, _, _| {
        let mut head = journal.head();
        head.borrow_and_update();
        journal.append(tick(1)).wait().unwrap();
        assert!(head.has_changed().unwrap());
        assert_eq!(*head.borrow_and_update(), Offset::from_number(1));
    });
}

#[test]
fn reports_lie_beside_their_evidence_and_go_earlier() {
    for_every_kind(|journal, clock, _| {
        let mut world = World::new();
        let report = world.report("198.18.0.25");
        let entry = world.evidence(report);
        let sealed = SealedReport { day: clock.now().day(), octets: b"sealed".to_vec() };
        journal.append(Append { entry: entry.clone(), report: Some(sealed.clone()) }).wait().unwrap();
        assert_eq!(journal.report(entry.id()).unwrap(), Some(sealed));
        assert_eq!(journal.report(Digest::of(b"another")).unwrap(), None);
        clock.advance(Span::from_days(1));
        let retention = Retention { entries_since: start().day(), reports_since: clock.now().day() };
        assert_eq!(journal.retain(retention).unwrap(), DroppedDays { entry_days: 0, report_days: 1 });
        assert_eq!(journal.report(entry.id()).unwrap(), None);
        assert_eq!(all(journal).len(), 1);
    });
}

#[test]
fn retention_drops_days_that_a_checkpoint_has_taken_in_and_no_others() {
    for_every_kind(|journal, clock, again| {
        for day in 0..10u64 {
            journal.append(tick(2 * day)).wait().unwrap();
            journal.append(tick(2 * day + 1)).wait().unwrap();
            clock.advance(Span::from_days(1));
        }
        let today = clock.now().day();
        let everything = Retention { entries_since: today, reports_since: today };
        assert_eq!(
            journal.retain(everything).unwrap(),
            DroppedDays::default(),
            "without a checkpoint nothing is dropped"
        );
        let mut checkpoint =
            Checkpoint { offset: Offset::from_number(0), version: 1, octets: b"state".to_vec() };
        // A day may be dropped once the checkpoint covers its last entry.
        for (offset, days) in [(7, 3), (8, 1), (9, 0)] {
            checkpoint.offset = Offset::from_number(offset);
            journal.save_checkpoint(&checkpoint).unwrap();
            assert_eq!(journal.checkpoint().unwrap().as_ref(), Some(&checkpoint));
            assert_eq!(journal.retain(everything).unwrap().entry_days, days, "with a checkpoint at {offset}");
        }
        assert_eq!(journal.beginning().unwrap(), Offset::from_number(8));
        let (head, last) = (*journal.head().borrow(), journal.last().unwrap().unwrap());
        assert_eq!(last.offset, head);
        let kept = journal.read(Offset::START, usize::MAX).unwrap().len() as u64;
        assert_eq!(journal.entries_between(journal.beginning().unwrap(), head), kept);
        assert_eq!(journal.read(Offset::START, 1).unwrap()[0].offset, Offset::from_number(9));
        let offset_at = |number| journal.entry(Offset::from_number(number)).unwrap().map(|of| of.offset);
        assert_eq!((offset_at(8), offset_at(9)), (None, Some(Offset::from_number(9))), "8 was dropped");
        if let Some(again) = again() {
            assert_eq!(again.checkpoint().unwrap(), Some(checkpoint));
            assert_eq!(all(&*again), all(journal));
        }
    });
}

#[test]
fn reading_begins_behind_any_offset() {
    for_every_kind(|journal, clock, _| {
        let mut number = 0;
        for entries in [1, 4, 1, 2, 7, 1] {
            for _ in 0..entries {
                number += 1;
                journal.append(tick(number)).wait().unwrap();
            }
            clock.advance(DAY);
        }
        for after in (0..=number + 1).chain([u64::MAX]) {
            let offsets: Vec<u64> = journal
                .read(Offset::from_number(after), usize::MAX)
                .unwrap()
                .into_iter()
                .map(|recorded| recorded.offset.number())
                .collect();
            assert_eq!(offsets, (after.saturating_add(1)..=number).collect::<Vec<_>>(), "after {after}");
        }
    });
}

#[test]
fn reports_of_several_days_come_together() {
    for_every_kind(|journal, clock, _| {
        let mut world = World::new();
        let appending: Vec<_> = (0..40u8)
            .map(|number| {
                let report = world.report("198.18.0.25");
                let entry = world.evidence(report);
                let day = clock.now().plus(if number % 2 == 0 { Span::ZERO } else { DAY }).day();
                let sealed = SealedReport { day, octets: vec![number] };
                let id = entry.id();
                (id, sealed.clone(), journal.append(Append { entry, report: Some(sealed) }))
            })
            .collect();
        for (id, sealed, appending) in appending {
            appending.wait().unwrap();
            assert_eq!(journal.report(id).unwrap(), Some(sealed));
        }
    });
}

#[test]
fn a_store_whose_days_are_all_over_knows_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let clock = Arc::new(LaboratoryClock::new(start()));
    let open = || EmbeddedJournal::open(&path, Arc::<LaboratoryClock>::clone(&clock)).unwrap();
    let journal = open();
    for number in 1..=6 {
        journal.append(tick(number)).wait().unwrap();
        clock.advance(DAY);
    }
    let checkpoint = Checkpoint { offset: Offset::from_number(6), version: 1, octets: Vec::new() };
    journal.save_checkpoint(&checkpoint).unwrap();
    let day = clock.now().plus(DAY).day();
    let dropped = journal.retain(Retention { entries_since: day, reports_since: day }).unwrap();
    assert_eq!(dropped.entry_days, 5);
    let found = |number| journal.find(Entry::Tick(number).id()).unwrap().map(|recorded| recorded.offset);
    assert_eq!((found(5), found(6)), (None, Some(Offset::from_number(6))));
    // An entry that is appended again on a new day keeps its offset and begins no day.
    assert_eq!(journal.append(tick(6)).wait().unwrap(), Offset::from_number(6));
    drop(journal);
    let journal = open();
    assert_eq!(
        (journal.beginning().unwrap(), *journal.head().borrow()),
        (Offset::from_number(5), Offset::from_number(6))
    );
    assert_eq!(journal.append(tick(7)).wait().unwrap(), Offset::from_number(7));
    assert_eq!(all(&journal).len(), 2);
}

#[test]
fn a_store_of_another_layout_is_refused_by_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let clock = Arc::new(LaboratoryClock::new(start()));
    drop(EmbeddedJournal::open(&path, Arc::<LaboratoryClock>::clone(&clock)).unwrap());
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u32>::new("meta");
    let known = write.open_table(meta).unwrap().insert("format", 1).unwrap().unwrap().value();
    write.commit().unwrap();
    drop(database);
    let refused = EmbeddedJournal::open(&path, clock).err().unwrap();
    assert!(matches!(refused, JournalError::Version { found: 1, known: k } if k == known), "{refused}");
}

#[test]
fn a_store_has_one_owner_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(LaboratoryClock::new(start()));
    let path = folder.path().join("store");
    let owner = EmbeddedJournal::open(&path, Arc::<LaboratoryClock>::clone(&clock)).unwrap();
    let second = EmbeddedJournal::open(&path, Arc::<LaboratoryClock>::clone(&clock));
    assert!(matches!(second.err(), Some(JournalError::InUse(_))));
    drop(owner);
    assert!(EmbeddedJournal::open(&path, clock).is_ok());
}

const DAY: Span = Span::from_days(1);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// An entry of each sort, with every field filled.
fn golden_entries() -> Vec<(String, Entry)> {
    let mut world = World::new();
    let report = world.report("198.18.0.25");
    let mut evidence = world.evidence(report);
    if let Entry::Evidence(evidence) = &mut evidence {
        (evidence.facts.author, evidence.facts.handed_in) = (Author::Unknown, HandedIn::Unknown);
    }
    let id = Digest::of(b"golden");
    let directive = |order| Entry::Directive(Directive { id, by: "op".into(), why: "golden".into(), order });
    let traps: Vec<Order> = world
        .entries
        .iter()
        .filter_map(|recorded| match &recorded.entry {
            Entry::Directive(Directive { order: order @ Order::AddTrap { .. }, .. }) => Some(order.clone()),
            _ => None,
        })
        .collect();
    let key = crate::support::world::hasher().domain("trap-one.example");
    let mut kinds: Vec<(String, Entry)> = Vec::new();
    for &kind in Kind::ALL {
        let mut report = world.report("2001:db8::25");
        report.kind = kind;
        report.author = Author::Unknown;
        report.reverse_path = backscatterd::mail::ReversePath::parse("<someone@relay.example>");
        let mut entry = world.evidence(report);
        if let Entry::Evidence(evidence) = &mut entry {
            evidence.facts.sender =
                [OriginalSender::Trap, OriginalSender::Other, OriginalSender::Unknown][kinds.len() % 3];
            evidence.facts.injector = "2001:db8:f::1".parse().ok();
            evidence.facts.reasons = vec!["a reason".to_owned()];
            evidence.facts.failures[0].status = Some(EnhancedStatus { class: 5, subject: 1, detail: 1 });
            evidence.facts.failures[0].remote = true;
        }
        kinds.push((format!("evidence-{kind}"), entry));
    }
    let donor = Donor::parse("isp-1").unwrap();
    let isp = donor.clone();
    let mut entries = vec![
        ("evidence", evidence),
        (
            "observation",
            Entry::Observation(Observation {
                evidence: id,
                confirmed_name: Some("relay.example".into()),
                mx_of_recipient: Some(true),
                spf_of_recipient: None,
                network: Some(64_496),
                same_organisation: Some(false),
                refused_inside: None,
                injector_network: Some(64_497),
                original_forbidden: Some(true),
                named_elsewhere: Some(false),
                recipient_organisation: None,
                named_within: None,
                organisation: None,
                attempt: 0,
                counted: None,
            }),
        ),
        ("exempt", directive(Order::Exempt { prefix: prefix("9.9.0.0/16"), review_by: start().plus(DAY) })),
        ("end-exemption", directive(Order::EndExemption { prefix: prefix("9.9.0.0/16") })),
        (
            "list",
            directive(Order::List {
                origin: "bl.example.".into(),
                prefix: prefix("9.9.9.9"),
                code: 2,
                until: start().plus(DAY),
            }),
        ),
        (
            "void-donor",
            directive(Order::Void { source: EvidenceSource::Donor(donor.clone()), since: start() }),
        ),
        ("void-trap", directive(Order::Void { source: EvidenceSource::Trap(key), since: start() })),
        ("freeze", directive(Order::Freeze)),
        ("release", directive(Order::Release)),
        ("shut-down", directive(Order::ShutDown { origin: "bl.example.".into() })),
        ("reopen", directive(Order::Reopen { origin: "bl.example.".into() })),
        (
            "count-good-mail",
            directive(Order::CountGoodMail {
                relay: "9.9.9.9".parse().unwrap(),
                donor: donor.clone(),
                messages: 10_000,
            }),
        ),
        ("add-trap", directive(traps[0].clone())),
        ("retire-trap", directive(Order::RetireTrap { key })),
        ("remove", directive(Order::Remove { relay: "2001:db8::25".parse().unwrap() })),
        (
            "adopt-zone",
            directive(Order::AdoptZone { origin: "bl.example.".into(), text: "version = 1".into() }),
        ),
        ("withdraw-zone", directive(Order::WithdrawZone { origin: "bl.example.".into() })),
        ("add-donor", directive(Order::AddDonor { donor })),
        ("tick", Entry::Tick(176_722_560)),
    ];
    let mut named: Vec<(String, Entry)> =
        entries.drain(..).map(|(name, entry)| (name.to_owned(), entry)).collect();
    named.extend(kinds);
    // Entries that were added later stand at the end: the golden file only grows.
    let report = world.report("198.18.0.25");
    let mut forwarded = world.evidence(report);
    if let Entry::Evidence(evidence) = &mut forwarded {
        (evidence.facts.author, evidence.facts.handed_in) = (Author::Unknown, HandedIn::Unknown);
        evidence.wider = vec![key];
        (evidence.channel, evidence.forwarded_by) = (Channel::Submitted, Some(isp.clone()));
    }
    let mut report = world.report("198.18.0.26");
    report.cause = Cause::Unknown;
    let mut by_mail_system = world.evidence(report);
    if let Entry::Evidence(evidence) = &mut by_mail_system {
        evidence.facts.handed_in = HandedIn::Unknown;
    }
    let report = world.report("198.18.0.27");
    let by_stranger = world.evidence(report);
    let terms = DonorTerms {
        token: Some(id),
        traps_max: 7,
        reports_per_day_max: 8,
        weight: 900,
        suspended: true,
        silence_believed: true,
        relays: vec![prefix("192.0.2.0/28")],
        sends_hashes: true,
        gives_domains: true,
    };
    let given = GivenTrap { key, scope: Scope::Subdomains, domain: key, silent_since: Some(start()) };
    named.extend([
        ("evidence-forwarded".to_owned(), forwarded),
        ("set-donor".to_owned(), directive(Order::SetDonor { donor: isp.clone(), terms })),
        ("add-traps".to_owned(), directive(Order::AddTraps { donor: isp.clone(), traps: vec![given] })),
        ("retire-traps".to_owned(), directive(Order::RetireTraps { donor: isp, keys: vec![key] })),
        ("evidence-of-a-mail-system".to_owned(), by_mail_system.clone()),
        (
            "observation-of-an-organisation".to_owned(),
            Entry::Observation(Observation {
                organisation: Some("relay.example".into()),
                ..Observation::unknown(id)
            }),
        ),
        ("evidence-of-a-stranger".to_owned(), by_stranger),
        (
            "observation-of-a-recipient".to_owned(),
            Entry::Observation(Observation {
                recipient_organisation: Some("relay.example".to_owned()),
                ..Observation::unknown(id)
            }),
        ),
        (
            "verification".to_owned(),
            Entry::Verification(Box::new(Verification::new(
                "198.18.0.27".parse().unwrap(),
                "mail.relay.example".to_owned(),
                AskedSide::Exchangers,
                (VerificationAnswer::RefusesUnknown, "550 5.1.1 unknown user"),
                start(),
            ))),
        ),
    ]);
    if let Entry::Evidence(evidence) = by_mail_system {
        let late = Observation {
            mx_of_recipient: Some(true),
            attempt: 4,
            counted: Some(evidence.clone()),
            ..Observation::unknown(evidence.id)
        };
        named.push(("observation-late".to_owned(), Entry::Observation(late)));
    }
    let relay = "198.18.0.25".parse().unwrap();
    let network = prefix("203.0.113.0/24");
    named.extend([
        ("remove-on-request".to_owned(), directive(Order::RemoveOnRequest { relay, network })),
        ("set-trap-key".to_owned(), directive(Order::SetTrapKey { fingerprint: id })),
    ]);
    let leaver = Donor::parse("isp-1").unwrap();
    named.push(("dismiss-donor".to_owned(), directive(Order::DismissDonor { donor: leaver })));
    let said = (VerificationAnswer::NoAnswer, "no answer: the host puts the decision off");
    let relay = "198.18.0.28".parse().unwrap();
    let asked = Verification::new(relay, "mail.relay.example".to_owned(), AskedSide::Relay, said, start());
    let session = |host: &str, is_unreachable| AskedHost {
        host: host.parse().unwrap(),
        ended: start(),
        answer: VerificationAnswer::NoAnswer,
        is_unreachable,
    };
    let asked = asked.by_sessions(vec![session("198.18.0.28", false), session("2001:db8::25", true)]);
    named.push(("verification-with-sessions".to_owned(), Entry::Verification(Box::new(asked))));
    let name = Some(SealedName(vec![1, 2, 3]));
    let mail = TrapMail { domain: key, route: MailRoute::Elsewhere, decided: true, name };
    named.push(("set-trap-mail".to_owned(), directive(Order::SetTrapMail { domains: vec![mail] })));
    named
}

/// The file with octets that version 1 wrote. Lines are only ever added: a program that cannot read
/// them cannot read existing journals.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/wire-v1.txt");

/// The numbers of the variants that the program can read.
fn known_variants<T: for<'b> Decode<'b, ()>>() -> BTreeSet<u32> {
    let is_known = |number: &u32| {
        let empty = minicbor::to_vec((number, [0_u8; 0])).unwrap();
        let read = minicbor::decode::<T>(&empty);
        read.err().is_none_or(|error| !error.to_string().contains("unknown enum variant"))
    };
    (0..256).filter(is_known).collect()
}

/// The number of a value's variant.
fn variant<T: Encode<()>>(value: &T) -> u32 {
    let octets = minicbor::to_vec(value).unwrap();
    let mut decoder = minicbor::Decoder::new(&octets);
    decoder.array().unwrap();
    decoder.u32().unwrap()
}

#[test]
fn every_kind_of_entry_and_every_order_has_golden_octets() {
    let golden = golden_entries();
    let entries: BTreeSet<u32> = golden.iter().map(|(_, entry)| variant(entry)).collect();
    assert_eq!(entries, known_variants::<Entry>(), "golden_entries lacks a kind of entry");
    let orders = golden.iter().filter_map(|(_, entry)| match entry {
        Entry::Directive(directive) => Some(variant(&directive.order)),
        _ => None,
    });
    assert_eq!(orders.collect::<BTreeSet<u32>>(), known_variants::<Order>(), "golden_entries lacks an order");
}

/// Where `BACKSCATTERD_GOLDEN` is set, adds the lines that the golden file lacks first.
#[test]
fn the_wire_format_reads_what_version_1_wrote() {
    let written: Vec<(String, String)> = golden_entries()
        .into_iter()
        .map(|(name, entry)| (name, hex(&wire::to_octets(start(), &entry))))
        .collect();
    let mut golden = std::fs::read_to_string(GOLDEN).unwrap();
    if std::env::var_os("BACKSCATTERD_GOLDEN").is_some() {
        let lacking = written.iter().skip(golden.lines().count());
        golden.extend(lacking.map(|(name, octets)| format!("{name} {octets}\n")));
        std::fs::write(GOLDEN, &golden).unwrap();
    }
    for (line, (name, entry)) in golden.lines().zip(golden_entries()) {
        let (golden_name, octets) = line.split_once(' ').unwrap();
        assert_eq!(golden_name, name, "a new entry stands behind the others");
        let read = wire::from_octets(Offset::from_number(1), &unhex(octets)).unwrap();
        assert_eq!(read, RecordedEntry { offset: Offset::from_number(1), at: start(), entry }, "{name}");
    }
    let golden: Vec<_> = golden.lines().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(
        golden.len(),
        written.len(),
        "BACKSCATTERD_GOLDEN=1 cargo test --test promises journal adds the new lines to tests/golden/wire-v1.txt"
    );
    for ((_, golden), (name, octets)) in golden.iter().zip(&written) {
        assert_eq!(
            golden, octets,
            "{name} is encoded differently than before: a new field must leave no octets while it has its default \
             (an Option, or skip_if); otherwise raise the version"
        );
    }
}

#[test]
fn the_wire_format_passes_over_fields_of_later_programs_and_names_other_versions() {
    // A tick with a third, unknown field: [at, entry, "later"].
    let mut octets = wire::to_octets(start(), &Entry::Tick(7));
    assert_eq!(octets[1], 0x82, "an array of two");
    octets[1] = 0x83;
    octets.extend_from_slice(b"\x65later");
    assert_eq!(wire::from_octets(Offset::from_number(1), &octets).unwrap().entry, Entry::Tick(7));

    octets[0] = 9;
    let error = wire::from_octets(Offset::from_number(3), &octets).unwrap_err().to_string();
    assert!(error.contains("entry 3") && error.contains("version 9"), "{error}");
    for damaged in [&[][..], &[1], &[1, 0xff, 0xff], &[1, 0x82, 0x00]] {
        assert!(wire::from_octets(Offset::from_number(1), damaged).is_err());
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
