//! The journal in an embedded store (redb): one file and one process, without further software.
//!
//! One committer thread makes entries durable in groups. The thread takes all waiting entries,
//! writes them in one transaction, and acknowledges them after the store's fsync. Entries, ids and
//! reports are kept in tables of one day each, so that retention drops tables instead of deleting
//! rows.
//!
//! A full disk, or one that cannot be written to for a while, is a passing error: clients are asked
//! to come back, and the store is opened again until it can be written to. A failed sync or read is
//! permanent, because the content of the disk is then unknown.

mod committer;
mod errors;
mod store;
mod tables;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use redb::StorageBackend;
use tokio::sync::{mpsc, watch};

pub use committer::DiskReserve;

use crate::digest::Digest;
use crate::evidence::{Offset, RecordedEntry};
use crate::journal::{
    Acknowledge, Append, Appending, Checkpoint, DroppedDays, Journal, JournalError, QUEUE_ENTRIES_MAX,
    Retention, SealedReport,
};
use crate::time::Clock;
use committer::Committer;
use store::Store;
use tables::LastEntry;

/// A journal in a redb store; see [`Journal`].
pub struct EmbeddedJournal {
    store: Arc<Store>,
    head: watch::Receiver<Offset>,
    /// Set to `None` to end the committer.
    queue: Option<mpsc::Sender<(Append, Acknowledge)>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedJournal {
    /// Opens the store in a file, or creates it.
    ///
    /// # Errors
    /// `InUse` when another process has it open, `Version` when its layout has another version,
    /// otherwise `Store` or `Unwritable`.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        Self::start(Store::of_file(path)?, clock, None)
    }

    /// Opens the store as [`Self::open`] does, and accepts no evidence while `room` is short.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_room(
        path: &Path,
        clock: Arc<dyn Clock>,
        room: DiskReserve,
    ) -> Result<Self, JournalError> {
        Self::start(Store::of_file(path)?, clock, Some(room))
    }

    /// Opens the store over a backend, for tests of what a crash leaves behind.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn over<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        Self::start(Store::over(backend)?, clock, None)
    }

    fn start(
        (store, last): (Store, LastEntry),
        clock: Arc<dyn Clock>,
        room: Option<DiskReserve>,
    ) -> Result<Self, JournalError> {
        let store = Arc::new(store);
        let (head, head_receiver) = watch::channel(last.offset);
        let (queue, waiting) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let committer = Committer { store: Arc::clone(&store), clock, head, last, room };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run(waiting))
            .map_err(|error| JournalError::Store(error.to_string()))?;
        Ok(EmbeddedJournal {
            store,
            head: head_receiver,
            queue: Some(queue),
            committer: Mutex::new(Some(thread)),
        })
    }
}

/// Waits until all accepted entries are durable, then closes the store.
impl Drop for EmbeddedJournal {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A committer that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

impl Journal for EmbeddedJournal {
    fn append(&self, append: Append) -> Appending {
        let (acknowledge, appending) = Appending::new();
        let refused = match &self.queue {
            None => Some((acknowledge, JournalError::Closed)),
            Some(queue) => match queue.try_send((append, acknowledge)) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full((_, acknowledge))) => {
                    Some((acknowledge, JournalError::Busy))
                }
                Err(mpsc::error::TrySendError::Closed((_, acknowledge))) => {
                    Some((acknowledge, JournalError::Closed))
                }
            },
        };
        if let Some((acknowledge, error)) = refused {
            let _ = acknowledge.send(Err(error));
        }
        appending
    }

    fn head(&self) -> watch::Receiver<Offset> {
        self.head.clone()
    }

    fn beginning(&self) -> Result<Offset, JournalError> {
        self.store.with(tables::beginning)
    }

    fn last(&self) -> Result<Option<RecordedEntry>, JournalError> {
        let before = self.head.borrow().number().checked_sub(1);
        let last = before.map(|before| self.read(Offset::from_number(before), 1)).transpose()?;
        Ok(last.and_then(|mut last| last.pop()))
    }

    fn entries_between(&self, after: Offset, up_to: Offset) -> u64 {
        up_to.number().saturating_sub(after.number())
    }

    fn read(&self, after: Offset, entries_max: usize) -> Result<Vec<RecordedEntry>, JournalError> {
        self.store.with(|database| tables::read(database, after, entries_max))
    }

    fn entry(&self, at: Offset) -> Result<Option<RecordedEntry>, JournalError> {
        let Some(before) = at.number().checked_sub(1) else { return Ok(None) };
        let next = self.read(Offset::from_number(before), 1)?.pop();
        Ok(next.filter(|recorded| recorded.offset == at))
    }

    fn find(&self, id: Digest) -> Result<Option<RecordedEntry>, JournalError> {
        let at = self.store.with(|database| tables::find(database, id))?;
        at.map_or(Ok(None), |at| self.entry(at))
    }

    fn report(&self, evidence: Digest) -> Result<Option<SealedReport>, JournalError> {
        self.store.with(|database| tables::report(database, evidence))
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        self.store.with(|database| tables::save_checkpoint(database, checkpoint))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError> {
        self.store.with(tables::checkpoint)
    }

    fn retain(&self, retention: Retention) -> Result<DroppedDays, JournalError> {
        self.store.with(|database| tables::retain(database, retention))
    }
}
