//! The journal in an embedded store (redb): one file and one process, without further software.
//!
//! One committer thread makes entries durable in groups. It takes all waiting entries, writes them
//! in one transaction, and acknowledges them after the store's fsync. Entries, ids and reports are
//! kept in tables of one day each, so that retention drops tables instead of deleting rows.
//!
//! A full disk, or one that cannot be written to for a while, is a passing error: clients are asked
//! to come back, and the store is opened again until it can be written to. A failed sync or read is
//! permanent, because the content of the disk is then unknown.

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{
    BackendError, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageBackend, TableDefinition, TableError, WriteTransaction,
};
use tokio::sync::{mpsc, watch};

use super::{
    Acknowledge, Append, Appending, COMMIT_ENTRIES_MAX, Checkpoint, DroppedDays, Journal, JournalError,
    QUEUE_ENTRIES_MAX, Retention, SealedReport, wire,
};
use crate::digest::Digest;
use crate::evidence::{Entry, Offset, Order, RecordedEntry};
use crate::time::{Clock, Day, Timestamp};

/// The version of the store's layout.
const FORMAT: u32 = 2;
/// Memory that the store may use for its pages, in octets.
const CACHE_OCTETS: usize = 64 << 20;
/// When the last group held more than one entry, the committer waits for further entries in steps
/// of this length, as long as more arrive, so that they share a sync.
const GATHER_STEP: Duration = Duration::from_millis(1);
/// Maximum number of such steps.
const GATHER_STEPS_MAX: usize = 10;
/// Pause between two attempts to open the store again.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

type Octets16 = [u8; 16];

/// `format`: the version of the layout.
const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
/// Day -> offset of its first entry. A day ends where the next one begins.
const DAYS: TableDefinition<u32, u64> = TableDefinition::new("days");
/// Always 0 -> offset, version and octets of the only checkpoint.
const CHECKPOINT: TableDefinition<u8, (u64, u32, &[u8])> = TableDefinition::new("checkpoint");

/// Prefix of the reports' tables. Reports are keyed by offset, so that reports that arrive together
/// lie together and a commit writes few pages.
const REPORTS_PREFIX: &str = "kept_";

fn entries_table(name: &str) -> TableDefinition<'_, u64, &'static [u8]> {
    TableDefinition::new(name)
}

fn ids_table(name: &str) -> TableDefinition<'_, Octets16, u64> {
    TableDefinition::new(name)
}

fn reports_table(name: &str) -> TableDefinition<'_, u64, &'static [u8]> {
    TableDefinition::new(name)
}

fn entries_name(day: u32) -> String {
    format!("entries_{day:08}")
}

fn ids_name(day: u32) -> String {
    format!("ids_{day:08}")
}

fn reports_name(day: u32) -> String {
    format!("{REPORTS_PREFIX}{day:08}")
}

/// A journal in a redb store; see [`Journal`].
pub struct EmbeddedJournal {
    store: Arc<Store>,
    head: watch::Receiver<Offset>,
    /// Set to `None` to end the committer.
    queue: Option<mpsc::Sender<(Append, Acknowledge)>>,
    committer: Mutex<Option<JoinHandle<()>>>,
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

type Open = Box<dyn Fn() -> Result<Database, JournalError> + Send + Sync>;

/// The database, which is opened again when it can't be written to.
struct Store {
    open: Open,
    /// `None` while the database is being opened again.
    database: RwLock<Option<Database>>,
    /// Set when a permanent error occurred.
    broken: AtomicBool,
}

impl Store {
    fn with<T>(&self, ask: impl FnOnce(&Database) -> Result<T, JournalError>) -> Result<T, JournalError> {
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

    /// Closes the database and opens it again.
    fn reopen(&self) -> Result<LastEntry, JournalError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have met a permanent error in the meantime.
        if self.broken.load(Ordering::SeqCst) {
            return Err(JournalError::Store("a sync or a read failed".to_owned()));
        }
        *database = None;
        let opened = (self.open)()?;
        let last = prepare(&opened)?;
        // Only a write shows whether the store can be written to.
        let mut write = opened.begin_write().map_err(store)?;
        write.set_durability(Durability::Immediate).map_err(store)?;
        write.set_quick_repair(true);
        write.open_table(META).map_err(store)?.insert("format", FORMAT).map_err(store)?;
        write.commit().map_err(store)?;
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

impl EmbeddedJournal {
    /// Opens the store in a file, or creates it.
    ///
    /// # Errors
    /// `InUse` when another process has it open, `Version` when its layout has another version,
    /// otherwise `Store` or `Unwritable`.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        Self::open_file(path, clock, None)
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
        Self::open_file(path, clock, Some(room))
    }

    fn open_file(
        path: &Path,
        clock: Arc<dyn Clock>,
        room: Option<DiskReserve>,
    ) -> Result<Self, JournalError> {
        if !path.exists() {
            begin(path)?;
        }
        let path = path.to_owned();
        Self::start(Box::new(move || open_file(&path)), clock, room)
    }

    /// Opens the store over a backend, for tests of what a crash leaves behind.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn over<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        let open = move || Database::builder().create_with_backend(FailStopSync(backend())).map_err(store);
        Self::start(Box::new(open), clock, None)
    }

