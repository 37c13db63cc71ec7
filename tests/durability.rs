//! Tests that 250 means durable: after a kill, a cut or a full disk the acknowledged evidence is in
//! the journal, and the list is what the journal makes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backscatterd::blocklist::Blocklist;
use backscatterd::evidence::{Entry, Offset, RecordedEntry};
use backscatterd::intake::{Intake, WrongRecipients};
use backscatterd::journal::{EmbeddedJournal, Journal, MemoryJournal};
use backscatterd::keys::Keys;
use backscatterd::mail::{Mailbox, ReversePath};
use backscatterd::metrics::Metrics;
use backscatterd::observe::{Lookups, Networks, Observer, ObserverLimits};
use backscatterd::publish::{catch_up, checkpoint, restore};
use backscatterd::time::{Clock, LaboratoryClock, Span};
use backscatterd::transaction::{Client, IntakeOutcome, Transaction};
use redb::StorageBackend;

use crate::support::journal::queue_ids;
use crate::support::messages::report;
use crate::support::server::Installation;
use crate::support::world::{World, start};
use crate::support::{happens_within, wait_until};

const ROUNDS: u64 = 50;
/// How long acknowledgements may take.
const ACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(20);
const CLIENTS: usize = 4;

/// The ids of all messages that got a 250.
type Acknowledged = Arc<Mutex<BTreeSet<String>>>;

/// Sends reports until `stop` is set; records each acknowledged id.
fn load(
    installation: &Installation,
    client: usize,
    stop: &AtomicBool,
    nth: &AtomicU64,
    taken: &Acknowledged,
) {
    let relays = ["198.18.0.25", "198.18.1.25", "198.18.2.25"];
    let injectors = ["192.0.2.44", "198.51.100.66", "203.0.113.9"];
    while !stop.load(Ordering::SeqCst) {
        let Ok(mut smtp) = installation.smtp_from(relays[client % relays.len()]) else { continue };
        if smtp.say("EHLO relay.example").is_err() {
            continue;
        }
        for _ in 0..20 {
            let id = nth.fetch_add(1, Ordering::SeqCst);
            let trap = if id.is_multiple_of(2) { "a@trap-one.example" } else { "b@trap-two.example" };
            let message = report(trap, &format!("u{id}@relay.example"), injectors[(id % 3) as usize], id);
            match smtp.deliver("", trap, &message) {
                Ok(reply) => {
                    let id =
                        reply.strip_prefix("250 2.0.0 Ok: queued as ").expect("a 250 or no reply at all");
                    taken.lock().unwrap().insert(id.to_owned());
                }
                Err(_) => break,
            }
        }
    }
}

#[test]
fn rfc5321_s3_killed_at_any_moment_nothing_acknowledged_is_lost_and_the_zone_is_the_journals() {
    let installation = Installation::new();
    let server = installation.start();
    for domain in ["trap-one.example", "trap-two.example"] {
        installation.ok(&["trap", "add", domain, "--silent-since", "2025-01-01T00:00:00Z"]);
    }
    server.stop();
    let (taken, nth) = (Acknowledged::default(), AtomicU64::new(0));
    let mut lost = Vec::new();
    // The timing of the machine decides at which point of a message the kill falls.
    for round in 0..ROUNDS {
        let server = installation.start();
        installation.ok(&["advance", "5h"]);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (installation, stop, nth, taken) = (&installation, &stop, &nth, &taken);
                scope.spawn(move || load(installation, client, stop, nth, taken));
            }
            // Wait for a number of acknowledgements instead of a time, because the machine may be
            // busy.
            let wanted = taken.lock().unwrap().len() + usize::try_from(3 + round * 17 % 60).unwrap();
            // Without them the round still shows that nothing is lost; the end of the test shows
            // whether there was enough load in all.
            happens_within(ACKNOWLEDGED_LIMIT, || taken.lock().unwrap().len() >= wanted);
            stop.store(true, Ordering::SeqCst);
            server.kill();
        });
        let kept: BTreeSet<String> = queue_ids(&installation.store()).into_iter().collect();
        lost.extend(taken.lock().unwrap().difference(&kept).cloned());
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");

        let server = installation.start();
        let zones: serde_json::Value =
            serde_json::from_str(&installation.control_get("/control/v1/zones")).unwrap();
        server.stop();
        let replayed = installation.ok(&["replay"]);
        let zone = &zones["zones"][0];
        let line = format!(
            "{} serial {} entries {} digest {}",
            zone["origin"].as_str().unwrap(),
            zone["serial"],
            zone["entries"],
            zone["digest"].as_str().unwrap()
        );
        assert!(replayed.contains(&line), "round {round}: {line}\n{replayed}");
        let state = |text: &str| text.lines().last().map(str::to_owned);
        assert_eq!(
            state(&replayed),
            state(&installation.ok(&["replay", "--from-checkpoint"])),
            "round {round}"
        );
    }
    let acknowledged = taken.lock().unwrap().len();
    let all = queue_ids(&installation.store());
    println!("{ROUNDS} kills, {acknowledged} acknowledged, {} in the journal", all.len());
    assert!(acknowledged > 200, "too little load to mean anything: {acknowledged}");
    assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "no entry is in the journal twice");
    let listed = installation.ok(&["lookup", "198.18.0.25"]);
    assert!(listed.contains("127.0.0.34"), "the compared zones were empty: {listed}");
}

