//! Tests of the asker at size: the fold's questions, the budgets and the sessions together, with servers
//! on loopback and a clock that the test moves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backscatterd::audit::AuditLog;
use backscatterd::daemon::{VerifyingParts, past_session, verify};
use backscatterd::digest::Digest;
use backscatterd::evidence::{Entry, Observation, Offset, RecordedEntry, VerificationAnswer};
use backscatterd::journal::{
    Append, Appending, Checkpoint, DroppedDays, Journal, JournalError, MemoryJournal, Retention, SealedReport,
};
use backscatterd::keys::Keys;
use backscatterd::metrics::Metrics;
use backscatterd::observe::Lookups;
use backscatterd::publish::{Published, Publisher, RetentionPeriods};
use backscatterd::relay::{Listable, Prefix, Relay};
use backscatterd::time::{Clock, LaboratoryClock, Span, Timestamp};
use backscatterd::verify::{LocalAddresses, SessionTimes, Verifier, VerifierLimits, VerifierSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::mail_host::{MailHost, about_others};
use crate::support::world::{ORIGIN, World, exchanger, laboratory_zone, start};

/// The budgets, as shipped (deploy/backscatterd.toml, docs/JUDGING.md).
const LIMITS: VerifierLimits = VerifierLimits { sessions_max: 16, per_hour: 600 };
const PER_NETWORK_HOUR: usize = 10;
const PER_ORGANISATION_HOUR: usize = 20;
/// How often the asker looks, in real time.
const LOOK: Duration = Duration::from_millis(4);
/// By how much the test moves the clock at once.
const STEP: Span = Span::from_seconds(5 * 60);

/// A session that a server saw.
#[derive(Clone, Debug)]
struct SeenSession {
    at: Timestamp,
    host: IpAddr,
    domain: String,
}

/// A relay with a complete case: claims of one domain.
#[derive(Clone)]
struct ClaimedRelay {
    address: Ipv4Addr,
    domain: String,
    organisation: String,
}

/// What its side answers.
fn answer(host: IpAddr) -> VerificationAnswer {
    let IpAddr::V4(host) = host else { panic!("{host}") };
    match host.octets()[2] % 10 {
        0 => VerificationAnswer::RefusesUnknown,
        1 => VerificationAnswer::NoAnswer,
        _ => VerificationAnswer::TakesAll,
    }
}

/// The policy as shipped, with few reports for a case and without guards: this is about the asker.
fn zone() -> String {
    let mut zone = laboratory_zone();
    for (shipped, here) in [
        (r#"laboratory_networks = ["#, r#"laboratory_networks = ["127.0.0.0/8", "#),
        ("verification = \"off\"", "verification = \"required\""),
        ("points_thousandths = 3000", "points_thousandths = 1000"),
        ("injector_networks = 2", "injector_networks = 1"),
        ("failed_recipients = 5\nspan = \"24h\"", "failed_recipients = 2\nspan = \"1h\""),
        ("failed_recipients = 5\n# From", "failed_recipients = 2\n# From"),
        ("span = \"24h\"", "span = \"1h\""),
        ("occasions = 3\noccasions_apart = \"12h\"", "occasions = 1\noccasions_apart = \"12h\""),
        ("claimed_domains = 2\n\n# A relay whose", "claimed_domains = 1\n\n# A relay whose"),
        ("additions_per_hour = 200", "additions_per_hour = 100000"),
        ("additions_per_site_thousandths = 50", "additions_per_site_thousandths = 500"),
    ] {
        zone = zone.replace(shipped, here);
    }
    let complaints = backscatterd::zone::read(ORIGIN, &zone).err();
    assert_eq!(complaints, None);
    zone
}

/// A journal whose entries cannot be read while it `panics`.
struct FaultyJournal {
    inner: MemoryJournal,
    panics: AtomicBool,
    /// How often it has panicked.
    panicked: AtomicUsize,
}

impl Journal for FaultyJournal {
    fn append(&self, append: Append) -> Appending {
        self.inner.append(append)
    }
    fn head(&self) -> tokio::sync::watch::Receiver<Offset> {
        self.inner.head()
    }
    fn beginning(&self) -> Result<Offset, JournalError> {
        self.inner.beginning()
    }
    fn last(&self) -> Result<Option<RecordedEntry>, JournalError> {
        self.inner.last()
    }
    fn entries_between(&self, after: Offset, up_to: Offset) -> u64 {
        self.inner.entries_between(after, up_to)
    }
    fn read(&self, after: Offset, entries_max: usize) -> Result<Vec<RecordedEntry>, JournalError> {
        self.inner.read(after, entries_max)
    }
    fn entry(&self, at: Offset) -> Result<Option<RecordedEntry>, JournalError> {
        if self.panics.load(Ordering::SeqCst) {
            self.panicked.fetch_add(1, Ordering::SeqCst);
            panic!("a fault of the program, made by a test");
        }
        self.inner.entry(at)
    }
    fn find(&self, id: Digest) -> Result<Option<RecordedEntry>, JournalError> {
        self.inner.find(id)
    }
    fn report(&self, evidence: Digest) -> Result<Option<SealedReport>, JournalError> {
        self.inner.report(evidence)
    }
    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        self.inner.save_checkpoint(checkpoint)
    }
    fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError> {
        self.inner.checkpoint()
    }
    fn retain(&self, retention: Retention) -> Result<DroppedDays, JournalError> {
        self.inner.retain(retention)
    }
}

/// What outlives a process: the journal and the files; and the servers.
struct Site {
    clock: Arc<LaboratoryClock>,
    journal: Arc<FaultyJournal>,
    keys: Arc<Keys>,
    files: TempDir,
    host: MailHost,
    seen: Arc<Mutex<Vec<SeenSession>>>,
}

/// A process that asks.
struct Asker {
    publisher: Publisher,
    asking: JoinHandle<()>,
    stop: CancellationToken,
}

impl Site {
    /// A journal with a complete case about every relay.
    async fn with_cases(relays: &[ClaimedRelay]) -> Self {
        let clock = Arc::new(LaboratoryClock::new(start()));
        let told: Arc<dyn Clock> = Arc::<LaboratoryClock>::clone(&clock);
        let inner = MemoryJournal::new(told);
        let journal =
            Arc::new(FaultyJournal { inner, panics: AtomicBool::new(false), panicked: AtomicUsize::new(0) });
        let files = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::open(&files.path().join("keys")).unwrap());
        let seen: Arc<Mutex<Vec<SeenSession>>> = Arc::default();
        let host = serve(Arc::clone(&clock), Arc::clone(&seen));
        let site = Site { clock, journal, keys, files, host, seen };
        let mut world = World::bare();
        world.adopt(&zone());
        for domain in ["trap-one.example", "trap-two.example"] {
            world.add_trap(domain);
        }
        for recorded in &world.entries {
            site.append(recorded.entry.clone()).await;
        }
        for trap in ["sales@trap-one.example", "jdoe@trap-two.example"] {
            site.pass(Span::from_hours(2)).await;
            world.now = site.clock.now();
            for relay in relays {
                let mut report = world.report(&relay.address.to_string());
                report.failed = format!("user{}@{}", world.nth, relay.domain);
                report.trap = trap;
                let entry = world.evidence(report);
                let observation = Observation {
                    evidence: entry.id(),
                    same_organisation: Some(false),
                    named_within: Some(false),
                    recipient_organisation: Some(relay.organisation.clone()),
                    ..exchanger()
                };
                site.append(entry).await;
                site.append(Entry::Observation(observation)).await;
            }
        }
        site
    }

    async fn append(&self, entry: Entry) {
        self.journal.append(entry.into()).await.unwrap();
    }

    /// Lets time pass, in the journal too.
    async fn pass(&self, span: Span) {
        let now = self.clock.advance(span);
        self.append(Entry::Tick(now.seconds().unsigned_abs())).await;
    }

    fn start(&self) -> Asker {
        let stop = CancellationToken::new();
        let journal: Arc<dyn Journal> = Arc::<FaultyJournal>::clone(&self.journal);
        let days = |days| Span::from_days(days);
        let publisher = Publisher::start(
            Arc::clone(&journal),
            AuditLog::open(&self.files.path().join("audit")).unwrap(),
            Arc::clone(&self.keys),
            Arc::new(Metrics::new()),
            RetentionPeriods { entries: days(56), reports: days(14) },
            stop.clone(),
        )
        .unwrap();
        let clock: Arc<dyn Clock> = Arc::<LaboratoryClock>::clone(&self.clock);
        let settings = VerifierSettings {
            addresses: LocalAddresses { v4: Some(Ipv4Addr::new(127, 0, 0, 9)), v6: None },
            ehlo: "verify.example.org".to_owned(),
            page: "https://verify.example.org/".to_owned(),
            limits: LIMITS,
            opt_out: Vec::new(),
            port: self.host.address.port(),
        };
        let listable = Listable { laboratory_networks: vec!["127.0.0.0/8".parse().unwrap()] };
        let lookups = Arc::new(Lookups::Nothing);
        let verifier =
            Verifier::new(lookups, settings, listable, Arc::clone(&clock), SessionTimes::default());
        verifier.remember(publisher.sessions.iter().cloned().map(past_session));
        let parts = VerifyingParts {
            published: Arc::clone(&publisher.published),
            journal,
            keys: Arc::clone(&self.keys),
            metrics: Arc::new(Metrics::new()),
            clock,
            verifier: Arc::new(verifier),
            look: LOOK,
            nonce: [7; 16],
        };
        let asking = tokio::spawn(verify(parts, stop.clone()));
        Asker { publisher, asking, stop }
    }

    /// Waits until nothing more happens at this time of the clock.
    async fn settle(&self, published: &Published) {
        let (mut before, mut quiet) = (usize::MAX, 0);
        while quiet < 4 {
            tokio::time::sleep(2 * LOOK).await;
            let seen = self.seen().len();
            let is_folded = published.applied() == *self.journal.head().borrow();
            let is_quiet = seen == before && self.host.open() == 0 && is_folded;
            (before, quiet) = (seen, if is_quiet { quiet + 1 } else { 0 });
        }
    }

    /// Lets a step of time pass, and waits until what it brings is done.
    async fn step(&self, published: &Published) {
        self.pass(STEP).await;
        self.settle(published).await;
    }

    fn seen(&self) -> Vec<SeenSession> {
        self.seen.lock().unwrap().clone()
    }
}

