//! The donors of a set of traps, and how many traps each one gave.

use std::sync::Arc;

use super::row::TrapRow;
use crate::trap::Donor;

/// The donors and their numbers of traps, claims included.
#[derive(Clone, Debug, Default)]
pub(super) struct TrapDonors {
    names: Arc<Vec<Donor>>,
    /// The number of active and of all traps of each donor, by the donor's index.
    counts: Arc<Vec<TrapCount>>,
}

/// How many traps a donor gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapCount {
    /// The number of active traps.
    pub active: u64,
    /// The number of traps, with those that were retired or withdrawn.
    pub all: u64,
}

impl TrapDonors {
    /// A donor's index. A new donor gets the next one.
    pub(super) fn add(&mut self, donor: &Donor) -> u32 {
        self.index(donor).unwrap_or_else(|| {
            Arc::make_mut(&mut self.names).push(donor.clone());
            Arc::make_mut(&mut self.counts).push(TrapCount::default());
            u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The index of a known donor.
    pub(super) fn index(&self, donor: &Donor) -> Option<u32> {
        self.names.iter().position(|known| known == donor).and_then(|nth| u32::try_from(nth).ok())
    }

    /// The name of a donor.
    pub(super) fn name(&self, index: u32) -> &Donor {
        &self.names[index as usize]
    }

    /// How many traps a donor gave.
    pub(super) fn count_of(&self, donor: &Donor) -> TrapCount {
        self.index(donor).map_or_else(TrapCount::default, |at| self.counts[at as usize])
    }

    /// Adds a trap to its donor's numbers.
    pub(super) fn count(&mut self, row: TrapRow) {
        let counts = self.counts_of(row.donor);
        counts.all += 1;
        counts.active += u64::from(row.is_active());
    }

    /// Takes a trap away from its donor's numbers.
    pub(super) fn uncount(&mut self, row: TrapRow) {
        let counts = self.counts_of(row.donor);
        counts.all = counts.all.saturating_sub(1);
        counts.active = counts.active.saturating_sub(u64::from(row.is_active()));
    }

    fn counts_of(&mut self, donor: u32) -> &mut TrapCount {
        &mut Arc::make_mut(&mut self.counts)[donor as usize]
    }
}
