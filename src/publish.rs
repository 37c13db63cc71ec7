//! From the journal through the fold to whoever reads: the snapshot behind one pointer, the mirror of relays, the
//! traps. The fold has a thread of its own; readers never wait for it, nor it for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::audit::{AuditError, AuditLog};
use crate::blocklist::{
    Blocklist, Change, Changes, CheckpointError, Donors, RelayRecord, STATE_VERSION, Standing,
};
use crate::digest::Digest;
use crate::evidence::{Entry, Evidence, Offset};
use crate::journal::{Checkpoint, Journal, JournalError, Retention};
use crate::keys::{KeyError, Keys};
use crate::metrics::Metrics;
use crate::relay::{Prefix, Relay};
use crate::time::{Clock, Day, Span, Timestamp};
use crate::trap::KnownTraps;
use crate::zone::Snapshot;

/// Most entries read from the journal at once, and so applied between two publications.
const READ_ENTRIES_MAX: usize = 1_024;
/// Least time between two publications: a burst of changes becomes one.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(20);
/// Pause before a journal is read again that can't be read for a moment.
const JOURNAL_PAUSE: Duration = Duration::from_millis(200);
/// Entries between two checkpoints; a restart folds at most so many again.
const CHECKPOINT_ENTRIES: u64 = 50_000;
/// Longest wait for an entry to take effect: behind a checkpoint of a large state, or never.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);
/// Most directives without effect that are remembered for whoever gave them.
const REFUSALS_MAX: usize = 1_024;
/// How much a checkpoint gives way to everything else.
const CHECKPOINT_NICENESS: i32 = 19;
/// How hard a checkpoint is compressed.
const CHECKPOINT_COMPRESSION_LEVEL: i32 = 1;
/// Most octets that a checkpoint unfolds to.
const CHECKPOINT_OCTETS_MAX: usize = 4 << 30;

/// What readers see.
pub struct Published {
    snapshot: Arc<ArcSwap<Snapshot>>,
    traps: Arc<ArcSwap<KnownTraps>>,
    donors: Arc<ArcSwap<Donors>>,
    mirror: DashMap<Prefix, Arc<RelayRecord>>,
    standing: ArcSwap<Standing>,
    applied: watch::Sender<Offset>,
    /// Directives that had no effect, and why.
    refusals: DashMap<Offset, &'static str>,
}

/// How long what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    pub facts: Span,
    pub reports: Span,
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("{0}; the first entries are gone from the journal, so the list can't be made without it")]
    NoWayBack(String),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("the state is larger than a checkpoint may be")]
    CheckpointSize,
    #[error("the fold does not follow the journal")]
    Behind,
    #[error("entries behind {0} are gone from the journal")]
    Gap(Offset),
}

/// One zone's name, serial and digest: what two replays of one journal have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneDigest {
    pub origin: String,
    pub serial: u32,
    pub entries: usize,
    pub digest: Digest,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Or the checkpoint, where the first entries were dropped.
    FirstEntry,
    Checkpoint,
}

/// What came of folding a journal anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    pub first: Offset,
    pub last: Offset,
    pub time: Timestamp,
    pub zones: Vec<ZoneDigest>,
    /// Of the whole state: equal digests, equal states.
    pub state: Digest,
}

/// Folds a journal anew, as far as it goes. It changes nothing.
pub fn replay(journal: &dyn Journal, beginning: Beginning) -> Result<Replay, PublishError> {
    let whole = beginning == Beginning::FirstEntry && journal.first()? == Offset(1);
    let mut blocklist = if whole { Blocklist::new() } else { restore(journal)? };
    let first = blocklist.offset().next();
    catch_up(&mut blocklist, journal, |_, _, _| {})?;
    Ok(Replay {
        first,
        last: blocklist.offset(),
        time: blocklist.time(),
        zones: digests(&blocklist.snapshot()),
        state: Digest::of(&blocklist.to_checkpoint()),
    })
}

fn digests(snapshot: &Snapshot) -> Vec<ZoneDigest> {
    let of = |zone: &crate::zone::Zone| ZoneDigest {
        origin: zone.config.apex.origin.to_string(),
        serial: zone.serial,
        entries: zone.entries.len(),
        digest: zone.digest(),
    };
    snapshot.zones().iter().map(of).collect()
}

impl std::fmt::Display for Beginning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Beginning::FirstEntry => "first-entry",
            Beginning::Checkpoint => "checkpoint",
        })
    }
}

impl std::str::FromStr for Beginning {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Beginning::FirstEntry, Beginning::Checkpoint];
        known
            .into_iter()
            .find(|beginning| beginning.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no beginning of a replay; write first-entry or checkpoint"))
    }
}

