//! Traps as they are stored in memory.

use crate::time::Timestamp;
use crate::trap::{Donor, Scope, Trap, TrapKey};

/// A trap as stored in memory. Times are in seconds since 1970; 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrapRow {
    /// The key of the trap's domain.
    pub domain: TrapKey,
    /// When the trap was added.
    pub since: u32,
    /// Since when the trap has been known to be silent.
    pub silent_since: u32,
    /// When the trap was retired.
    pub retired: u32,
    /// The donor's index among the donors of the set.
    pub donor: u32,
    /// How much of the domain the trap covers.
    pub scope: Scope,
    /// Whether the operator retired the trap for good.
    pub barred: bool,
}

impl TrapRow {
    /// The row of a trap, with its donor's index.
    pub(super) fn of(trap: &Trap, donor: u32) -> Self {
        TrapRow {
            domain: trap.domain,
            since: seconds(trap.since),
            silent_since: seconds(trap.silent_since),
            // 0 means "not retired".
            retired: trap.retired.map_or(0, |at| seconds(at).max(1)),
            donor,
            scope: trap.scope,
            barred: trap.barred,
        }
    }

    /// The trap, with its donor's name.
    pub(super) fn trap(&self, donor: &Donor) -> Trap {
        Trap {
            scope: self.scope,
            domain: self.domain,
            donor: donor.clone(),
            since: timestamp(self.since),
            retired: (self.retired != 0).then(|| timestamp(self.retired)),
            silent_since: timestamp(self.silent_since),
            barred: self.barred,
        }
    }

    /// Whether the trap is not retired.
    pub(super) const fn is_active(&self) -> bool {
        self.retired == 0
    }

    /// The row of the same trap, retired.
    pub(super) fn retired(self, at: Timestamp) -> Self {
        TrapRow { retired: seconds(at).max(1), ..self }
    }

    /// Whether the trap was retired before a time and is not barred.
    pub(super) fn is_over(&self, before: Timestamp) -> bool {
        !self.is_active() && !self.barred && self.retired < seconds(before)
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.seconds()).unwrap_or(if at.seconds() < 0 { 0 } else { u32::MAX })
}

fn timestamp(seconds: u32) -> Timestamp {
    Timestamp::from_milliseconds(i64::from(seconds) * 1_000)
}
