//! The journal: what makes the list, in order, durable before it is acknowledged.
//!
//! `append` says where an entry lies once it would survive a crash, and an entry that comes twice lies in one place.
//! Entries are read from any offset. Nothing here assumes that the reader, the writers and the journal share a
//! process. Reduced reports lie beside the entries, sealed, and go earlier.

mod embedded;
mod memory;
pub mod wire;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::{oneshot, watch};

pub use embedded::{Embedded, Room};
pub use memory::Memory;

use crate::digest::Digest;
use crate::evidence::{Entry, Offset, Recorded};
use crate::time::Day;

/// Most entries that wait to be made durable; beyond them the journal is busy and the peer is asked to come back.
pub const QUEUE_ENTRIES_MAX: usize = 4_096;
/// Most entries made durable by one commit.
pub const COMMIT_ENTRIES_MAX: usize = 1_024;

/// An entry to append, and the sealed report that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    pub entry: Entry,
    pub report: Option<Sealed>,
}

impl From<Entry> for Append {
    fn from(entry: Entry) -> Self {
        Append { entry, report: None }
    }
}

/// A reduced report under its day's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub day: Day,
    pub octets: Vec<u8>,
}

/// The fold's state after the entry at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub offset: Offset,
    /// The version of the state's form.
    pub version: u32,
    pub octets: Vec<u8>,
}

/// What to keep. Days before these are dropped; entries only where a checkpoint has taken them in.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub entries_since: Day,
    pub reports_since: Day,
}

/// What retention dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub entry_days: usize,
    pub report_days: usize,
}

/// Why the journal could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Passing: come back.
    #[error("the journal is busy: {QUEUE_ENTRIES_MAX} entries wait to be made durable")]
    Busy,
    /// Passing once the disk has room again, or may be written to: come back.
    #[error("the journal can't be written to now: {0}")]
    Unwritable(String),
    /// The operator has to act.
    #[error("the journal's store failed: {0}")]
    Store(String),
    #[error(
        "the journal is in use by another process ({0}); one process owns it, and other commands talk to that one"
    )]
    InUse(String),
    #[error(
        "the journal was written by version {found} of its format, and this program reads version {known}; keep it, and run the program that wrote it"
    )]
    Version { found: u32, known: u32 },
    #[error("entry {offset} can't be read: {problem}")]
    Entry { offset: Offset, problem: String },
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Whether it may be otherwise in a moment.
    pub const fn is_passing(&self) -> bool {
        matches!(self, JournalError::Busy | JournalError::Unwritable(_))
    }
}

/// One contract, every kind of journal; `tests/journal.rs` holds it.
pub trait Journal: Send + Sync + 'static {
    /// Appends an entry. Ready once the entry is durable, with its offset; the offset of the first one where an entry
    /// with the same id was appended within the last day.
    fn append(&self, append: Append) -> Appending;

    /// The offset of the last durable entry, and word of every further one.
    fn head(&self) -> watch::Receiver<Offset>;

    /// The oldest entry still there, or the one that comes next where there is none.
    fn first(&self) -> Result<Offset, JournalError>;

    /// The entries behind an offset, in order, at most so many of them.
    fn read(&self, after: Offset, entries_max: usize) -> Result<Vec<Recorded>, JournalError>;

    /// The sealed report that came with a piece of evidence, while it is kept.
    fn report(&self, evidence: Digest) -> Result<Option<Sealed>, JournalError>;

    /// Keeps a checkpoint in place of the last one.
    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), JournalError>;

    fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError>;

    fn retain(&self, retention: Retention) -> Result<Dropped, JournalError>;
}

/// An entry on its way to being durable.
#[derive(Debug)]
pub struct Appending(oneshot::Receiver<Result<Offset, JournalError>>);

type Acknowledge = oneshot::Sender<Result<Offset, JournalError>>;

impl Appending {
    fn new() -> (Acknowledge, Self) {
        let (acknowledge, appending) = oneshot::channel();
        (acknowledge, Appending(appending))
    }

    /// Waits without a runtime.
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