impl std::fmt::Display for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "entries {} to {}, time {}", self.first, self.last, self.time)?;
        for zone in &self.zones {
            let ZoneDigest { origin, serial, entries, digest } = zone;
            writeln!(f, "{origin} serial {serial} entries {entries} digest {digest}")?;
        }
        writeln!(f, "state digest {}", self.state)
    }
}

impl Published {
    fn of(blocklist: &Blocklist) -> Self {
        let published = Published {
            snapshot: Arc::new(ArcSwap::from_pointee(blocklist.snapshot())),
            traps: Arc::new(ArcSwap::from_pointee(blocklist.known_traps())),
            donors: Arc::new(ArcSwap::from_pointee(blocklist.donors())),
            mirror: DashMap::new(),
            standing: ArcSwap::from_pointee(blocklist.standing()),
            applied: watch::Sender::new(blocklist.offset()),
            refusals: DashMap::new(),
        };
        for prefix in blocklist.relays() {
            published.mirror_relay(blocklist, prefix);
        }
        published
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Where the newest snapshot is always found.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    pub fn traps(&self) -> Arc<KnownTraps> {
        self.traps.load_full()
    }

    /// Where the newest traps are always found.
    pub fn known_traps(&self) -> Arc<ArcSwap<KnownTraps>> {
        Arc::clone(&self.traps)
    }

    pub fn donors(&self) -> Arc<Donors> {
        self.donors.load_full()
    }

    /// Where the newest donors are always found.
    pub fn known_donors(&self) -> Arc<ArcSwap<Donors>> {
        Arc::clone(&self.donors)
    }

    /// How the list stands as a whole.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// Why a directive had no effect, if it had none; remembered for the last `REFUSALS_MAX`.
    pub fn refusal(&self, offset: Offset) -> Option<&'static str> {
        self.refusals.get(&offset).map(|why| *why)
    }

    fn refuse(&self, offset: Offset, changes: &Changes) {
        let why = changes.list.iter().find_map(|change| match change {
            Change::Ignored { why } => Some(*why),
            _ => None,
        });
        if let Some(why) = why {
            if self.refusals.len() >= REFUSALS_MAX {
                self.refusals.clear();
            }
            self.refusals.insert(offset, why);
        }
    }

    pub fn relay(&self, relay: Relay) -> Option<Arc<RelayRecord>> {
        let of = |prefix| self.mirror.get(&prefix).map(|record| Arc::clone(&record));
        let around = relay.address().is_ipv6().then(|| of(relay.line())).flatten();
        match (of(Prefix::host(relay)), around) {
            (Some(host), Some(around)) => {
                // What was decided about the network around it concerns it as well.
                let mut both = (*host).clone();
                for (key, record) in &around.records {
                    both.records.entry(key.clone()).or_insert_with(|| record.clone());
                }
                Some(Arc::new(both))
            }
            (host, around) => host.or(around),
        }
    }

    pub fn applied(&self) -> Offset {
        *self.applied.borrow()
    }

    /// Waits until an entry has taken effect; `false` where it has not after `REACH_TIMEOUT`.
    pub async fn reached(&self, offset: Offset) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|&applied| applied >= offset);
        tokio::time::timeout(REACH_TIMEOUT, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    pub fn digests(&self) -> Vec<ZoneDigest> {
        digests(&self.snapshot.load())
    }

    fn mirror_relay(&self, blocklist: &Blocklist, prefix: Prefix) {
        match blocklist.relay_record(prefix) {
            Some(record) => {
                self.mirror.insert(prefix, Arc::new(record));
            }
            None => {
                self.mirror.remove(&prefix);
            }
        }
    }
}

/// Reads the journal's checkpoint, or begins with nothing where there is none that can be used.
///
/// # Errors
/// `NoWayBack` where the checkpoint can't be used and the journal no longer begins with its first entry.
pub fn restore(journal: &dyn Journal) -> Result<Blocklist, PublishError> {
    let from_start = |why: String| match journal.first()? {
        Offset(1) => Ok(Blocklist::new()),
        _ => Err(PublishError::NoWayBack(why)),
    };
    match journal.checkpoint()? {
        None => from_start("there is no checkpoint".to_owned()),
        // An older one reads: its fields have numbers, and new ones have defaults.
        Some(checkpoint) if checkpoint.version > STATE_VERSION => from_start(format!(
            "the checkpoint is of version {}, and this program reads up to {STATE_VERSION}: go back to the program that wrote it",
            checkpoint.version
        )),
        Some(checkpoint) => unfold(&checkpoint).or_else(|why| from_start(why.to_string())),
    }
}

