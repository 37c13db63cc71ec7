//! The committer: a thread that makes entries durable in groups.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redb::Database;
use tokio::sync::{mpsc, watch};

use super::errors::store_error;
use super::store::Store;
use super::tables::{LastEntry, begin_write, write_group};
use crate::evidence::{Entry, Offset, Order};
use crate::journal::{Acknowledge, Append, COMMIT_ENTRIES_MAX, JournalError};
use crate::time::Clock;

/// When the last group held more than one entry, the committer waits for further entries in steps
/// of this length, as long as more arrive, so that they share a sync.
const GATHER_STEP: Duration = Duration::from_millis(1);
/// Maximum number of such steps.
const GATHER_STEPS_MAX: usize = 10;
/// Pause between two attempts to open the store again.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

/// Takes all waiting entries, writes them in one transaction, and acknowledges them after the
/// store's fsync.
pub(super) struct Committer {
    /// Where the entries are written.
    pub store: Arc<Store>,
    /// The clock that gives entries their time.
    pub clock: Arc<dyn Clock>,
    /// Receives the offset of the last durable entry.
    pub head: watch::Sender<Offset>,
    /// The last durable entry.
    pub last: LastEntry,
    /// The space that is reserved for decisions and ticks.
    pub room: Option<DiskReserve>,
}

impl Committer {
    /// Commits entries until the queue is closed or the store fails permanently.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<(Append, Acknowledge)>) {
        let mut group = Vec::with_capacity(COMMIT_ENTRIES_MAX);
        let mut together = 0;
        while waiting.blocking_recv_many(&mut group, COMMIT_ENTRIES_MAX) > 0 {
            if together > 1 {
                gather(&waiting);
            }
            while group.len() < COMMIT_ENTRIES_MAX
                && let Ok(more) = waiting.try_recv()
            {
                group.push(more);
            }
            together = group.len();
            if self.room.as_ref().is_some_and(DiskReserve::is_short) {
                turn_away_bulk(&mut group);
            }
            if group.is_empty() {
                continue;
            }
            let (appends, acknowledges): (Vec<Append>, Vec<Acknowledge>) = group.drain(..).unzip();
            let outcome = self.store.with(|database| self.commit(database, &appends));
            if let Ok((last, _)) = &outcome {
                self.last = *last;
                self.head.send_replace(last.offset);
            }
            let failed = outcome.is_err();
            for (at, acknowledge) in acknowledges.into_iter().enumerate() {
                let answer = outcome.as_ref().map(|(_, offsets)| offsets[at]).map_err(Clone::clone);
                // A client that left in the meantime needs no answer; the entry is durable anyway.
                let _ = acknowledge.send(answer);
            }
            if failed && !self.recover(&mut waiting) {
                // Dropping the head notifies its receivers, so that the process ends and can be
                // started again.
                return;
            }
        }
    }

    /// Opens the store again until it can be written to; `false` when it failed permanently or the
    /// journal was closed.
    fn recover(&mut self, waiting: &mut mpsc::Receiver<(Append, Acknowledge)>) -> bool {
        let busy = || JournalError::Unwritable("it is being opened again".to_owned());
        loop {
            if self.store.is_broken() {
                return false;
            }
            match self.store.reopen() {
                Ok(last) if last.offset < self.last.offset || last.at < self.last.at => {
                    tracing::error!("the journal on disk lacks entries that were acknowledged");
                    return false;
                }
                Ok(last) => {
                    // Entries that were written but not acknowledged may be there.
                    self.last = last;
                    self.head.send_replace(last.offset);
                    tracing::warn!("the journal can be written to again");
                    return true;
                }
                Err(JournalError::Unwritable(_) | JournalError::InUse(_)) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot open the journal again");
                    return false;
                }
            }
            std::thread::sleep(REOPEN_PAUSE);
            loop {
                match waiting.try_recv() {
                    Ok((_, acknowledge)) => drop(acknowledge.send(Err(busy()))),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return false,
                }
            }
        }
    }

    fn commit(
        &self,
        database: &Database,
        appends: &[Append],
    ) -> Result<(LastEntry, Vec<Offset>), JournalError> {
        let write = begin_write(database)?;
        // The journal's time never goes back, even if the clock does.
        let at = self.clock.now().max(self.last.at);
        let written = write_group(&write, appends, self.last, at)?;
        write.commit().map_err(store_error)?;
        Ok(written)
    }
}

/// Disk space that is reserved for decisions and ticks: with less free space, no evidence is
/// accepted.
#[derive(Clone, Debug)]
pub struct DiskReserve {
    /// A folder on the disk.
    pub folder: PathBuf,
    /// Free space below which no evidence is accepted, in octets.
    pub octets_min: u64,
}

impl DiskReserve {
    /// Whether the disk has less free space than `octets_min`.
    pub fn is_short(&self) -> bool {
        // If the free space can't be determined, the write itself will show whether there is room.
        rustix::fs::statvfs(&self.folder)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < self.octets_min)
    }
}

/// Waits until no more entries arrive or the group is full.
fn gather(waiting: &mpsc::Receiver<(Append, Acknowledge)>) {
    let mut before = waiting.len();
    for _ in 0..GATHER_STEPS_MAX {
        std::thread::sleep(GATHER_STEP);
        let now = waiting.len();
        if now == before || now >= COMMIT_ENTRIES_MAX {
            return;
        }
        before = now;
    }
}

/// Refuses what can be sent again later, so that the remaining room is left for decisions and
/// ticks.
fn turn_away_bulk(group: &mut Vec<(Append, Acknowledge)>) {
    let is_bulk = |entry: &Entry| match entry {
        Entry::Evidence(_) => true,
        Entry::Directive(directive) => {
            matches!(directive.order, Order::AddTraps { .. } | Order::RetireTraps { .. })
        }
        Entry::Observation(_) | Entry::Tick(_) | Entry::Verification(_) => false,
    };
    let (evidence, rest) = group.drain(..).partition::<Vec<_>, _>(|(append, _)| is_bulk(&append.entry));
    *group = rest;
    for (_, acknowledge) in evidence {
        let _ = acknowledge.send(Err(JournalError::Unwritable("the disk is full".to_owned())));
    }
}