    fn start(open: Open, clock: Arc<dyn Clock>, room: Option<DiskReserve>) -> Result<Self, JournalError> {
        let database = open()?;
        let last = prepare(&database)?;
        let database = RwLock::new(Some(database));
        let store_of = Arc::new(Store { open, database, broken: AtomicBool::new(false) });
        let (head, head_receiver) = watch::channel(last.offset);
        let (queue, waiting) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let committer = Committer { store: Arc::clone(&store_of), clock, head, last, room };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run(waiting))
            .map_err(|error| JournalError::Store(error.to_string()))?;
        Ok(EmbeddedJournal {
            store: store_of,
            head: head_receiver,
            queue: Some(queue),
            committer: Mutex::new(Some(thread)),
        })
    }
}

fn open_file(path: &Path) -> Result<Database, JournalError> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).map_err(store_io)?;
    let in_use = |error| match error {
        DatabaseError::DatabaseAlreadyOpen => JournalError::InUse(path.display().to_string()),
        other => store(other),
    };
    let backend = FileBackend::new(file).map_err(in_use)?;
    Database::builder()
        .set_cache_size(CACHE_OCTETS)
        .create_with_backend(FailStopSync(backend))
        .map_err(in_use)
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

/// Creates an empty store under a temporary name and then links it to its own name, so that a crash
/// never leaves an incomplete store.
fn begin(path: &Path) -> Result<(), JournalError> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    // An earlier start may have left an incomplete file when the disk was full.
    let _ = std::fs::remove_file(&fresh);
    let made = Database::create(&fresh).map_err(store).and_then(|database| prepare(&database));
    let linked = made.map(|_| std::fs::hard_link(&fresh, path));
    std::fs::remove_file(&fresh).map_err(store_io)?;
    let linked = linked?;
    match linked {
        // Another process created it first; opening it shows whether that process has it in use.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(store_io(error)),
        _ => {}
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(store_io)
}

/// The last entry that is durable.
#[derive(Clone, Copy)]
struct LastEntry {
    offset: Offset,
    at: Timestamp,
}

/// Creates the tables of a new store, and returns the last entry of an existing one. An existing
/// store is not written to.
fn prepare(database: &Database) -> Result<LastEntry, JournalError> {
    let found = {
        let read = database.begin_read().map_err(store)?;
        match absent_is_empty(read.open_table(META))? {
            Some(meta) => meta.get("format").map_err(store)?.map(|format| format.value()),
            None => None,
        }
    };
    match found {
        None => {
            let write = database.begin_write().map_err(store)?;
            write.open_table(META).map_err(store)?.insert("format", FORMAT).map_err(store)?;
            write.open_table(CHECKPOINT).map_err(store)?;
            write.open_table(DAYS).map_err(store)?;
            write.commit().map_err(store)?;
        }
        Some(FORMAT) => {}
        Some(found) => return Err(JournalError::Version { found, known: FORMAT }),
    }
    let read = database.begin_read().map_err(store)?;
    let days = read.open_table(DAYS).map_err(store)?;
    let Some((day, _)) = days.last().map_err(store)? else {
        return Ok(LastEntry { offset: Offset::START, at: Timestamp::default() });
    };
    let entries = read.open_table(entries_table(&entries_name(day.value()))).map_err(store)?;
    let Some((offset, octets)) = entries.last().map_err(store)? else {
        return Err(JournalError::Store("a day without entries".to_owned()));
    };
    let last = wire::from_octets(Offset::from_number(offset.value()), octets.value())?;
    Ok(LastEntry { offset: last.offset, at: last.at })
}