fn unfold(checkpoint: &Checkpoint) -> Result<Blocklist, CheckpointError> {
    let octets = zstd::stream::decode_all(checkpoint.octets.as_slice())
        .map_err(|error| minicbor::decode::Error::message(error.to_string()))?;
    Blocklist::from_checkpoint(&octets)
}

/// Applies everything the journal holds behind the fold's offset.
pub fn catch_up(
    blocklist: &mut Blocklist,
    journal: &dyn Journal,
    mut applied: impl FnMut(&Blocklist, &Entry, Changes),
) -> Result<(), JournalError> {
    loop {
        let entries = journal.read(blocklist.offset(), READ_ENTRIES_MAX)?;
        if entries.is_empty() {
            return Ok(());
        }
        for recorded in entries {
            let changes = blocklist.apply(&recorded);
            applied(blocklist, &recorded.entry, changes);
        }
    }
}

/// Keeps a checkpoint of the state as it was at an offset, which is folded for it once more: the fold that publishes goes on.
fn checkpoint_at(journal: &dyn Journal, offset: Offset) -> Result<(), PublishError> {
    let mut blocklist = restore(journal)?;
    while blocklist.offset() < offset {
        let entries_max = usize::try_from(offset.0 - blocklist.offset().0).unwrap_or(READ_ENTRIES_MAX);
        let entries = journal.read(blocklist.offset(), entries_max.min(READ_ENTRIES_MAX))?;
        for recorded in &entries {
            if recorded.offset != blocklist.offset().next() {
                return Err(PublishError::Gap(blocklist.offset()));
            }
            blocklist.apply(recorded);
        }
        if entries.is_empty() {
            return Err(PublishError::Gap(blocklist.offset()));
        }
    }
    checkpoint(&blocklist, journal)
}

/// Keeps a checkpoint of the state as it is.
pub fn checkpoint(blocklist: &Blocklist, journal: &dyn Journal) -> Result<(), PublishError> {
    let octets = blocklist.to_checkpoint();
    if octets.len() > CHECKPOINT_OCTETS_MAX {
        return Err(PublishError::CheckpointSize);
    }
    let octets = zstd::bulk::compress(&octets, CHECKPOINT_COMPRESSION_LEVEL)
        .map_err(|error| JournalError::Store(error.to_string()))?;
    journal.save_checkpoint(&Checkpoint { offset: blocklist.offset(), version: STATE_VERSION, octets })?;
    Ok(())
}

/// The fold at work: follows the journal until it is told to stop.
pub struct Publisher {
    pub published: Arc<Published>,
    /// Cancelled when the fold could not go on: the process should end, and be started again.
    pub failed: CancellationToken,
    /// Evidence that waited for an observation when the process ended before.
    pub pending: Vec<Evidence>,
    thread: std::thread::JoinHandle<()>,
}

struct Follower {
    journal: Arc<dyn Journal>,
    audit: AuditLog,
    keys: Arc<Keys>,
    published: Arc<Published>,
    metrics: Arc<Metrics>,
    keeping: Keeping,
    blocklist: Blocklist,
    /// Up to where a checkpoint was made or tried last.
    checkpointed: Offset,
    checkpointing: Option<std::thread::JoinHandle<Result<(), PublishError>>>,
    /// The journal's checkpoint was read or made by this process: entries before it are not needed.
    secured: bool,
    swept: Day,
}

impl Publisher {
    /// Restores the fold, catches up with the journal, publishes, and goes on in a thread.
    pub fn start(
        journal: Arc<dyn Journal>,
        mut audit: AuditLog,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        keeping: Keeping,
        stop: CancellationToken,
    ) -> Result<Self, PublishError> {
        let mut blocklist = restore(&*journal)?;
        let checkpointed = blocklist.offset();
        let mut made = Vec::new();
        catch_up(&mut blocklist, &*journal, |_, _, mut changes| {
            metrics.applied(&changes);
            made.append(&mut changes.audit);
        })?;
        audit.take(made)?;
        audit.check(blocklist.standing().audit.number)?;
        audit.flush()?;
        let published = Arc::new(Published::of(&blocklist));
        let pending = blocklist.pending().cloned().collect();
        let follower = Follower {
            swept: blocklist.time().day(),
            published: Arc::clone(&published),
            journal,
            audit,
            keys,
            metrics,
            keeping,
            blocklist,
            checkpointed,
            checkpointing: None,
            secured: checkpointed > Offset::START,
        };
        follower.count();
        let runtime = tokio::runtime::Handle::current();
        let failed = CancellationToken::new();
        let failing = failed.clone();
        let thread = std::thread::Builder::new()
            .name("fold".to_owned())
            .spawn(move || {
                // Told on every way out but the one that was asked for, a panic's too.
                let failing = failing.drop_guard();
                if runtime.block_on(follower.run(stop)) {
                    failing.disarm();
                }
            })
            .map_err(|error| JournalError::Store(error.to_string()))?;
        Ok(Publisher { published, failed, pending, thread })
    }