impl Asker {
    async fn stopped(self) {
        self.stop.cancel();
        self.asking.await.unwrap();
        self.publisher.stopped().await;
    }
}

/// Servers at every address of loopback, which keep what they were asked.
fn serve(clock: Arc<LaboratoryClock>, seen: Arc<Mutex<Vec<SeenSession>>>) -> MailHost {
    MailHost::serving("0.0.0.0:0", move |stream, server| {
        let (at, host) = (clock.now(), stream.local_addr().unwrap().ip());
        let reply = match answer(host) {
            VerificationAnswer::RefusesUnknown => "550 5.1.1 User unknown",
            VerificationAnswer::NoAnswer => "450 4.7.1 Greylisted, come back later",
            _ => "250 ok",
        };
        let answered = about_others(reply);
        let _ = server.converse(stream, Some("220 mx.example ESMTP\r\n"), &|line: &str| {
            if let Some(rest) = line.strip_prefix("RCPT TO:<postmaster@") {
                let domain = rest.trim_end_matches('>').to_owned();
                seen.lock().unwrap().push(SeenSession { at, host, domain });
            }
            answered(line)
        });
    })
}

/// The most sessions within any `span` of those that `group` puts together.
fn most_within<K: Ord>(seen: &[SeenSession], span: Span, group: impl Fn(&SeenSession) -> Option<K>) -> usize {
    let mut times: BTreeMap<K, Vec<Timestamp>> = BTreeMap::new();
    for session in seen {
        if let Some(key) = group(session) {
            times.entry(key).or_default().push(session.at);
        }
    }
    let most = |mut times: Vec<Timestamp>| {
        times.sort();
        let from = |at: usize| times[at..].iter().take_while(|time| time.since(times[at]) < span).count();
        (0..times.len()).map(from).max().unwrap_or(0)
    };
    times.into_values().map(most).max().unwrap_or(0)
}