struct Committer {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    head: watch::Sender<Offset>,
    last: LastEntry,
    room: Option<DiskReserve>,
}

type Waiting = mpsc::Receiver<(Append, Acknowledge)>;

impl Committer {
    fn run(mut self, mut waiting: Waiting) {
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
    fn recover(&mut self, waiting: &mut Waiting) -> bool {
        let busy = || JournalError::Unwritable("it is being opened again".to_owned());
        loop {
            if self.store.broken.load(Ordering::SeqCst) {
                return false;
            }
            match self.store.reopen() {
                Ok(last) if last.offset < self.last.offset || last.at < self.last.at => {
                    tracing::error!("the journal on disk is older than what was acknowledged");
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
                    tracing::error!(%error, "the journal can't be opened again");
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
        let mut write = database.begin_write().map_err(store)?;
        write.set_durability(Durability::Immediate).map_err(store)?;
        write.set_quick_repair(true);
        // The journal's time never goes back, even if the clock does.
        let at = self.clock.now().max(self.last.at);
        let written = write_group(&write, appends, self.last, at)?;
        write.commit().map_err(store)?;
        Ok(written)
    }
}

/// Waits until no more entries arrive or the group is full.
fn gather(waiting: &Waiting) {
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
        Entry::Observation(_) | Entry::Tick(_) => false,
    };
    let (evidence, rest) = group.drain(..).partition::<Vec<_>, _>(|(append, _)| is_bulk(&append.entry));
    *group = rest;
    for (_, acknowledge) in evidence {
        let _ = acknowledge.send(Err(JournalError::Unwritable("the disk is full".to_owned())));
    }
}

fn write_group(
    write: &WriteTransaction,
    appends: &[Append],
    before: LastEntry,
    at: Timestamp,
) -> Result<(LastEntry, Vec<Offset>), JournalError> {
    let day = at.day().yyyymmdd();
    let mut days = write.open_table(DAYS).map_err(store)?;
    let earlier = days.range(..day).map_err(store)?.next_back().transpose().map_err(store)?;
    let earlier = earlier.map(|(day, _)| ids_name(day.value()));
    let earlier_ids = match &earlier {
        Some(name) => Some(write.open_table(ids_table(name)).map_err(store)?),
        None => None,
    };
    let (entries_name, ids_name) = (entries_name(day), ids_name(day));
    let mut entries = write.open_table(entries_table(&entries_name)).map_err(store)?;
    let mut ids = write.open_table(ids_table(&ids_name)).map_err(store)?;
    let mut last = before;
    let mut offsets = Vec::with_capacity(appends.len());
    let mut reports = ReportTables { write, open: None };
    for Append { entry, report } in appends {
        let id = *entry.id().octets();
        let mut known = ids.get(id).map_err(store)?.map(|offset| offset.value());
        if let (None, Some(earlier)) = (known, &earlier_ids) {
            known = earlier.get(id).map_err(store)?.map(|offset| offset.value());
        }
        if let Some(known) = known {
            offsets.push(Offset::from_number(known));
            continue;
        }
        last = LastEntry { offset: Offset::from_number(last.offset.number() + 1), at };
        entries.insert(last.offset.number(), wire::to_octets(at, entry).as_slice()).map_err(store)?;
        ids.insert(id, last.offset.number()).map_err(store)?;
        if let Some(SealedReport { day, octets }) = report {
            reports.of(*day)?.insert(last.offset.number(), octets.as_slice()).map_err(store)?;
        }
        offsets.push(last.offset);
    }
    if last.offset > before.offset && days.get(day).map_err(store)?.is_none() {
        days.insert(day, before.offset.number() + 1).map_err(store)?;
    }
    Ok((last, offsets))
}

/// The open table of reports. Nearly always one day's table serves a whole group.
struct ReportTables<'t> {
    write: &'t WriteTransaction,
    open: Option<(Day, redb::Table<'t, u64, &'static [u8]>)>,
}

impl<'t> ReportTables<'t> {
    fn of(&mut self, day: Day) -> Result<&mut redb::Table<'t, u64, &'static [u8]>, JournalError> {
        let open = match self.open.take() {
            Some((of, table)) if of == day => table,
            other => {
                // redb can't open a table that is open already, so the other day's is closed first.
                drop(other);
                let name = reports_name(day.yyyymmdd());
                self.write.open_table(reports_table(&name)).map_err(store)?
            }
        };
        Ok(&mut self.open.insert((day, open)).1)
    }
}

/// The days with the offsets of their first entries, oldest first.
fn days(days: &impl ReadableTable<u32, u64>) -> Result<Vec<(u32, u64)>, JournalError> {
    let rows = days.iter().map_err(store)?;
    rows.map(|row| row.map(|(day, first)| (day.value(), first.value())).map_err(store)).collect()
}

/// The days that have entries after an offset; always includes the last day.
fn days_behind(days: &[(u32, u64)], after: Offset) -> &[(u32, u64)] {
    let behind = days.iter().skip(1).take_while(|(_, next)| next.saturating_sub(1) <= after.number()).count();
    &days[behind..]
}

/// `None` for a table that does not exist; it counts as empty.
fn absent_is_empty<T>(table: Result<T, TableError>) -> Result<Option<T>, JournalError> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(store(error)),
    }
}