    /// Waits for the thread after it was told to stop; it leaves a checkpoint behind.
    pub async fn stopped(self) {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the fold's thread ended by a fault of the program");
        }
    }
}

impl Follower {
    /// Follows the journal; `true` if it was told to stop, `false` if it could not go on.
    async fn run(mut self, stop: CancellationToken) -> bool {
        let mut head = self.journal.head();
        loop {
            tokio::select! {
                changed = head.wait_for(|&head| head > self.blocklist.offset()) => if changed.is_err() { return false },
                () = stop.cancelled() => break,
            }
            match self.follow() {
                Ok(()) => tokio::time::sleep(PUBLISH_INTERVAL).await,
                Err(PublishError::Journal(error)) if error.is_passing() => {
                    tracing::warn!(%error, "the fold waits for the journal");
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the fold can't follow the journal");
                    return false;
                }
            }
        }
        let followed = self.follow();
        // One that was begun must not come behind the last.
        self.end_checkpoint();
        if let Err(error) = followed.and_then(|()| self.checkpoint_now()) {
            tracing::error!(%error, "no checkpoint at the end; the next start folds more entries");
        }
        true
    }

    fn follow(&mut self) -> Result<(), PublishError> {
        loop {
            let entries = self.journal.read(self.blocklist.offset(), READ_ENTRIES_MAX)?;
            if entries.is_empty() {
                break;
            }
            let (mut relays, mut traps, mut donors, mut decided) = (BTreeSet::new(), false, false, false);
            for recorded in &entries {
                let changes = self.blocklist.apply(recorded);
                self.metrics.applied(&changes);
                report(&changes);
                if let Entry::Directive(_) = recorded.entry {
                    self.published.refuse(recorded.offset, &changes);
                }
                traps |= changes.list.contains(&Change::Traps);
                donors |= matches!(recorded.entry, Entry::Evidence(_) | Entry::Observation(_));
                decided |= !changes.audit.is_empty();
                relays.extend(changes.relays);
                self.audit.take(changes.audit)?;
            }
            for prefix in relays {
                self.published.mirror_relay(&self.blocklist, prefix);
            }
            if traps {
                self.published.traps.store(Arc::new(self.blocklist.known_traps()));
            }
            if traps || donors {
                self.published.donors.store(Arc::new(self.blocklist.donors()));
            }
            if decided {
                self.published.standing.store(Arc::new(self.blocklist.standing()));
            }
            self.published.snapshot.store(Arc::new(self.blocklist.snapshot()));
            self.published.applied.send_replace(self.blocklist.offset());
            self.count();
        }
        // What can't be written is kept and tried again; the list goes on.
        if let Err(error) = self.audit.flush() {
            tracing::error!(%error, "the audit record can't be written");
        }
        if self.blocklist.offset().0 >= self.checkpointed.0 + CHECKPOINT_ENTRIES {
            self.start_checkpoint();
        }
        let today = self.blocklist.time().day();
        if today != self.swept {
            // Tried again at the next tick: what is kept too long costs less than a list that stands still.
            match self.retain(self.blocklist.time()) {
                Ok(()) => self.swept = today,
                Err(error) => tracing::error!(%error, "old days could not be dropped"),
            }
        }
        Ok(())
    }

    /// Whether a checkpoint may be made and would be a new one. Entries before it are not folded again, and so make no audit records
    /// again.
    fn wants_checkpoint(&self) -> bool {
        self.blocklist.offset() > self.checkpointed && !self.audit.is_behind()
    }

    /// Makes a checkpoint beside the fold: that of a large state takes seconds, in which nobody could be removed from the list.
    fn start_checkpoint(&mut self) {
        if self.checkpointing.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.end_checkpoint();
        if !self.wants_checkpoint() {
            return;
        }
        let (journal, offset) = (Arc::clone(&self.journal), self.blocklist.offset());
        let make = move || {
            // Those who ask come first; on Linux this is about the thread alone.
            if let Err(error) = rustix::process::nice(CHECKPOINT_NICENESS) {
                tracing::debug!(%error, "a checkpoint is made as if it were urgent");
            }
            checkpoint_at(&*journal, offset)
        };
        match std::thread::Builder::new().name("checkpoint".to_owned()).spawn(make) {
            Ok(thread) => (self.checkpointed, self.checkpointing) = (offset, Some(thread)),
            Err(error) => tracing::error!(%error, "no thread for a checkpoint"),
        }
    }