/// A disk in memory that keeps an image of its contents at each sync.
#[derive(Clone, Debug, Default)]
struct Forgetful(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    now: Vec<u8>,
    synced: Vec<Vec<u8>>,
    /// The disk is full from this sync on.
    full_at: Option<usize>,
    /// The time that a sync takes.
    slow: Duration,
    /// The number of images to keep; all, if `None`.
    images_max: Option<usize>,
    /// The error of every write at the moment.
    refuses: Option<std::io::ErrorKind>,
}

impl Forgetful {
    fn holding(octets: Vec<u8>) -> Self {
        Forgetful(Arc::new(Mutex::new(Disk { now: octets, ..Disk::default() })))
    }

    /// Opens the same disk again.
    fn again(&self) -> impl Fn() -> Forgetful + Send + Sync + 'static + use<> {
        let disk = self.clone();
        move || disk.clone()
    }

    fn syncs(&self) -> usize {
        self.0.lock().unwrap().synced.len()
    }
}

impl StorageBackend for Forgetful {
    fn len(&self) -> Result<u64, std::io::Error> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap().now[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.lock().unwrap().now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        std::thread::sleep(self.0.lock().unwrap().slow);
        let mut disk = self.0.lock().unwrap();
        if let Some(images) = disk.images_max
            && disk.synced.len() >= images
        {
            disk.synced.remove(0);
        }
        if disk.full_at.is_some_and(|full_at| disk.synced.len() >= full_at) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let now = disk.now.clone();
        disk.synced.push(now);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        if let Some(kind) = self.0.lock().unwrap().refuses {
            return Err(kind.into());
        }
        let offset = usize::try_from(offset).unwrap();
        self.0.lock().unwrap().now[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn clock() -> Arc<LaboratoryClock> {
    Arc::new(LaboratoryClock::new(start()))
}

/// The states that a journal makes: from its checkpoint, and from its beginning.
fn lists(journal: &dyn Journal) -> (Vec<u8>, Vec<u8>) {
    let mut restored = restore(journal).unwrap();
    catch_up(&mut restored, journal, |_, _, _| {}).unwrap();
    let mut replayed = Blocklist::new();
    catch_up(&mut replayed, journal, |_, _, _| {}).unwrap();
    (restored.to_checkpoint(), replayed.to_checkpoint())
}

/// An intake over a journal.
fn intake(journal: Arc<dyn Journal>, folder: &std::path::Path, maildir: std::path::PathBuf) -> Intake {
    let metrics = Arc::new(Metrics::new());
    let limits =
        ObserverLimits { inquiries_max: 1, queue_max: 1, timeout: std::time::Duration::from_secs(1) };
    let observer = Observer::new(
        Lookups::Nothing,
        Networks::default(),
        Arc::clone(&journal),
        Arc::clone(&metrics),
        clock(),
        limits,
    );
    // These tests make no DNS lookups.
    let observer = Arc::new(observer);
    Intake {
        journal,
        observer,
        traps: Arc::default(),
        donors: Arc::default(),
        room: None,
        trusted_relays: Vec::new(),
        keys: Arc::new(Keys::open(&folder.join("keys")).unwrap()),
        metrics,
        node: "trap1".to_owned(),
        operator_maildir: maildir,
        start: [7; 16],
        wrong_recipients: WrongRecipients::default(),
        transactions: AtomicU64::new(0),
    }
}

fn transaction(nth: u64, operator: bool) -> Transaction {
    let message =
        report("a@trap-one.example", &format!("u{nth}@relay.example"), "192.0.2.44", nth).into_bytes();
    let mailbox = |text| Mailbox::parse(text).unwrap();
    let client = Client::Relay("198.18.0.25".parse().unwrap());
    Transaction {
        traps: vec![mailbox("a@trap-one.example")],
        operators: if operator { vec![mailbox("abuse@trap-one.example")] } else { Vec::new() },
        octets: message.len() as u64,
        message,
        ..Transaction::new(start(), client, "relay.example".to_owned(), ReversePath::Null)
    }
}

#[test]
fn rfc5321_s3_a_journal_that_cannot_says_451_and_what_got_250_before_is_there() {
    let (disk, folder) = (Forgetful::default(), tempfile::tempdir().unwrap());
    let journal = Arc::new(EmbeddedJournal::over(disk.again(), clock()).unwrap());
    disk.0.lock().unwrap().full_at = Some(disk.syncs() + 20);
    let intake =
        intake(Arc::<EmbeddedJournal>::clone(&journal), folder.path(), folder.path().join("operator"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcomes: Vec<IntakeOutcome> =
        (0..40).map(|nth| runtime.block_on(intake.message(transaction(nth, false)))).collect();
    let taken: BTreeSet<String> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            IntakeOutcome::Durable { id } => Some(id.clone()),
            IntakeOutcome::Later => None,
        })
        .collect();
    assert!(taken.len() >= 5 && taken.len() < 40, "{} of 40", taken.len());
    assert_eq!(outcomes.last(), Some(&IntakeOutcome::Later), "the disk stays full");
    drop((intake, journal));
    let image = disk.0.lock().unwrap().synced.last().unwrap().clone();
    let left = EmbeddedJournal::over(Forgetful::holding(image).again(), clock()).unwrap();
    let kept: BTreeSet<String> = left
        .read(Offset::START, usize::MAX)
        .unwrap()
        .iter()
        .map(|recorded| recorded.entry.id().to_string())
        .collect();
    assert!(taken.is_subset(&kept), "acknowledged and lost: {:?}", taken.difference(&kept));
}

#[test]
fn rfc5321_s3_a_disk_that_refuses_for_a_while_is_waited_out() {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let (disk, folder) = (Forgetful::default(), tempfile::tempdir().unwrap());
    let journal = Arc::new(EmbeddedJournal::over(disk.again(), clock()).unwrap());
    let intake =
        intake(Arc::<EmbeddedJournal>::clone(&journal), folder.path(), folder.path().join("operator"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut nth = 0;
    let mut send = || {
        nth += 1;
        runtime.block_on(intake.message(transaction(nth, false)))
    };
    let mut taken = BTreeSet::new();
    for kind in [StorageFull, ReadOnlyFilesystem, PermissionDenied, StorageFull] {
        disk.0.lock().unwrap().refuses = Some(kind);
        assert!((0..5).all(|_| send() == IntakeOutcome::Later), "{kind:?}");
        assert!(journal.read(Offset::START, 1).is_err_and(|error| error.is_passing()), "{kind:?}");
        disk.0.lock().unwrap().refuses = None;
        wait_until("a durable message", ACKNOWLEDGED_LIMIT, || match send() {
            IntakeOutcome::Durable { id } => taken.insert(id),
            IntakeOutcome::Later => false,
        });
        for _ in 0..10 {
            match send() {
                IntakeOutcome::Durable { id } => drop(taken.insert(id)),
                IntakeOutcome::Later => panic!("a message was refused after the recovery from {kind:?}"),
            }
        }
    }
    let kept: Vec<String> = journal
        .read(Offset::START, usize::MAX)
        .unwrap()
        .iter()
        .map(|recorded| recorded.entry.id().to_string())
        .collect();
    assert_eq!(
        taken,
        kept.iter().cloned().collect(),
        "the journal contains exactly the acknowledged messages"
    );
    assert_eq!(taken.len(), kept.len(), "no entry is in the journal twice");
    assert_eq!(taken.len(), 44);
    assert_eq!(*journal.head().borrow(), Offset::from_number(44));
}

#[test]
fn rfc5321_s3_cut_at_random_under_load_what_was_acknowledged_is_there_once() {
    let (disk, folder) = (Forgetful::default(), tempfile::tempdir().unwrap());
    {
        let mut disk = disk.0.lock().unwrap();
        (disk.images_max, disk.slow) = (Some(1), Duration::from_micros(200));
    }
    let journal = Arc::new(EmbeddedJournal::over(disk.again(), clock()).unwrap());
    let intake =
        intake(Arc::<EmbeddedJournal>::clone(&journal), folder.path(), folder.path().join("operator"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (taken, stop, nth) = (Acknowledged::default(), AtomicBool::new(false), AtomicU64::new(0));
    let mut cuts = 0;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let id = nth.fetch_add(1, Ordering::SeqCst);
                    if let IntakeOutcome::Durable { id } =
                        runtime.block_on(intake.message(transaction(id, false)))
                    {
                        taken.lock().unwrap().insert(id);
                    }
                }
            });
        }
        for round in 0..50_u64 {
            // This waits for nothing: the cut falls at another moment in each round, within a commit
            // or between two.
            std::thread::sleep(Duration::from_micros(500 + round * 7_919 % 9_000));
            // The acknowledged ids are read first, then the disk image: every one of them must be
            // in it.
            let promised = taken.lock().unwrap().clone();
            let image = disk.0.lock().unwrap().synced.last().unwrap().clone();
            let left = EmbeddedJournal::over(Forgetful::holding(image).again(), clock()).unwrap();
            let all: Vec<String> = left
                .read(Offset::START, usize::MAX)
                .unwrap()
                .iter()
                .map(|recorded| recorded.entry.id().to_string())
                .collect();
            let kept: BTreeSet<String> = all.iter().cloned().collect();
            let lost: Vec<_> = promised.difference(&kept).collect();
            if !lost.is_empty() || all.len() != kept.len() {
                stop.store(true, Ordering::SeqCst);
                panic!("cut {round}: lost {lost:?}, {} entries of {} ids", all.len(), kept.len());
            }
            cuts += usize::from(!promised.is_empty());
        }
        stop.store(true, Ordering::SeqCst);
    });
    let acknowledged = taken.lock().unwrap().len();
    assert!(
        cuts > 40 && acknowledged > 100,
        "too little load to mean anything: {cuts} cuts, {acknowledged} messages"
    );
}

#[test]
fn a_client_that_waited_for_us_for_too_long_has_not_called_out() {
    let folder = tempfile::tempdir().unwrap();
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new(clock()));
    let intake = intake(Arc::clone(&journal), folder.path(), folder.path().join("operator"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let left = |waited| Transaction { waited: Span::from_seconds(waited), ..transaction(1, false) };
    runtime.block_on(intake.left(left(11)));
    assert_eq!(
        *journal.head().borrow(),
        Offset::START,
        "a session in which the client waited for longer than ten seconds is no callout"
    );
    runtime.block_on(intake.left(left(10)));
    assert_eq!(*journal.head().borrow(), Offset::from_number(1));
    // A front MTA that leaves is no callout either.
    let front = Client::Front { mta: "198.18.0.25".parse().unwrap(), named: None };
    runtime.block_on(intake.left(Transaction { client: front, ..left(0) }));
    assert_eq!(*journal.head().borrow(), Offset::from_number(1));
}

#[test]
fn rfc5321_s2_operator_mail_that_cannot_be_written_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "not a folder").unwrap();
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new(clock()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bad = intake(Arc::clone(&journal), folder.path(), in_the_way);
    assert_eq!(runtime.block_on(bad.message(transaction(1, true))), IntakeOutcome::Later);
    assert_eq!(*journal.head().borrow(), Offset::START, "no evidence of the message is recorded");
    let good = intake(Arc::clone(&journal), folder.path(), folder.path().join("operator"));
    assert!(matches!(runtime.block_on(good.message(transaction(1, true))), IntakeOutcome::Durable { .. }));
    assert_eq!(std::fs::read_dir(folder.path().join("operator/new")).unwrap().count(), 1);
    match &journal.read(Offset::START, 1).unwrap()[0].entry {
        Entry::Evidence(evidence) => assert_eq!(evidence.recipients, 2, "a trap and an operator"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn appends_that_wait_become_durable_together() {
    let disk = Forgetful::default();
    let journal = EmbeddedJournal::over(disk.again(), clock()).unwrap();
    let before = disk.syncs();
    disk.0.lock().unwrap().slow = Duration::from_millis(20);
    let appends: Vec<_> = (0..200).map(|number| journal.append(Entry::Tick(number).into())).collect();
    for (nth, appending) in appends.into_iter().enumerate() {
        assert_eq!(appending.wait().unwrap(), Offset::from_number(nth as u64 + 1));
    }
    let syncs = disk.syncs() - before;
    assert!(syncs < 20, "{syncs} syncs for 200 entries");
}

#[test]
fn rfc5321_s3_cut_at_every_sync_what_was_acknowledged_before_is_there() {
    let mut world = World::new();
    world.make_case("198.18.0.25");
    world.make_case("198.18.0.26");
    let entries: Vec<RecordedEntry> = world.entries;
    let (disk, clock) = (Forgetful::default(), clock());
    let journal = EmbeddedJournal::over(disk.again(), Arc::<LaboratoryClock>::clone(&clock)).unwrap();
    // The number of syncs before each entry was acknowledged.
    let mut acknowledged_at = Vec::new();
    for (nth, recorded) in entries.iter().enumerate() {
        clock.advance(recorded.at.since(clock.now()));
        journal.append(recorded.entry.clone().into()).wait().unwrap();
        acknowledged_at.push(disk.syncs());
        if nth == entries.len() / 2 {
            let (state, _) = lists(&journal);
            checkpoint(&Blocklist::from_checkpoint(&state).unwrap(), &journal).unwrap();
        }
    }
    drop(journal);
    let images = disk.0.lock().unwrap().synced.clone();
    assert!(images.len() > entries.len(), "at least one sync for every entry");
    let mut listed = 0;
    for (nth, image) in images.into_iter().enumerate() {
        let promised = acknowledged_at.iter().filter(|&&syncs| syncs <= nth + 1).count();
        let journal = match EmbeddedJournal::over(
            Forgetful::holding(image).again(),
            Arc::<LaboratoryClock>::clone(&clock),
        ) {
            Ok(journal) => journal,
            // The first sync comes before the file is a complete store. `Embedded::open`
            // renames it only afterwards.
            Err(error) if nth == 0 => {
                assert_eq!(promised, 0, "{error}");
                continue;
            }
            Err(error) => panic!("cut after sync {nth}: {error}"),
        };
        let kept = journal.read(Offset::START, usize::MAX).unwrap();
        assert!(kept.len() >= promised, "cut after sync {nth}: {} of {promised}", kept.len());
        assert!(
            kept.iter().zip(&entries).all(|(kept, sent)| kept.entry == sent.entry),
            "cut after sync {nth}"
        );
        let (restored, replayed) = lists(&journal);
        assert_eq!(restored, replayed, "cut after sync {nth}");
        let blocklist = Blocklist::from_checkpoint(&replayed).unwrap();
        listed += blocklist.snapshot().zones().iter().filter(|zone| !zone.entries.is_empty()).count();
    }
    assert!(listed > 0, "all compared lists were empty");
}