fn report_days(write: &WriteTransaction) -> Result<Vec<u32>, JournalError> {
    use redb::TableHandle;
    let tables = write.list_tables().map_err(store)?;
    Ok(tables.filter_map(|table| table.name().strip_prefix(REPORTS_PREFIX)?.parse().ok()).collect())
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
        let days = self.store.with(|database| {
            let read = database.begin_read().map_err(store)?;
            days(&read.open_table(DAYS).map_err(store)?)
        })?;
        // The last day is never dropped, so a store without days never had an entry.
        Ok(days.first().map_or(Offset::START, |&(_, first)| Offset::from_number(first.saturating_sub(1))))
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
        self.store.with(|database| read(database, after, entries_max))
    }

    fn report(&self, evidence: Digest) -> Result<Option<SealedReport>, JournalError> {
        self.store.with(|database| report(database, evidence))
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        self.store.with(|database| save_checkpoint(database, checkpoint))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError> {
        self.store.with(checkpoint)
    }

    fn retain(&self, retention: Retention) -> Result<DroppedDays, JournalError> {
        self.store.with(|database| retain(database, retention))
    }
}

fn read(database: &Database, after: Offset, entries_max: usize) -> Result<Vec<RecordedEntry>, JournalError> {
    let read = database.begin_read().map_err(store)?;
    let mut found = Vec::new();
    let days = days(&read.open_table(DAYS).map_err(store)?)?;
    for &(day, _) in days_behind(&days, after) {
        let name = entries_name(day);
        let Some(table) = absent_is_empty(read.open_table(entries_table(&name)))? else { continue };
        for row in table.range((Bound::Excluded(after.number()), Bound::Unbounded)).map_err(store)? {
            if found.len() >= entries_max {
                return Ok(found);
            }
            let (offset, octets) = row.map_err(store)?;
            found.push(wire::from_octets(Offset::from_number(offset.value()), octets.value())?);
        }
    }
    Ok(found)
}

