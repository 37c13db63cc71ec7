//! Publication: the thread that folds the journal and publishes the results for readers.
//!
//! It publishes the snapshot behind one pointer, the relays' records, the traps and the donors.
//! Readers never wait for the fold, and the fold never waits for readers.

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

/// Maximum number of entries read from the journal at once, and so applied between two
/// publications.
const READ_ENTRIES_MAX: usize = 1_024;
/// Minimum time between two publications: a burst of changes becomes one.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(20);
/// Pause before the journal is read again after a passing error.
const JOURNAL_PAUSE: Duration = Duration::from_millis(200);
/// Number of entries between two checkpoints. A restart folds at most about this many entries
/// again.
const CHECKPOINT_ENTRIES: u64 = 50_000;
/// Maximum wait for an entry to take effect. The fold may be busy with a large state, or may have
/// failed.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of ineffective directives whose reasons are remembered for their senders.
const REFUSALS_MAX: usize = 1_024;
/// The nice value of the thread that makes a checkpoint (19 is the lowest priority).
const CHECKPOINT_NICENESS: i32 = 19;
/// zstd's compression level for checkpoints.
const CHECKPOINT_COMPRESSION_LEVEL: i32 = 1;
/// Maximum size of a checkpoint before compression, in octets.
const CHECKPOINT_OCTETS_MAX: usize = 4 << 30;

/// The results of the fold, for readers.
pub struct Published {
    snapshot: Arc<ArcSwap<Snapshot>>,
    traps: Arc<ArcSwap<KnownTraps>>,
    donors: Arc<ArcSwap<Donors>>,
    mirror: DashMap<Prefix, Arc<RelayRecord>>,
    standing: ArcSwap<Standing>,
    applied: watch::Sender<Offset>,
    /// Directives that had no effect, with the reason.
    refusals: DashMap<Offset, &'static str>,
}

/// How long entries and reports are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// How long entries are kept.
    pub facts: Span,
    /// How long reduced reports are kept.
    pub reports: Span,
}

/// Why the fold could not run or publish.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The keys of old reports could not be destroyed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// There is no usable checkpoint, and the journal's first entries were dropped.
    #[error("{0}; the journal's first entries were dropped, so the list can't be made without a checkpoint")]
    NoWayBack(String),
    /// The audit record failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The state is too large for a checkpoint.
    #[error("the state is larger than the maximum size of a checkpoint")]
    CheckpointSize,
    /// An entry did not take effect in time.
    #[error("the fold did not apply the journal's last entry in time")]
    Behind,
    /// Entries that a checkpoint needs were dropped.
    #[error("entries after {0} are missing from the journal")]
    Gap(Offset),
}

/// One zone's name, serial and digest. Two replays of the same journal give the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneDigest {
    /// The zone's name.
    pub origin: String,
    /// The zone's serial (RFC 1035 §3.3.13).
    pub serial: u32,
    /// Number of entries in the zone.
    pub entries: usize,
    /// The digest of the zone's content.
    pub digest: Digest,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At the journal's first entry; at the checkpoint if the first entries were dropped.
    FirstEntry,
    /// At the checkpoint.
    Checkpoint,
}

/// The result of folding a journal again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The first entry that was folded.
    pub first: Offset,
    /// The last entry that was folded.
    pub last: Offset,
    /// The fold's time after the last entry.
    pub time: Timestamp,
    /// The zones.
    pub zones: Vec<ZoneDigest>,
    /// The digest of the whole state. Equal digests mean equal states.
    pub state: Digest,
}

