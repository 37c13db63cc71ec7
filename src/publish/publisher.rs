//! The thread that follows the journal, folds its entries, publishes the results, and drops what has
//! been kept long enough.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::checkpoint::checkpoint_at;
use super::{PublishError, Published, catch_up, checkpoint, restore};
use crate::audit::AuditLog;
use crate::blocklist::{Blocklist, HoldingGuard, ListChange, ListChanges, WAITING_SITES_MAX};
use crate::evidence::{ASK_AGAIN_AFTER, AskedHost, Entry, Offset};
use crate::journal::{self, Journal, JournalError, Retention};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::time::{Day, Span, Timestamp};

/// Minimum time between two publications: a burst of changes becomes one.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(20);
/// Pause before the journal is read again after a passing error.
const JOURNAL_PAUSE: Duration = Duration::from_millis(200);
/// Number of entries between two checkpoints. A restart folds at most about this many entries
/// again.
const CHECKPOINT_ENTRIES: u64 = 50_000;
/// The nice value of the thread that makes a checkpoint (19 is the lowest priority).
const CHECKPOINT_NICENESS: i32 = 19;

/// How long entries and reports are kept.
#[derive(Clone, Copy, Debug)]
pub struct RetentionPeriods {
    /// How long entries are kept.
    pub entries: Span,
    /// How long reduced reports are kept.
    pub reports: Span,
}

/// The running fold: follows the journal until it is stopped.
pub struct Publisher {
    /// The results, for readers.
    pub published: Arc<Published>,
    /// Cancelled when the fold could not go on. The process should then end and be started again.
    pub failed: CancellationToken,
    /// The sessions with hosts of relays' sides within the last day before, each with the domain that it
    /// was about.
    pub sessions: Vec<(String, AskedHost)>,
    thread: std::thread::JoinHandle<()>,
}

