//! The tables of the store: what they hold, and how they are read, written and dropped.

use std::ops::Bound;

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};

use super::errors::store_error;
use crate::digest::Digest;
use crate::evidence::{Offset, RecordedEntry};
use crate::journal::{Append, Checkpoint, DroppedDays, JournalError, Retention, SealedReport, wire};
use crate::time::{Day, Timestamp};

/// The version of the store's layout.
const FORMAT: u32 = 2;

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

fn ids_table(name: &str) -> TableDefinition<'_, [u8; 16], u64> {
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

/// The last entry that is durable.
#[derive(Clone, Copy)]
pub(super) struct LastEntry {
    /// The offset of the entry; [`Offset::START`] if there is none.
    pub offset: Offset,
    /// When it was appended.
    pub at: Timestamp,
}

/// Begins a transaction whose commit is durable.
///
/// # Errors
/// When the store cannot be written to.
pub(super) fn begin_write(database: &Database) -> Result<WriteTransaction, JournalError> {
    let mut write = database.begin_write().map_err(store_error)?;
    write.set_durability(Durability::Immediate).map_err(store_error)?;
    write.set_quick_repair(true);
    Ok(write)
}

/// Writes the version of the layout.
///
/// # Errors
/// When the store cannot be written to.
pub(super) fn write_format(write: &WriteTransaction) -> Result<(), JournalError> {
    write.open_table(META).map_err(store_error)?.insert("format", FORMAT).map_err(store_error)?;
    Ok(())
}

/// Creates the tables of a new store, and returns the last entry of an existing one. An existing
/// store is not written to.
///
/// # Errors
/// When the store cannot be read or written to, or its layout has another version.
pub(super) fn prepare(database: &Database) -> Result<LastEntry, JournalError> {
    let found = {
        let read = database.begin_read().map_err(store_error)?;
        match absent_is_empty(read.open_table(META))? {
            Some(meta) => meta.get("format").map_err(store_error)?.map(|format| format.value()),
            None => None,
        }
    };
    match found {
        None => {
            let write = database.begin_write().map_err(store_error)?;
            write_format(&write)?;
            write.open_table(CHECKPOINT).map_err(store_error)?;
            write.open_table(DAYS).map_err(store_error)?;
            write.commit().map_err(store_error)?;
        }
        Some(FORMAT) => {}
        Some(found) => return Err(JournalError::Version { found, known: FORMAT }),
    }
    let read = database.begin_read().map_err(store_error)?;
    let days = read.open_table(DAYS).map_err(store_error)?;
    let Some((day, _)) = days.last().map_err(store_error)? else {
        return Ok(LastEntry { offset: Offset::START, at: Timestamp::default() });
    };
    let entries = read.open_table(entries_table(&entries_name(day.value()))).map_err(store_error)?;
    let Some((offset, octets)) = entries.last().map_err(store_error)? else {
        return Err(JournalError::Store("a day without entries".to_owned()));
    };
    let last = wire::from_octets(Offset::from_number(offset.value()), octets.value())?;
    Ok(LastEntry { offset: last.offset, at: last.at })
}

