//! The database: opening it, opening it again, and what a failed sync means.

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend};

use super::errors::{io_error, store_error};
use super::tables::{LastEntry, begin_write, prepare, write_format};
use crate::folder;
use crate::journal::JournalError;

/// Memory that the store may use for its pages, in octets.
const CACHE_OCTETS: usize = 64 << 20;

/// The database, which is opened again when it can't be written to.
pub(super) struct Store {
    open: OpenDatabase,
    /// `None` while the database is being opened again.
    database: RwLock<Option<Database>>,
    /// Set when a permanent error occurred.
    broken: AtomicBool,
}

/// Opens the database; called again for every attempt.
type OpenDatabase = Box<dyn Fn() -> Result<Database, JournalError> + Send + Sync>;

impl Store {
    /// Opens the store in a file, or creates it. Also returns the last entry.
    ///
    /// # Errors
    /// `InUse` when another process has it open, `Version` when its layout has another version,
    /// otherwise `Store` or `Unwritable`.
    pub(super) fn of_file(path: &Path) -> Result<(Self, LastEntry), JournalError> {
        if !path.exists() {
            begin(path)?;
        }
        let path = path.to_owned();
        Self::opened_by(Box::new(move || open_file(&path)))
    }

    /// Opens the store over a backend.
    ///
    /// # Errors
    /// As [`Self::of_file`].
    pub(super) fn over<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
    ) -> Result<(Self, LastEntry), JournalError> {
        let open =
            move || Database::builder().create_with_backend(FailStopSync(backend())).map_err(store_error);
        Self::opened_by(Box::new(open))
    }

    fn opened_by(open: OpenDatabase) -> Result<(Self, LastEntry), JournalError> {
        let database = open()?;
        let last = prepare(&database)?;
        let database = RwLock::new(Some(database));
        Ok((Store { open, database, broken: AtomicBool::new(false) }, last))
    }

    /// Whether a permanent error occurred.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Runs a request on the database. A permanent error of the request breaks the store.
    ///
    /// # Errors
    /// That of the request, or `Unwritable` while the database is being opened again.
    pub(super) fn with<T>(
        &self,
        ask: impl FnOnce(&Database) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else {
            return Err(JournalError::Unwritable("it is being opened again".to_owned()));
        };
        let asked = ask(database);
        if matches!(asked, Err(JournalError::Store(_))) {
            self.broken.store(true, Ordering::SeqCst);
        }
        asked
    }

    /// Closes the database and opens it again. Returns the last entry.
    ///
    /// # Errors
    /// When the store failed permanently, or cannot be opened or written to.
    pub(super) fn reopen(&self) -> Result<LastEntry, JournalError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have met a permanent error in the meantime.
        if self.is_broken() {
            return Err(JournalError::Store("a sync or a read failed".to_owned()));
        }
        *database = None;
        let opened = (self.open)()?;
        let last = prepare(&opened)?;
        // Only a write shows whether the store can be written to.
        let write = begin_write(&opened)?;
        write_format(&write)?;
        write.commit().map_err(store_error)?;
        *database = Some(opened);
        Ok(last)
    }
}

/// A backend that turns a failed sync into a permanent error. After a failed sync the kernel may
/// drop the unwritten pages and still return them to readers.
#[derive(Debug)]
struct FailStopSync<B>(B);

impl<B: StorageBackend> StorageBackend for FailStopSync<B> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data().map_err(|error| io::Error::other(error.to_string()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

fn open_file(path: &Path) -> Result<Database, JournalError> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(io_error)?;
    let in_use = |error| match error {
        DatabaseError::DatabaseAlreadyOpen => JournalError::InUse(path.display().to_string()),
        other => store_error(other),
    };
    let backend = FileBackend::new(file).map_err(in_use)?;
    Database::builder()
        .set_cache_size(CACHE_OCTETS)
        .create_with_backend(FailStopSync(backend))
        .map_err(in_use)
}

/// Creates an empty store under a temporary name and then links it to its own name, so that a crash
/// never leaves an incomplete store.
fn begin(path: &Path) -> Result<(), JournalError> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    // An earlier start may have left an incomplete file when the disk was full.
    let _ = std::fs::remove_file(&fresh);
    let made = folder::create_private(&fresh)
        .map_err(io_error)
        .and_then(|_| open_file(&fresh))
        .and_then(|database| prepare(&database));
    if made.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    made?;
    // Another process may have created it first; opening it shows whether that process has it in
    // use.
    folder::link_new(&fresh, path).map_err(io_error)
}