struct Follower {
    journal: Arc<dyn Journal>,
    audit: AuditLog,
    keys: Arc<Keys>,
    published: Arc<Published>,
    metrics: Arc<Metrics>,
    keeping: RetentionPeriods,
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
    /// When the state can't be restored, the journal can't be read, or the trap key or the audit
    /// record does not match the journal.
    pub fn start(
        journal: Arc<dyn Journal>,
        mut audit: AuditLog,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        keeping: RetentionPeriods,
        stop: CancellationToken,
    ) -> Result<Self, PublishError> {
        let mut blocklist = restore(&*journal)?;
        let checkpointed = blocklist.offset();
        let mut made = Vec::new();
        catch_up(&mut blocklist, &*journal, |_, _, mut changes| {
            metrics.applied(&changes);
            made.append(&mut changes.audit);
        })?;
        if let Some(known) = blocklist.trap_key() {
            keys.check_trap_key(known)?;
        }
        audit.take(made)?;
        audit.check(blocklist.status().audit.number)?;
        audit.flush()?;
        let published = Arc::new(Published::of(&blocklist));
        let sessions = blocklist.sessions_since(blocklist.time().minus(ASK_AGAIN_AFTER));
        let sessions = sessions.map(|(domain, session)| (domain.to_owned(), session.clone())).collect();
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
        Ok(Publisher { published, failed, sessions, thread })
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
                    tracing::error!(%error, "the fold cannot follow the journal; the server stops");
                    return false;
                }
            }
        }
        let followed = self.follow();
        // A checkpoint in progress must not overwrite the last one.
        self.end_checkpoint();
        if let Err(error) = followed.and_then(|()| self.checkpoint_now()) {
            tracing::error!(%error, "cannot store the last checkpoint; the next start folds more entries");
        }
        true
    }

    fn follow(&mut self) -> Result<(), PublishError> {
        let journal = Arc::clone(&self.journal);
        for entries in journal::follow(&*journal, self.blocklist.offset()) {
            let entries = entries?;
            let (mut relays, mut traps, mut donors, mut decided) = (BTreeSet::new(), false, false, false);
            for recorded in &entries {
                let changes = self.blocklist.apply(recorded);
                self.metrics.applied(&changes);
                report(&changes);
                if let Entry::Directive(_) = recorded.entry {
                    self.published.refuse(recorded.offset, &changes);
                }
                traps |= changes.list.contains(&ListChange::Traps);
                donors |= matches!(recorded.entry, Entry::Evidence(_) | Entry::Observation(_));
                decided |= !changes.audit.is_empty() || changes.list.iter().any(is_about_verification);
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
                self.published.standing.store(Arc::new(self.blocklist.status()));
            }
            self.published.snapshot.store(Arc::new(self.blocklist.snapshot()));
            self.published.applied.send_replace(self.blocklist.offset());
            self.count();
        }
        // Records that can't be written stay in memory and are written later; publication goes on.
        if let Err(error) = self.audit.flush() {
            tracing::error!(%error, "cannot write the audit record; the records wait in memory");
        }
        if self.journal.entries_between(self.checkpointed, self.blocklist.offset()) >= CHECKPOINT_ENTRIES {
            self.start_checkpoint();
        }
        let today = self.blocklist.time().day();
        if today != self.swept {
            // A failure is tried again at the next tick: to keep data too long does less harm than
            // to stop the list.
            match self.retain(self.blocklist.time()) {
                Ok(()) => self.swept = today,
                Err(error) => {
                    tracing::error!(%error, "cannot delete data that is older than the configured times")
                }
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
            Err(error) => tracing::error!(%error, "cannot start the thread for a checkpoint"),
        }
    }

    /// Waits for a checkpoint in progress.
    fn end_checkpoint(&mut self) {
        match self.checkpointing.take().map(std::thread::JoinHandle::join) {
            None => {}
            Some(Ok(Ok(()))) => self.secured = true,
            Some(Ok(Err(error))) => {
                tracing::error!(%error, "cannot store a checkpoint; a restart would fold more entries");
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
        let kept_since = if self.secured { now.minus(self.keeping.entries) } else { Timestamp::default() };
        let entries_since = kept_since.day();
        let dropped = self.journal.retain(Retention { entries_since, reports_since })?;
        let keys = self.keys.destroy_before(reports_since)?;
        if dropped != Default::default() || keys > 0 {
            tracing::info!(
                entry_days = dropped.entry_days,
                report_days = dropped.report_days,
                keys,
                "deleted data that is older than the configured times"
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

/// Whether a change alters the number of cases that wait for the answer of a relay's side.
fn is_about_verification(change: &ListChange) -> bool {
    matches!(change, ListChange::Unverified { .. } | ListChange::Verified { .. })
}

fn report(changes: &ListChanges) {
    for change in &changes.list {
        match change {
            ListChange::Listed { origin, relay, code, until } => {
                tracing::info!(%relay, code, zone = origin, %until, "listing decided");
            }
            ListChange::Extended { origin, relay, code, until } => {
                tracing::info!(%relay, code, zone = origin, %until, "extension of a listing decided");
            }
            ListChange::Published { origin, relay, code, until } => {
                tracing::info!(%relay, code, zone = origin, %until, "listing published");
            }
            ListChange::Ended { origin, relay, code, how } => {
                tracing::info!(%relay, code, zone = origin, ?how, "listing ended");
            }
            ListChange::Unverified { origin, relay, code } => {
                tracing::info!(%relay, code, zone = origin, "case complete; the relay's side is to be asked");
            }
            ListChange::Verified { relay, answer } => {
                tracing::info!(%relay, answer = answer.name(), "the relay's side was asked about made-up recipients");
            }
            ListChange::Held { origin, relay, code, guard: guard @ HoldingGuard::Site(_) } => {
                tracing::warn!(%relay, code, zone = origin, why = %guard, "listing held; it begins by itself in a later hour");
            }
            ListChange::Held { origin, relay, code, guard } => {
                tracing::error!(%relay, code, zone = origin, why = %guard, "listing held; review the relay, then run \"backscatterd release\"");
            }
            ListChange::Crowded { origin } => {
                tracing::error!(
                    zone = origin,
                    "more than {WAITING_SITES_MAX} sites wait for their share of the additions; review their relays, then run \"backscatterd release\""
                );
            }
            ListChange::Shrinking { origin } => {
                tracing::error!(zone = origin, "more listings end within an hour than the guard allows");
            }
            ListChange::Burned => {
                tracing::warn!(
                    "trap burned: only one injector network uses the trap, so reports to it no longer count"
                )
            }
            ListChange::Decided => tracing::info!("a decision took effect"),
            ListChange::Zone { origin } => tracing::info!(zone = origin, "zone adopted or withdrawn"),
            ListChange::Ignored { why } => tracing::debug!(why, "a journal entry had no effect"),
            ListChange::Counted { .. } | ListChange::Traps => {}
        }
    }
}