fn report(database: &Database, evidence: Digest) -> Result<Option<SealedReport>, JournalError> {
    use redb::TableHandle;
    let read = database.begin_read().map_err(store)?;
    let Some(offset) = offset_of(&read, evidence)? else { return Ok(None) };
    let report_days: Vec<u32> = read
        .list_tables()
        .map_err(store)?
        .filter_map(|table| table.name().strip_prefix(REPORTS_PREFIX)?.parse().ok())
        .collect();
    for day in report_days {
        let name = reports_name(day);
        let Some(table) = absent_is_empty(read.open_table(reports_table(&name)))? else { continue };
        if let Some(octets) = table.get(offset).map_err(store)? {
            return Ok(Some(SealedReport { day: Day::from_yyyymmdd(day), octets: octets.value().to_vec() }));
        }
    }
    Ok(None)
}

/// The offset of an entry.
fn offset_of(read: &ReadTransaction, id: Digest) -> Result<Option<u64>, JournalError> {
    for (day, _) in days(&read.open_table(DAYS).map_err(store)?)?.into_iter().rev() {
        let name = ids_name(day);
        let Some(table) = absent_is_empty(read.open_table(ids_table(&name)))? else { continue };
        if let Some(offset) = table.get(*id.octets()).map_err(store)? {
            return Ok(Some(offset.value()));
        }
    }
    Ok(None)
}

fn save_checkpoint(database: &Database, checkpoint: &Checkpoint) -> Result<(), JournalError> {
    let mut write = database.begin_write().map_err(store)?;
    write.set_durability(Durability::Immediate).map_err(store)?;
    write.set_quick_repair(true);
    {
        let mut table = write.open_table(CHECKPOINT).map_err(store)?;
        let Checkpoint { offset, version, octets } = checkpoint;
        table.insert(0, (offset.number(), *version, octets.as_slice())).map_err(store)?;
    }
    write.commit().map_err(store)
}

fn checkpoint(database: &Database) -> Result<Option<Checkpoint>, JournalError> {
    let read = database.begin_read().map_err(store)?;
    let table = read.open_table(CHECKPOINT).map_err(store)?;
    let row = table.get(0).map_err(store)?;
    Ok(row.map(|row| {
        let (offset, version, octets) = row.value();
        Checkpoint { offset: Offset::from_number(offset), version, octets: octets.to_vec() }
    }))
}

fn retain(database: &Database, retention: Retention) -> Result<DroppedDays, JournalError> {
    let taken_in = checkpoint(database)?.map_or(Offset::START, |checkpoint| checkpoint.offset);
    let mut write = database.begin_write().map_err(store)?;
    write.set_durability(Durability::Immediate).map_err(store)?;
    write.set_quick_repair(true);
    let mut dropped = DroppedDays::default();
    {
        let mut table = write.open_table(DAYS).map_err(store)?;
        let days = days(&table)?;
        // The last day stays, because it holds the journal's last offset and time.
        let over = days.len() - days_behind(&days, taken_in).len();
        let gone = days.iter().take(over).take_while(|(day, _)| *day < retention.entries_since.yyyymmdd());
        for &(day, _) in gone {
            table.remove(day).map_err(store)?;
            write.delete_table(entries_table(&entries_name(day))).map_err(store)?;
            write.delete_table(ids_table(&ids_name(day))).map_err(store)?;
            dropped.entry_days += 1;
        }
        for day in report_days(&write)?.into_iter().filter(|&day| day < retention.reports_since.yyyymmdd()) {
            write.delete_table(reports_table(&reports_name(day))).map_err(store)?;
            dropped.report_days += 1;
        }
    }
    write.commit().map_err(store)?;
    Ok(dropped)
}

/// Separates passing errors from permanent ones.
fn store(error: impl Into<redb::Error>) -> JournalError {
    match error.into() {
        redb::Error::Io(error) => store_io(error),
        // redb reports these after an earlier error, which already decided whether it is permanent.
        error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
            JournalError::Unwritable(error.to_string())
        }
        error => JournalError::Store(error.to_string()),
    }
}

fn store_io(error: io::Error) -> JournalError {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied => {
            JournalError::Unwritable(error.to_string())
        }
        _ => JournalError::Store(error.to_string()),
    }
}
