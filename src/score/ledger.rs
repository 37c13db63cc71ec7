//! The evidence against one relay.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::Mark;
use crate::evidence::Offset;
use crate::time::{Span, Timestamp};

/// Most marks of one ledger. What counts for nothing makes room first, then the hours in which most happened: a relay can't
/// push out what it did, nor crowd a pattern of days into the last of them.
pub const MARKS_MAX: usize = 512;
/// Most marks of one burst, which weighs once in any case.
pub const BURST_MARKS_MAX: usize = 8;
/// Reports without a mark of their own that are remembered, so that the same one, sent again, counts for nothing.
const MERGED_MAX: usize = 256;
/// The width of the hours among which a full ledger spreads its marks.
const SLOT_HOURS: u32 = 6;
/// Room for so many more marks at least, where there is none: doubling would leave most ledgers half empty.
const ROOM_GROWS_BY: usize = 2;

/// What a relay did within the horizon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ledger {
    /// In the order they were counted.
    #[n(0)]
    marks: Vec<Mark>,
    /// A removal forgave what was taken at or before this entry, whatever the zone and the code.
    #[n(1)]
    forgiven: Offset,
    /// Short digests of reports that were merged into another's mark, the latest last.
    #[n(2)]
    merged: Vec<u64>,
}

/// What became of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It may have changed what the ledger weighs.
    Counted,
    /// It belongs to a burst that weighs as much without it.
    Merged,
    /// The same report is there already.
    Repeated,
}

impl Ledger {
    /// Whether a report, by its short digest, was counted already.
    pub fn knows(&self, report: u64) -> bool {
        self.merged.contains(&report) || self.marks.iter().any(|mark| mark.report == report)
    }

    /// `weighs` says whether a mark counts for anything by any policy.
    pub fn add(&mut self, mark: Mark, weighs: impl Fn(&Mark) -> bool) -> Added {
        if self.knows(mark.report) {
            return Added::Repeated;
        }
        let burst = mark.burst();
        let counts = weighs(&mark);
        // What weighs nothing takes no place of what does.
        let mut of_burst =
            self.marks.iter_mut().filter(|known| known.burst() == burst && weighs(known) == counts);
        let (mut count, mut last, mut adds) = (0, None, true);
        for known in of_burst.by_ref() {
            (count, adds) = (count + 1, adds && known.adds_to(&mark));
            last = Some(known);
        }
        if let (Some(last), true) = (last, !adds || count >= BURST_MARKS_MAX) {
            last.more = last.more.saturating_add(1);
            if self.merged.len() >= MERGED_MAX {
                self.merged.remove(0);
            }
            self.merged.push(mark.report);
            return Added::Merged;
        }
        if self.marks.len() >= MARKS_MAX && !self.make_room(counts, weighs) {
            return Added::Merged;
        }
        if self.marks.len() == self.marks.capacity() {
            let more = ROOM_GROWS_BY.max(self.marks.len() / 4);
            self.marks.reserve_exact(if self.marks.is_empty() { 1 } else { more });
        }
        self.marks.push(mark);
        Added::Counted
    }

    /// Takes out a mark that counts for nothing; else, for one that counts, the last one of the hours in which most happened.
    fn make_room(&mut self, counts: bool, weighs: impl Fn(&Mark) -> bool) -> bool {
        let slot = |mark: &Mark| mark.seen_at.hour() / SLOT_HOURS;
        let gone = self.marks.iter().position(|mark| !weighs(mark)).or_else(|| {
            let mut slots: BTreeMap<u32, usize> = BTreeMap::new();
            self.marks.iter().for_each(|mark| *slots.entry(slot(mark)).or_default() += 1);
            let fullest = slots.into_iter().max_by_key(|&(slot, count)| (count, slot))?.0;
            self.marks.iter().rposition(|mark| slot(mark) == fullest).filter(|_| counts)
        });
        gone.map(|gone| self.marks.remove(gone)).is_some()
    }

    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    pub fn forgive(&mut self, at: Offset) {
        self.forgiven = at;
    }

    pub fn forgiven(&self) -> Offset {
        self.forgiven
    }

    /// Strikes marks; the entries of those that were struck.
    pub fn strike(&mut self, struck: impl Fn(&Mark) -> bool) -> Vec<Offset> {
        let mut gone = Vec::new();
        self.marks.retain(|mark| {
            let strikes = struck(mark);
            if strikes {
                gone.push(mark.offset);
            }
            !strikes
        });
        gone
    }

    /// Drops what is older than the horizon; whether anything was.
    pub fn forget(&mut self, now: Timestamp, horizon: Span) -> bool {
        let oldest = now.minus(horizon);
        !self.strike(|mark| mark.seen_at < oldest).is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

impl Mark {
    /// Whether another of the same burst could show anything that this one doesn't.
    fn adds_to(&self, other: &Mark) -> bool {
        let same =
            |mark: &Mark| (mark.party, mark.sender, mark.relation, mark.cause, mark.forbidden, mark.donor);
        same(self) != same(other)
    }
}