/// Writes a group of entries, and returns the last one and the offsets of all. An entry whose id is
/// known from this day or the day before it is not written again.
///
/// # Errors
/// When the store cannot be read or written to.
pub(super) fn write_group(
    write: &WriteTransaction,
    appends: &[Append],
    before: LastEntry,
    at: Timestamp,
) -> Result<(LastEntry, Vec<Offset>), JournalError> {
    let day = at.day().yyyymmdd();
    let mut days = write.open_table(DAYS).map_err(store_error)?;
    let earlier = days.range(..day).map_err(store_error)?.next_back().transpose().map_err(store_error)?;
    let earlier = earlier.map(|(day, _)| ids_name(day.value()));
    let earlier_ids = match &earlier {
        Some(name) => Some(write.open_table(ids_table(name)).map_err(store_error)?),
        None => None,
    };
    let (entries_name, ids_name) = (entries_name(day), ids_name(day));
    let mut entries = write.open_table(entries_table(&entries_name)).map_err(store_error)?;
    let mut ids = write.open_table(ids_table(&ids_name)).map_err(store_error)?;
    let mut last = before;
    let mut offsets = Vec::with_capacity(appends.len());
    let mut reports = ReportTables { write, open: None };
    for Append { entry, report } in appends {
        let id = *entry.id().octets();
        let mut known = ids.get(id).map_err(store_error)?.map(|offset| offset.value());
        if let (None, Some(earlier)) = (known, &earlier_ids) {
            known = earlier.get(id).map_err(store_error)?.map(|offset| offset.value());
        }
        if let Some(known) = known {
            offsets.push(Offset::from_number(known));
            continue;
        }
        last = LastEntry { offset: Offset::from_number(last.offset.number() + 1), at };
        entries.insert(last.offset.number(), wire::to_octets(at, entry).as_slice()).map_err(store_error)?;
        ids.insert(id, last.offset.number()).map_err(store_error)?;
        if let Some(SealedReport { day, octets }) = report {
            reports.of(*day)?.insert(last.offset.number(), octets.as_slice()).map_err(store_error)?;
        }
        offsets.push(last.offset);
    }
    if last.offset > before.offset && days.get(day).map_err(store_error)?.is_none() {
        days.insert(day, before.offset.number() + 1).map_err(store_error)?;
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
                self.write.open_table(reports_table(&name)).map_err(store_error)?
            }
        };
        Ok(&mut self.open.insert((day, open)).1)
    }
}

/// The entries after an offset, in order, at most `entries_max` of them.
///
/// # Errors
/// When the store cannot be read or an entry cannot be decoded.
pub(super) fn read(
    database: &Database,
    after: Offset,
    entries_max: usize,
) -> Result<Vec<RecordedEntry>, JournalError> {
    let read = database.begin_read().map_err(store_error)?;
    let mut found = Vec::new();
    let days = days(&read.open_table(DAYS).map_err(store_error)?)?;
    for &(day, _) in days_behind(&days, after) {
        let name = entries_name(day);
        let Some(table) = absent_is_empty(read.open_table(entries_table(&name)))? else { continue };
        for row in table.range((Bound::Excluded(after.number()), Bound::Unbounded)).map_err(store_error)? {
            if found.len() >= entries_max {
                return Ok(found);
            }
            let (offset, octets) = row.map_err(store_error)?;
            found.push(wire::from_octets(Offset::from_number(offset.value()), octets.value())?);
        }
    }
    Ok(found)
}

/// The place before the oldest entry that is kept.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn beginning(database: &Database) -> Result<Offset, JournalError> {
    let read = database.begin_read().map_err(store_error)?;
    let days = days(&read.open_table(DAYS).map_err(store_error)?)?;
    // The last day is never dropped, so a store without days never had an entry.
    Ok(days.first().map_or(Offset::START, |&(_, first)| Offset::from_number(first.saturating_sub(1))))
}

/// The offset of the entry with an id, while it is kept.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn find(database: &Database, id: Digest) -> Result<Option<Offset>, JournalError> {
    let read = database.begin_read().map_err(store_error)?;
    Ok(offset_of(&read, id)?.map(Offset::from_number))
}

/// The sealed report that belongs to a piece of evidence, while it is kept.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn report(database: &Database, evidence: Digest) -> Result<Option<SealedReport>, JournalError> {
    let read = database.begin_read().map_err(store_error)?;
    let Some(offset) = offset_of(&read, evidence)? else { return Ok(None) };
    let report_days: Vec<u32> =
        read.list_tables().map_err(store_error)?.filter_map(|table| report_day(&table)).collect();
    for day in report_days {
        let name = reports_name(day);
        let Some(table) = absent_is_empty(read.open_table(reports_table(&name)))? else { continue };
        if let Some(octets) = table.get(offset).map_err(store_error)? {
            return Ok(Some(SealedReport { day: Day::from_yyyymmdd(day), octets: octets.value().to_vec() }));
        }
    }
    Ok(None)
}

