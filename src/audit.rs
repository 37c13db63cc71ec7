//! The audit record on disk: append-only files, one a month, with one JSON object a line.
//!
//! The fold makes the records, and makes identical ones when it folds an entry again. Records that
//! are already on disk are skipped. A record is lost only when the journal lost its entry before
//! this file had it. Each record holds a digest of the one before it, so that an altered, missing
//! or inserted record is detected.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::blocklist::AuditRecord;
use crate::folder;
use crate::relay::Prefix;

/// Maximum length of a line, in octets.
const LINE_OCTETS_MAX: usize = 64 << 10;
/// Maximum number of records that wait while the disk fails. Beyond it the fold stops.
const WAITING_MAX: usize = 1_000_000;
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// Why the audit record can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    /// A line could not be parsed.
    #[error("{path}: line {line} is not an audit record: {problem}")]
    Line { path: PathBuf, line: usize, problem: String },
    /// Too many records wait to be written.
    #[error("{WAITING_MAX} audit records wait to be written; no more can wait")]
    Full,
    /// The folder's records do not belong to this journal.
    #[error(
        "{0} holds the audit record of another journal, or of this journal before a restore; keep this folder, and set audit.directory to another folder"
    )]
    OtherJournal(PathBuf),
}

/// The writing end of the record, to which the fold's changes are appended.
pub struct AuditLog {
    directory: PathBuf,
    /// The number of the last record that is on disk.
    last: u64,
    /// The first record on disk. If the fold makes a different record with the same number, the
    /// files belong to another journal.
    first: Option<AuditRecord>,
    waiting: Vec<AuditRecord>,
}

impl AuditLog {
    /// Opens the folder, and removes an incomplete last line that a crash left. Nobody but this user
    /// can use the folder and its files.
    ///
    /// # Errors
    /// When a file can't be read or repaired, a mode can't be corrected, or a line is not an audit
    /// record.
    pub fn open(directory: &Path) -> Result<Self, AuditError> {
        folder::make(directory).map_err(at(directory))?;
        folder::keep_private(directory, is_ours).map_err(at(directory))?;
        for path in files(directory)? {
            folder::keep_file_private(&path).map_err(at(&path))?;
        }
        let mut log = AuditLog { directory: directory.to_owned(), last: 0, first: None, waiting: Vec::new() };
        if let Some(path) = files(directory)?.pop() {
            cut_torn_line(&path).map_err(at(&path))?;
        }
        // The newest file may be empty.
        for path in files(directory)?.into_iter().rev() {
            if let Some(record) = records(&path)?.pop() {
                log.last = record.number;
                break;
            }
        }
        for path in files(directory)? {
            if let Some(record) = records(&path)?.into_iter().next() {
                log.first = Some(record);
                break;
            }
        }
        Ok(log)
    }

    /// Accepts records from the fold, and skips those that are already on disk.
    ///
    /// # Errors
    /// `OtherJournal` when a record differs from the one on disk; `Full` when too many records
    /// wait.
    pub fn take(&mut self, records: Vec<AuditRecord>) -> Result<(), AuditError> {
        let other = |record: &AuditRecord| {
            let first = self.first.as_ref();
            first.is_some_and(|first| first.number == record.number && first.digest != record.digest)
        };
        if records.iter().any(other) {
            return Err(AuditError::OtherJournal(self.directory.clone()));
        }
        self.waiting.extend(records.into_iter().filter(|record| record.number > self.last));
        if self.waiting.len() > WAITING_MAX { Err(AuditError::Full) } else { Ok(()) }
    }

    /// Checks that the folder holds no more records than the fold has made.
    ///
    /// # Errors
    /// `OtherJournal` when it does.
    pub fn check(&self, made: u64) -> Result<(), AuditError> {
        if self.last > made { Err(AuditError::OtherJournal(self.directory.clone())) } else { Ok(()) }
    }

    /// Writes the waiting records durably.
    ///
    /// # Errors
    /// When a file can't be written; the records keep waiting.
    pub fn flush(&mut self) -> Result<(), AuditError> {
        while let Some(first) = self.waiting.first() {
            let month = first.at.month();
            let of_month = self.waiting.iter().take_while(|record| record.at.month() == month).count();
            let path = self.directory.join(format!("{PREFIX}{month}{SUFFIX}"));
            let mut lines = String::new();
            for record in &self.waiting[..of_month] {
                lines.push_str(&serde_json::to_string(record).expect("a record is plain data"));
                lines.push('\n');
            }
            append(&path, lines.as_bytes()).map_err(at(&path))?;
            folder::sync(&self.directory).map_err(at(&self.directory))?;
            self.last = self.waiting[of_month - 1].number;
            self.waiting.drain(..of_month);
        }
        Ok(())
    }

    /// Whether records wait to be written.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// Which records to read.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only records about an address or network that overlaps this one; all records when `None`.
    pub about: Option<Prefix>,
    /// Only records with a greater number.
    pub after: u64,
    /// Maximum number of records to return.
    pub records_max: usize,
}