/// Folds a journal again up to its end. Nothing is changed.
///
/// # Errors
/// When the journal can't be read, or needs a checkpoint and has no usable one.
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
            .ok_or_else(|| format!("{text:?} is not the start of a replay; write first-entry or checkpoint"))
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

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The pointer that always leads to the newest snapshot.
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// The newest traps.
    pub fn traps(&self) -> Arc<KnownTraps> {
        self.traps.load_full()
    }

    /// The pointer that always leads to the newest traps.
    pub fn known_traps(&self) -> Arc<ArcSwap<KnownTraps>> {
        Arc::clone(&self.traps)
    }

    /// The newest donors.
    pub fn donors(&self) -> Arc<Donors> {
        self.donors.load_full()
    }

    /// The pointer that always leads to the newest donors.
    pub fn known_donors(&self) -> Arc<ArcSwap<Donors>> {
        Arc::clone(&self.donors)
    }

    /// The state of the list as a whole: freeze, held listings, exemptions, notes, end of the audit
    /// record.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// Why a directive had no effect, if it had none. About the last 1024 reasons are remembered.
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

    /// The record of a relay. For an IPv6 relay it includes what was decided about the network
    /// around the relay.
    pub fn relay(&self, relay: Relay) -> Option<Arc<RelayRecord>> {
        let of = |prefix| self.mirror.get(&prefix).map(|record| Arc::clone(&record));
        let around = relay.address().is_ipv6().then(|| of(relay.line())).flatten();
        match (of(Prefix::host(relay)), around) {
            (Some(host), Some(around)) => {
                // Decisions about the surrounding network apply to the relay as well.
                let mut both = (*host).clone();
                for (key, record) in &around.records {
                    both.records.entry(key.clone()).or_insert_with(|| record.clone());
                }
                Some(Arc::new(both))
            }
            (host, around) => host.or(around),
        }
    }

    /// The offset of the last entry that took effect.
    pub fn applied(&self) -> Offset {
        *self.applied.borrow()
    }

    /// Waits until an entry has taken effect; `false` if it has not within `REACH_TIMEOUT`.
    pub async fn reached(&self, offset: Offset) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|&applied| applied >= offset);
        tokio::time::timeout(REACH_TIMEOUT, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// The digests of all zones.
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

/// Reads the journal's checkpoint. Begins with an empty state when there is no usable one.
///
/// # Errors
/// `NoWayBack` when the checkpoint can't be used and the journal's first entries were dropped.
pub fn restore(journal: &dyn Journal) -> Result<Blocklist, PublishError> {
    let from_start = |why: String| match journal.first()? {
        Offset(1) => Ok(Blocklist::new()),
        _ => Err(PublishError::NoWayBack(why)),
    };
    match journal.checkpoint()? {
        None => from_start("there is no checkpoint".to_owned()),
        // An older version can be read: fields are numbered, and new ones have defaults.
        Some(checkpoint) if checkpoint.version > STATE_VERSION => from_start(format!(
            "the checkpoint has version {}, and this program reads up to {STATE_VERSION}; run the program that wrote it",
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

/// Applies all entries that the journal holds after the fold's offset.
///
/// # Errors
/// When the journal can't be read.
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

/// Stores a checkpoint of the state at an offset. The state is folded again from the last
/// checkpoint, so that the publishing fold need not wait.
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

/// Stores a checkpoint of the current state.
///
/// # Errors
/// When the state is too large or the journal can't be written to.
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

/// The running fold: follows the journal until it is stopped.
pub struct Publisher {
    /// The results, for readers.
    pub published: Arc<Published>,
    /// Cancelled when the fold could not go on. The process should then end and be started again.
    pub failed: CancellationToken,
    /// Evidence that was waiting for an observation when the last process ended.
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
    /// The offset of the last checkpoint that was made or attempted.
    checkpointed: Offset,
    checkpointing: Option<std::thread::JoinHandle<Result<(), PublishError>>>,
    /// Whether this process read or made the journal's checkpoint. If so, entries before it are not
    /// needed.
    secured: bool,
    swept: Day,
}

impl Publisher {
    /// Restores the fold, applies the journal up to its end, publishes the results, and continues
    /// in a thread.
    ///
    /// # Errors
    /// When the state can't be restored, the journal can't be read, or the audit record does not
    /// match the journal.
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
                // The guard reports every end but a requested one, a panic included.
                let failing = failing.drop_guard();
                if runtime.block_on(follower.run(stop)) {
                    failing.disarm();
                }
            })
            .map_err(|error| JournalError::Store(error.to_string()))?;
        Ok(Publisher { published, failed, pending, thread })
    }

    /// Waits until the thread has ended after its token was cancelled. The thread stores a last
    /// checkpoint.
    pub async fn stopped(self) {
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the fold's thread panicked");
        }
    }
}

impl Follower {
    /// Follows the journal; `true` when it was stopped, `false` when it could not go on.
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
        // A checkpoint in progress must not overwrite the last one.
        self.end_checkpoint();
        if let Err(error) = followed.and_then(|()| self.checkpoint_now()) {
            tracing::error!(%error, "no checkpoint was stored at the end; the next start folds more entries");
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
        // Records that can't be written stay in memory and are written later; publication goes on.
        if let Err(error) = self.audit.flush() {
            tracing::error!(%error, "the audit record can't be written");
        }
        if self.blocklist.offset().0 >= self.checkpointed.0 + CHECKPOINT_ENTRIES {
            self.start_checkpoint();
        }
        let today = self.blocklist.time().day();
        if today != self.swept {
            // A failure is tried again at the next tick: to keep data too long does less harm than
            // to stop the list.
            match self.retain(self.blocklist.time()) {
                Ok(()) => self.swept = today,
                Err(error) => tracing::error!(%error, "old days could not be dropped"),
            }
        }
        Ok(())
    }

    /// Whether a checkpoint is due and allowed. Entries before a checkpoint are not folded again
    /// and make no audit records again, so waiting records must be written first.
    fn wants_checkpoint(&self) -> bool {
        self.blocklist.offset() > self.checkpointed && !self.audit.is_behind()
    }

    /// Makes a checkpoint in a thread of its own. With a large state it takes seconds, during which
    /// no removal from the list could take effect.
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
            // Gives readers priority. On Linux the nice value applies to this thread only.
            if let Err(error) = rustix::process::nice(CHECKPOINT_NICENESS) {
                tracing::debug!(%error, "a checkpoint is made at normal priority");
            }
            checkpoint_at(&*journal, offset)
        };
        match std::thread::Builder::new().name("checkpoint".to_owned()).spawn(make) {
            Ok(thread) => (self.checkpointed, self.checkpointing) = (offset, Some(thread)),
            Err(error) => tracing::error!(%error, "the thread for a checkpoint can't be started"),
        }
    }

    /// Waits for a checkpoint in progress.
    fn end_checkpoint(&mut self) {
        match self.checkpointing.take().map(std::thread::JoinHandle::join) {
            None => {}
            Some(Ok(Ok(()))) => self.secured = true,
            Some(Ok(Err(error))) => {
                tracing::error!(%error, "no checkpoint was stored; a restart would fold more entries");
            }
            Some(Err(_)) => tracing::error!("a checkpoint's thread panicked"),
        }
    }

    fn checkpoint_now(&mut self) -> Result<(), PublishError> {
        // The concurrent checkpoint may have failed, so the last one is always made.
        if !self.audit.is_behind() {
            checkpoint(&self.blocklist, &*self.journal)?;
        }
        Ok(())
    }

    /// Once a day of the fold's time: drops entries, reports and keys that are older than the
    /// configured time.
    fn retain(&mut self, now: Timestamp) -> Result<(), PublishError> {
        self.start_checkpoint();
        let reports_since = now.minus(self.keeping.reports).day();
        // Without a usable checkpoint the list is made from the first entry, so all entries are
        // kept.
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
                tracing::error!(%relay, code, zone = origin, "held; review it and run \"backscatterd release\"");
            }
            Change::Shrinking { origin } => {
                tracing::error!(zone = origin, "more listings end within an hour than the guard allows");
            }
            Change::Burned => tracing::warn!("only one injector network uses a trap; it no longer counts"),
            Change::Decided => tracing::info!("a decision took effect"),
            Change::Zone { origin } => tracing::info!(zone = origin, "zone adopted or withdrawn"),
            Change::Ignored { why } => tracing::debug!(why, "an entry had no effect"),
            Change::Counted { .. } | Change::Traps => {}
        }
    }
}

/// Writes a tick entry for every interval of the clock until it is stopped.
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
                tracing::error!(%error, "no tick could be written; listings don't expire until one is");
                tokio::time::sleep(TICK_PAUSE).await;
            }
        }
    }
}

/// How often the clock is read: a laboratory clock may jump at any moment.
const TICK_LOOK: Duration = Duration::from_millis(50);

/// Pause after a tick that could not be written.
const TICK_PAUSE: Duration = Duration::from_secs(5);

/// The number of the interval that a time belongs to.
pub fn tick_number(now: Timestamp, interval: Span) -> u64 {
    u64::try_from(now.milliseconds() / interval.milliseconds().max(1)).unwrap_or(0)
}