/// Stores a checkpoint in place of the last one.
///
/// # Errors
/// When the store cannot be written to.
pub(super) fn save_checkpoint(database: &Database, checkpoint: &Checkpoint) -> Result<(), JournalError> {
    let write = begin_write(database)?;
    {
        let mut table = write.open_table(CHECKPOINT).map_err(store_error)?;
        let Checkpoint { offset, version, octets } = checkpoint;
        table.insert(0, (offset.number(), *version, octets.as_slice())).map_err(store_error)?;
    }
    write.commit().map_err(store_error)
}

/// The stored checkpoint.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn checkpoint(database: &Database) -> Result<Option<Checkpoint>, JournalError> {
    let read = database.begin_read().map_err(store_error)?;
    let table = read.open_table(CHECKPOINT).map_err(store_error)?;
    let row = table.get(0).map_err(store_error)?;
    Ok(row.map(|row| {
        let (offset, version, octets) = row.value();
        Checkpoint { offset: Offset::from_number(offset), version, octets: octets.to_vec() }
    }))
}

/// Drops the days that are not kept.
///
/// # Errors
/// When the store cannot be read or written to.
pub(super) fn retain(database: &Database, retention: Retention) -> Result<DroppedDays, JournalError> {
    let taken_in = checkpoint(database)?.map_or(Offset::START, |checkpoint| checkpoint.offset);
    let write = begin_write(database)?;
    let mut dropped = DroppedDays::default();
    {
        let mut table = write.open_table(DAYS).map_err(store_error)?;
        let days = days(&table)?;
        // The last day stays, because it holds the journal's last offset and time.
        let over = days.len() - days_behind(&days, taken_in).len();
        let gone = days.iter().take(over).take_while(|(day, _)| *day < retention.entries_since.yyyymmdd());
        for &(day, _) in gone {
            table.remove(day).map_err(store_error)?;
            write.delete_table(entries_table(&entries_name(day))).map_err(store_error)?;
            write.delete_table(ids_table(&ids_name(day))).map_err(store_error)?;
            dropped.entry_days += 1;
        }
        let report_days: Vec<u32> = write
            .list_tables()
            .map_err(store_error)?
            .filter_map(|table| report_day(&table))
            .filter(|&day| day < retention.reports_since.yyyymmdd())
            .collect();
        for day in report_days {
            write.delete_table(reports_table(&reports_name(day))).map_err(store_error)?;
            dropped.report_days += 1;
        }
    }
    write.commit().map_err(store_error)?;
    Ok(dropped)
}

/// The offset of an entry.
fn offset_of(read: &ReadTransaction, id: Digest) -> Result<Option<u64>, JournalError> {
    for (day, _) in days(&read.open_table(DAYS).map_err(store_error)?)?.into_iter().rev() {
        let name = ids_name(day);
        let Some(table) = absent_is_empty(read.open_table(ids_table(&name)))? else { continue };
        if let Some(offset) = table.get(*id.octets()).map_err(store_error)? {
            return Ok(Some(offset.value()));
        }
    }
    Ok(None)
}

/// The days with the offsets of their first entries, oldest first.
fn days(days: &impl ReadableTable<u32, u64>) -> Result<Vec<(u32, u64)>, JournalError> {
    let rows = days.iter().map_err(store_error)?;
    rows.map(|row| row.map(|(day, first)| (day.value(), first.value())).map_err(store_error)).collect()
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
        Err(error) => Err(store_error(error)),
    }
}

/// The day of a table of reports; `None` for another table.
fn report_day(table: &impl TableHandle) -> Option<u32> {
    table.name().strip_prefix(REPORTS_PREFIX)?.parse().ok()
}
