//! The evidence against one relay.

use minicbor::{Decode, Encode};

use super::{Mark, Relation};
use crate::evidence::Offset;
use crate::time::{Span, Timestamp};

/// Most marks of one ledger; the oldest makes room, first of those whose relay doesn't answer for them.
pub const MARKS_MAX: usize = 512;
/// Most marks of one burst, which weighs once in any case. As many reports are remembered, so that the same one, sent again
/// hours later, counts for nothing.
pub const BURST_MARKS_MAX: usize = 64;
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
    pub fn add(&mut self, mark: Mark) -> Added {
        let (mut of_burst, mut last, mut adds) = (0, None, true);
        let burst = mark.burst();
        for (at, known) in self.marks.iter().enumerate() {
            if known.report == mark.report {
                return Added::Repeated;
            }
            if known.burst() == burst {
                (of_burst, last) = (of_burst + 1, Some(at));
                adds &= known.adds_to(&mark);
            }
        }
        match last {
            Some(last) if of_burst >= BURST_MARKS_MAX => {
                self.marks[last].more = self.marks[last].more.saturating_add(1);
                return Added::Merged;
            }
            _ => {}
        }
        if self.marks.len() >= MARKS_MAX {
            // A relay must not push out what it did by sending what counts for nothing.
            let idle = |mark: &Mark| matches!(mark.relation, Relation::Refuted | Relation::Unknown);
            let gone = self.marks.iter().position(idle).unwrap_or(0);
            self.marks.remove(gone);
        }
        if self.marks.len() == self.marks.capacity() {
            let more = ROOM_GROWS_BY.max(self.marks.len() / 4);
            self.marks.reserve_exact(if self.marks.is_empty() { 1 } else { more });
        }
        self.marks.push(mark);
        if adds { Added::Counted } else { Added::Merged }
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

    /// Strikes marks; whether there were any.
    pub fn strike(&mut self, struck: impl Fn(&Mark) -> bool) -> bool {
        let before = self.marks.len();
        self.marks.retain(|mark| !struck(mark));
        self.marks.len() < before
    }

    /// Drops what is older than the horizon; whether anything was.
    pub fn forget(&mut self, now: Timestamp, horizon: Span) -> bool {
        let oldest = now.minus(horizon);
        self.strike(|mark| mark.seen_at < oldest)
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