    /// Waits for a checkpoint that was begun.
    fn end_checkpoint(&mut self) {
        match self.checkpointing.take().map(std::thread::JoinHandle::join) {
            None => {}
            Some(Ok(Ok(()))) => self.secured = true,
            Some(Ok(Err(error))) => {
                tracing::error!(%error, "no checkpoint; a start would fold more entries");
            }
            Some(Err(_)) => tracing::error!("a checkpoint's thread ended by a fault of the program"),
        }
    }

    fn checkpoint_now(&mut self) -> Result<(), PublishError> {
        // What was made beside the fold may have failed: at the end one is made anyway.
        if !self.audit.is_behind() {
            checkpoint(&self.blocklist, &*self.journal)?;
        }
        Ok(())
    }

    /// Once a day of the fold's time: drops what has been kept long enough.
    fn retain(&mut self, now: Timestamp) -> Result<(), PublishError> {
        self.start_checkpoint();
        let reports_since = now.minus(self.keeping.reports).day();
        // Without a checkpoint that can be read, the list is made from the first entry.
        let kept_since = if self.secured { now.minus(self.keeping.facts) } else { Timestamp::default() };
        let entries_since = kept_since.day();
        let dropped = self.journal.retain(Retention { entries_since, reports_since })?;
        let keys = self.keys.destroy_before(reports_since)?;
        if dropped != Default::default() || keys > 0 {
            tracing::info!(
                entry_days = dropped.entry_days,
                report_days = dropped.report_days,
                keys,
                "retention"
            );
        }
        Ok(())
    }

    fn count(&self) {
        let snapshot = self.published.snapshot.load();
        self.metrics.published(self.blocklist.offset(), self.blocklist.time(), &snapshot);
        self.metrics.standing(&self.published.standing.load(), &snapshot);
    }
}

fn report(changes: &Changes) {
    for change in &changes.list {
        match change {
            Change::Listed { origin, relay, code, until } => {
                tracing::info!(%relay, code, zone = origin, %until, "listed");
            }
            Change::Extended { origin, relay, code, until } => {
                tracing::info!(%relay, code, zone = origin, %until, "listing extended");
            }
            Change::Ended { origin, relay, code, how } => {
                tracing::info!(%relay, code, zone = origin, ?how, "listing ended");
            }
            Change::Held { origin, relay, code } => {
                tracing::error!(%relay, code, zone = origin, "held: look at it, then \"backscatterd release\"");
            }
            Change::Shrinking { origin } => {
                tracing::error!(zone = origin, "more listings end within an hour than is usual");
            }
            Change::Burned => tracing::warn!("a trap is known to one injector alone, and counts for nothing"),
            Change::Decided => tracing::info!("a decision took effect"),
            Change::Zone { origin } => tracing::info!(zone = origin, "zone adopted or withdrawn"),
            Change::Ignored { why } => tracing::debug!(why, "an entry had no effect"),
            Change::Counted { .. } | Change::Traps => {}
        }
    }
}

/// Writes a tick for every interval of the clock, until told to stop.
pub async fn tick(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, interval: Span, stop: CancellationToken) {
    let mut last = None;
    let mut due = tokio::time::interval(interval.to_std().min(TICK_LOOK));
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = stop.cancelled() => return,
        }
        let number = tick_number(clock.now(), interval);
        if last == Some(number) {
            continue;
        }
        match journal.append(Entry::Tick(number).into()).await {
            Ok(_) => last = Some(number),
            Err(error) => {
                tracing::error!(%error, "no tick could be written; listings don't expire meanwhile");
                tokio::time::sleep(TICK_PAUSE).await;
            }
        }
    }
}

/// How often the clock is looked at: a laboratory's clock may jump at any moment.
const TICK_LOOK: Duration = Duration::from_millis(50);

/// Pause after a tick that could not be written.
const TICK_PAUSE: Duration = Duration::from_secs(5);

/// Which interval a moment belongs to.
pub fn tick_number(now: Timestamp, interval: Span) -> u64 {
    u64::try_from(now.milliseconds() / interval.milliseconds().max(1)).unwrap_or(0)
}