/// The relays whose record in the list says that they are listed.
fn listed(published: &Published) -> BTreeSet<IpAddr> {
    let mut listed = BTreeSet::new();
    published.for_each_relay(|prefix: Prefix, record| {
        if record.records.values().any(|of_code| of_code.current.is_some()) {
            listed.insert(prefix.network());
        }
    });
    listed
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Ten thousand relays: a thousand of them crowd together in twenty networks, and the domains of another
/// thousand belong to four organisations.
fn crowd() -> Vec<ClaimedRelay> {
    let crowded = (0..1_000_u32)
        .map(|nth| ([127, 200, (nth / 50) as u8, (nth % 50 + 1) as u8], format!("c{nth}.example")));
    let alone = (0..9_000_u32).map(|nth| {
        let organisation =
            if nth < 1_000 { format!("big{}.example", nth % 4) } else { format!("s{nth}.example") };
        ([127, (1 + nth / 256) as u8, (nth % 256) as u8, 1], organisation)
    });
    let relay = |(nth, (octets, organisation)): (usize, ([u8; 4], String))| ClaimedRelay {
        address: Ipv4Addr::from(octets),
        domain: format!("r{nth}.{organisation}"),
        organisation,
    };
    crowded.chain(alone).enumerate().map(relay).collect()
}

fn organisation_of(domain: &str) -> Option<String> {
    let (_, organisation) = domain.split_once('.')?;
    Some(organisation.to_owned())
}

#[test]
fn ten_thousand_complete_cases_are_asked_within_a_day_in_fair_order_and_within_the_budgets() {
    const DAY_STEPS: u32 = 24 * 12;
    let relays = crowd();
    let (site, hours) = runtime().block_on(async {
        let site = Site::with_cases(&relays).await;
        let mut asker = site.start();
        assert_eq!(asker.publisher.published.standing().unverified.values().sum::<usize>(), relays.len());
        let (mut steps, mut is_restarted) = (0, false);
        while site.seen().len() < relays.len() {
            steps += 1;
            assert!(steps <= DAY_STEPS, "{} of {} are asked after a day", site.seen().len(), relays.len());
            let before = site.seen().len();
            site.step(&asker.publisher.published).await;
            if steps % 12 == 0 {
                let asked: BTreeSet<IpAddr> = site.seen().iter().map(|session| session.host).collect();
                let listed = listed(&asker.publisher.published);
                assert!(listed.is_subset(&asked), "after {steps} steps, a relay is listed unasked");
            }
            // After three hours the process is started again, as soon as it has used up its budget.
            if steps >= 36 && !is_restarted && site.seen().len() > before {
                asker.stopped().await;
                asker = site.start();
                is_restarted = true;
            }
        }
        assert!(is_restarted);
        let expected: BTreeSet<IpAddr> = relays
            .iter()
            .map(|relay| IpAddr::from(relay.address))
            .filter(|&host| answer(host) == VerificationAnswer::TakesAll)
            .collect();
        assert_eq!(listed(&asker.publisher.published), expected);
        asker.stopped().await;
        (site, f64::from(steps) / 12.0)
    });
    let seen = site.seen();
    println!("{} cases were asked within {hours:.1} hours", seen.len());
    let distinct: BTreeSet<(IpAddr, &str)> =
        seen.iter().map(|session| (session.host, &*session.domain)).collect();
    assert_eq!((seen.len(), distinct.len()), (relays.len(), relays.len()), "each is asked once");

    // A session may be seen a step after it began.
    let hour = Span::from_hours(1).milliseconds() - STEP.milliseconds();
    let hour = Span::from_seconds(hour / 1_000);
    let in_all = most_within(&seen, hour, |_| Some(()));
    let by_network = most_within(&seen, hour, |session| Some(Prefix::shared(session.host)));
    let by_organisation = most_within(&seen, hour, |session| organisation_of(&session.domain));
    println!("in an hour: {in_all} in all, {by_network} by network, {by_organisation} by organisation");
    assert_eq!((in_all, by_network), (LIMITS.per_hour, PER_NETWORK_HOUR), "kept, and used");
    assert!(by_organisation <= PER_ORGANISATION_HOUR);
    assert!(site.host.most() <= 2 * LIMITS.sessions_max, "{} sessions at one time", site.host.most());

    // A crowd keeps nobody waiting: it has one turn in each round.
    let is_crowded =
        |session: &&SeenSession| Prefix::shared(session.host).to_string().starts_with("127.200.");
    let alone = |session: &&SeenSession| !is_crowded(session) && !session.domain.contains(".big");
    let last_alone = seen.iter().filter(alone).map(|session| session.at).max().unwrap();
    let crowd_before: Vec<SeenSession> =
        seen.iter().filter(is_crowded).filter(|session| session.at < last_alone).cloned().collect();
    let turns = most_within(&crowd_before, Span::from_days(2), |session| Some(Prefix::shared(session.host)));
    println!("a crowded network had {turns} sessions before every other network had one");
    assert!(turns <= 4, "a crowded network had {turns} sessions before every other network had one");
}

/// The maximum number of steps until a question is put.
const STEPS_MAX: u32 = 100;

#[test]
fn a_question_whose_task_panics_is_put_again_the_next_day() {
    let relays = &crowd()[5_002..5_003];
    runtime().block_on(async {
        let site = Site::with_cases(relays).await;
        let asker = site.start();
        site.journal.panics.store(true, Ordering::SeqCst);
        for _ in 0..STEPS_MAX {
            if site.journal.panicked.load(Ordering::SeqCst) > 0 {
                break;
            }
            site.step(&asker.publisher.published).await;
        }
        assert_eq!((site.journal.panicked.load(Ordering::SeqCst), site.seen().len()), (1, 0));
        site.journal.panics.store(false, Ordering::SeqCst);
        let mut hours = 0;
        while site.seen().is_empty() && hours < 2 * STEPS_MAX {
            hours += 2;
            site.pass(Span::from_hours(2)).await;
            site.settle(&asker.publisher.published).await;
        }
        assert!(hours >= 24, "it rests for a day, and was put after {hours} hours");
        assert_eq!(site.seen().len(), 1);
        let relay = Relay::new(relays[0].address.into());
        assert!(listed(&asker.publisher.published).contains(&relay.address()));
        asker.stopped().await;
    });
}