/// Reads the wanted records, oldest first.
///
/// # Errors
/// When a file can't be read or a line is not an audit record.
pub fn read(directory: &Path, wanted: &AuditQuery) -> Result<Vec<AuditRecord>, AuditError> {
    let concerns = |record: &AuditRecord| {
        wanted.about.is_none_or(|about| record.about.parse::<Prefix>().is_ok_and(|of| of.overlaps(about)))
    };
    let mut found = Vec::new();
    for path in files(directory)? {
        for record in records(&path)? {
            if record.number > wanted.after && concerns(&record) {
                found.push(record);
                if found.len() >= wanted.records_max {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// The result of checking every record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditCheck {
    /// How many records there are.
    pub records: u64,
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
    /// The digest of the last record.
    pub digest: String,
    /// The number of the first record that was altered or does not follow the one before it.
    pub broken: Option<u64>,
}

/// Checks that no record was altered, left out or inserted after the first record on disk.
///
/// # Errors
/// When a file can't be read or a line is not an audit record.
pub fn verify(directory: &Path) -> Result<AuditCheck, AuditError> {
    let mut verified = AuditCheck::default();
    let mut before: Option<AuditRecord> = None;
    for path in files(directory)? {
        for record in records(&path)? {
            if !record.follows(before.as_ref()) {
                verified.broken = verified.broken.or(Some(record.number));
            }
            if before.is_none() {
                verified.first = record.number;
            }
            verified.records += 1;
            (verified.last, verified.digest) = (record.number, record.digest.clone());
            before = Some(record);
        }
    }
    Ok(verified)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    let path = path.to_owned();
    move |source| AuditError::File { path, source }
}

/// The record's files in the order of their names, which is the order of months.
fn files(directory: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let name = entry.map_err(at(directory))?.file_name();
        if is_ours(&name) {
            found.push(directory.join(name));
        }
    }
    found.sort();
    Ok(found)
}

fn records(path: &Path) -> Result<Vec<AuditRecord>, AuditError> {
    let file = File::open(path).map_err(at(path))?;
    let mut found = Vec::new();
    for (nth, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(at(path))?;
        let record = serde_json::from_str(&line).map_err(|error| AuditError::Line {
            path: path.to_owned(),
            line: nth + 1,
            problem: error.to_string(),
        })?;
        found.push(record);
    }
    Ok(found)
}

/// Whether a file's name is that of an audit file.
fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

fn append(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => folder::create_private(path)?,
        opened => opened?,
    };
    let before = file.metadata()?.len();
    let written = file.write_all(octets).and_then(|()| file.sync_data());
    if written.is_err() {
        // An incomplete line must not precede the next attempt.
        file.set_len(before)?;
    }
    written
}

fn cut_torn_line(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LINE_OCTETS_MAX as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    io::Read::read_to_end(&mut file, &mut tail)?;
    let whole = tail.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
    if whole < tail.len() {
        file.set_len(from + whole as u64)?;
        file.sync_data()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Offset;
    use crate::time::Timestamp;

    fn chain(count: u64) -> Vec<AuditRecord> {
        let mut records: Vec<AuditRecord> = Vec::new();
        for number in 1..=count {
            let mut record = AuditRecord {
                number,
                entry: Offset::from_number(number * 10),
                at: Timestamp::from_milliseconds(1_767_225_600_000 + number as i64 * 86_400_000 * 20),
                by: "policy".to_owned(),
                why: "3.46 points".to_owned(),
                act: "listed".to_owned(),
                zone: "bl.backscatter.example.".to_owned(),
                about: format!("9.9.9.{number}"),
                code: Some(2),
                until: Some(Timestamp::default()),
                policy: String::new(),
                evidence: vec![Offset::from_number(number)],
                previous: records.last().map_or_else(String::new, |record| record.digest.clone()),
                digest: String::new(),
            };
            record.digest = record.computed().to_string();
            records.push(record);
        }
        records
    }

    #[test]
    fn rfc6471_o4_records_are_kept_once_and_any_change_shows() {
        let folder = tempfile::tempdir().unwrap();
        let records = chain(6);
        let mut log = AuditLog::open(folder.path()).unwrap();
        log.take(records[..4].to_vec()).unwrap();
        log.flush().unwrap();
        // A crash while a line was written, and a fold that makes the last two records again.
        let last = files(folder.path()).unwrap().pop().unwrap();
        append(&last, b"{\"number\": 5, \"en").unwrap();
        let mut log = AuditLog::open(folder.path()).unwrap();
        log.take(records[2..].to_vec()).unwrap();
        log.flush().unwrap();
        assert!(files(folder.path()).unwrap().len() > 1, "one file a month");
        let all = AuditQuery { records_max: 100, ..AuditQuery::default() };
        assert_eq!(read(folder.path(), &all).unwrap(), records);
        let one = AuditQuery { about: "9.9.9.3".parse().ok(), ..all };
        assert_eq!(read(folder.path(), &one).unwrap(), records[2..3]);
        let verified = verify(folder.path()).unwrap();
        assert_eq!((verified.records, verified.last, verified.broken), (6, 6, None));
        assert_eq!(verified.digest, records[5].digest);
        let mut other = chain(1);
        other[0].why = "another journal's".to_owned();
        other[0].digest = other[0].computed().to_string();
        let mut log = AuditLog::open(folder.path()).unwrap();
        assert!(matches!(log.take(other), Err(AuditError::OtherJournal(_))));

        for (what, with) in [("3.46 points", "9.99 points"), ("\"entry\":20", "\"entry\":21")] {
            let path = files(folder.path()).unwrap().remove(1);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace(what, with)).unwrap();
            assert!(verify(folder.path()).unwrap().broken.is_some(), "{what}");
            fs::write(&path, text).unwrap();
        }
        let path = files(folder.path()).unwrap().remove(1);
        fs::remove_file(path).unwrap();
        assert!(verify(folder.path()).unwrap().broken.is_some(), "a month left out");
    }
}
