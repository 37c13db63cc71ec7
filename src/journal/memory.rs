//! A journal in memory, for tests and for folding without a disk. Nothing of it survives the
//! process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Append, Appending, Checkpoint, DroppedDays, Journal, JournalError, Retention, SealedReport};
use crate::digest::Digest;
use crate::evidence::{Offset, RecordedEntry};
use crate::time::Clock;

/// A journal in memory; see [`Journal`].
pub struct MemoryJournal {
    clock: Arc<dyn Clock>,
    head: watch::Sender<Offset>,
    kept: Mutex<MemoryStore>,
}

#[derive(Default)]
struct MemoryStore {
    /// Number of entries that retention dropped.
    dropped: u64,
    entries: Vec<RecordedEntry>,
    offsets: HashMap<Digest, Offset>,
    reports: HashMap<Digest, SealedReport>,
    checkpoint: Option<Checkpoint>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        MemoryJournal { clock, head: watch::Sender::new(Offset::START), kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, MemoryStore> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore {
    fn last(&self) -> Offset {
        Offset::from_number(self.dropped + self.entries.len() as u64)
    }
}

impl Journal for MemoryJournal {
    fn append(&self, Append { entry, report }: Append) -> Appending {
        let (acknowledge, appending) = Appending::new();
        let mut kept = self.kept();
        let id = entry.id();
        let known = kept.offsets.get(&id).copied();
        let offset = known.unwrap_or_else(|| {
            let offset = Offset::from_number(kept.last().number() + 1);
            let at =
                kept.entries.last().map_or_else(|| self.clock.now(), |last| self.clock.now().max(last.at));
            kept.entries.push(RecordedEntry { offset, at, entry });
            kept.offsets.insert(id, offset);
            kept.reports.extend(report.map(|report| (id, report)));
            offset
        });
        self.head.send_replace(kept.last());
        // The caller may have dropped the receiver.
        let _ = acknowledge.send(Ok(offset));
        appending
    }

    fn head(&self) -> watch::Receiver<Offset> {
        self.head.subscribe()
    }

    fn beginning(&self) -> Result<Offset, JournalError> {
        Ok(Offset::from_number(self.kept().dropped))
    }

    fn last(&self) -> Result<Option<RecordedEntry>, JournalError> {
        Ok(self.kept().entries.last().cloned())
    }

    fn entries_between(&self, after: Offset, up_to: Offset) -> u64 {
        up_to.number().saturating_sub(after.number())
    }

    fn read(&self, after: Offset, entries_max: usize) -> Result<Vec<RecordedEntry>, JournalError> {
        let kept = self.kept();
        let skip = usize::try_from(after.number().saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        Ok(kept.entries.iter().skip(skip).take(entries_max).cloned().collect())
    }

    fn entry(&self, at: Offset) -> Result<Option<RecordedEntry>, JournalError> {
        let kept = self.kept();
        let place = at.number().checked_sub(kept.dropped + 1).and_then(|place| usize::try_from(place).ok());
        Ok(place.and_then(|place| kept.entries.get(place).cloned()))
    }

    fn find(&self, id: Digest) -> Result<Option<RecordedEntry>, JournalError> {
        let at = self.kept().offsets.get(&id).copied();
        at.map_or(Ok(None), |at| self.entry(at))
    }

    fn report(&self, evidence: Digest) -> Result<Option<SealedReport>, JournalError> {
        Ok(self.kept().reports.get(&evidence).cloned())
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        self.kept().checkpoint = Some(checkpoint.clone());
        Ok(())
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, JournalError> {
        Ok(self.kept().checkpoint.clone())
    }

    fn retain(&self, retention: Retention) -> Result<DroppedDays, JournalError> {
        let mut kept = self.kept();
        let taken_in = kept.checkpoint.as_ref().map_or(Offset::START, |checkpoint| checkpoint.offset);
        let mut dropped = DroppedDays::default();
        while let Some(day) = kept.entries.first().map(|entry| entry.at.day()) {
            let of_day = kept.entries.iter().take_while(|entry| entry.at.day() == day).count();
            if day >= retention.entries_since || kept.entries[of_day - 1].offset > taken_in {
                break;
            }
            kept.entries.drain(..of_day);
            kept.dropped += of_day as u64;
            dropped.entry_days += 1;
        }
        let days = |kept: &MemoryStore| {
            kept.reports.values().map(|report| report.day).collect::<std::collections::HashSet<_>>()
        };
        let before = days(&kept).len();
        kept.reports.retain(|_, report| report.day >= retention.reports_since);
        dropped.report_days = before - days(&kept).len();
        Ok(dropped)
    }
}
