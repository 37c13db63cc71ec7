//! The journal: the ordered, durable record of everything that makes the list.
//!
//! `append` returns an entry's offset once the entry is durable. An entry that is appended twice is
//! stored once. Entries can be read from any offset. Reader, writers and journal need not share a
//! process. Sealed reduced reports are stored beside the entries and are dropped earlier.

mod embedded;
mod memory;
pub mod wire;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::{oneshot, watch};

pub use embedded::{DiskReserve, EmbeddedJournal};
pub use memory::MemoryJournal;

use crate::digest::Digest;
use crate::evidence::{Entry, Offset, RecordedEntry};
use crate::time::Day;

/// Maximum number of entries that wait to be made durable. Beyond it the journal is busy and the
/// client is asked to come back.
pub const QUEUE_ENTRIES_MAX: usize = 4_096;
/// Maximum number of entries that one commit makes durable.
pub const COMMIT_ENTRIES_MAX: usize = 1_024;
/// Maximum number of entries in one batch of [`follow`].
pub const BATCH_ENTRIES_MAX: usize = 1_024;

/// An entry to append, and the sealed report that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The entry.
    pub entry: Entry,
    /// The sealed report, for evidence that has one.
    pub report: Option<SealedReport>,
}

impl From<Entry> for Append {
    fn from(entry: Entry) -> Self {
        Append { entry, report: None }
    }
}

/// A reduced report, sealed under its day's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedReport {
    /// The day under whose key the report is sealed.
    pub day: Day,
    /// The nonce, followed by the encrypted report.
    pub octets: Vec<u8>,
}

/// The fold's state after the entry at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The offset of the last entry that the state includes.
    pub offset: Offset,
    /// The version of the state's encoding.
    pub version: u32,
    /// The compressed state.
    pub octets: Vec<u8>,
}

/// What retention keeps. Earlier days are dropped; entries only when the checkpoint includes them.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// The first day whose entries are kept.
    pub entries_since: Day,
    /// The first day whose reports are kept.
    pub reports_since: Day,
}

/// What retention dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedDays {
    /// Number of days whose entries were dropped.
    pub entry_days: usize,
    /// Number of days whose reports were dropped.
    pub report_days: usize,
}

/// Why the journal could not do what was requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The queue is full. Passing: the client should come back.
    #[error("the journal is busy: {QUEUE_ENTRIES_MAX} entries wait to be made durable")]
    Busy,
    /// The disk is full or not writable. Passing: the client should come back.
    #[error("the journal cannot be written now: {0}")]
    Unwritable(String),
    /// The store failed permanently; the operator has to act.
    #[error("the journal's store failed: {0}")]
    Store(String),
    /// Another process has the store open.
    #[error(
        "the journal is in use by another process ({0}); only one process can open the journal, and other commands talk to that process"
    )]
    InUse(String),
    /// The store's layout has another version than this program's.
    #[error(
        "the journal has version {found} of its format, and this program reads version {known}; keep the file, and run the program that wrote it"
    )]
    Version { found: u32, known: u32 },
    /// An entry can't be decoded.
    #[error("journal entry {offset} cannot be read: {problem}")]
    Entry { offset: Offset, problem: String },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether the request may succeed when it is repeated later.
    pub const fn is_passing(&self) -> bool {
        matches!(self, JournalError::Busy | JournalError::Unwritable(_))
    }
}

/// The contract of every kind of journal; `tests/journal.rs` checks it.
pub trait Journal: Send + Sync + 'static {
    /// Appends an entry. The result is ready once the entry is durable, and is its offset. An entry
    /// whose id was appended within the last day is not written again; the result is then the
    /// offset of the first one.
    fn append(&self, append: Append) -> Appending;

    /// The offset of the last durable entry, with notice of every further one.
    fn head(&self) -> watch::Receiver<Offset>;

    /// The place before the oldest entry that is kept: [`Offset::START`] as long as no entry was
    /// dropped.
    ///
    /// # Errors
    /// When the store can't be read.
    fn beginning(&self) -> Result<Offset, JournalError>;

    /// The last durable entry; `None` in a journal that never had any.
    ///
    /// # Errors
    /// When the store can't be read or the entry can't be decoded.
    fn last(&self) -> Result<Option<RecordedEntry>, JournalError>;

    /// The number of entries after one place, up to and including another.
    fn entries_between(&self, after: Offset, up_to: Offset) -> u64;

    /// The entries after an offset, in order, at most `entries_max` of them.
    ///
    /// # Errors
    /// When the store can't be read or an entry can't be decoded.
    fn read(&self, after: Offset, entries_max: usize) -> Result<Vec<RecordedEntry>, JournalError>;

    /// The entry at an offset; `None` if it was dropped or is not there yet.
    ///
    /// # Errors
    /// When the store can't be read or the entry can't be decoded.
    fn entry(&self, at: Offset) -> Result<Option<RecordedEntry>, JournalError>;

    /// The entry with an id, while it is kept.
    ///
    /// # Errors
    /// When the store can't be read or the entry can't be decoded.
    fn find(&self, id: Digest) -> Result<Option<RecordedEntry>, JournalError>;

    /// The sealed report that belongs to a piece of evidence, while it is kept.
    ///
    /// # Errors
    /// When the store can't be read.
    fn report(&self, evidence: Digest) -> Result<Option<SealedReport>, JournalError>;

    /// Stores a checkpoint in place of the last one.
    ///
    /// # Errors
    /// When the store can't be written.
    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), JournalError>;

    /// The stored checkpoint.
    ///
    /// # Errors
    /// When the store can't be read.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError>;

    /// Drops what [`Retention`] does not keep.
    ///
    /// # Errors
    /// When the store can't be read or written.
    fn retain(&self, retention: Retention) -> Result<DroppedDays, JournalError>;
}

/// The entries after a place, in batches, until there are no further ones.
///
/// A batch that can't be read is the last item.
pub fn follow(journal: &dyn Journal, after: Offset) -> Batches<'_> {
    Batches { journal, after: Some(after) }
}

/// The iterator of [`follow`].
pub struct Batches<'a> {
    journal: &'a dyn Journal,
    /// The place after which the next batch begins; `None` after the last one.
    after: Option<Offset>,
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<RecordedEntry>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.journal.read(self.after.take()?, BATCH_ENTRIES_MAX);
        if let Ok(entries) = &read {
            self.after = Some(entries.last()?.offset);
        }
        Some(read)
    }
}

/// An entry that is being made durable; a future of its offset.
#[derive(Debug)]
pub struct Appending(oneshot::Receiver<Result<Offset, JournalError>>);

type Acknowledge = oneshot::Sender<Result<Offset, JournalError>>;

impl Appending {
    fn new() -> (Acknowledge, Self) {
        let (acknowledge, appending) = oneshot::channel();
        (acknowledge, Appending(appending))
    }

    /// Blocks until the entry is durable, outside of an async runtime.
    ///
    /// # Errors
    /// When the journal refused the entry or could not make it durable.
    pub fn wait(self) -> Result<Offset, JournalError> {
        self.0.blocking_recv().unwrap_or(Err(JournalError::Closed))
    }
}

impl Future for Appending {
    type Output = Result<Offset, JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.unwrap_or(Err(JournalError::Closed)))
    }
}
