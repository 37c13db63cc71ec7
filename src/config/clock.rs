//! The section `[clock]`: a laboratory's clock, and the limit on a leap of the system clock.

use super::section::section;
use crate::time::{Span, Timestamp};

section!(
    /// The clock.
    ClockSection {
        /// For laboratories only: a clock that stands still until `POST /control/v1/clock` moves
        /// it.
        laboratory: bool = false,
        /// The first time of that clock: 2026-01-01T00:00:00Z.
        laboratory_start: Timestamp = Timestamp::from_milliseconds(1_767_225_600_000),
        /// How far the system clock may be ahead of the journal's last entry at the start; the
        /// server does not start beyond it. The journal's time never goes back, so a wrong clock
        /// would end all listings and drop all data by age.
        leap_max: Span = Span::from_days(7),
    }
);

/// The settings of the section `[clock]`.
#[derive(Clone, Copy, Debug)]
pub struct ClockSettings {
    /// The first time of a laboratory's clock; `None` for the system clock.
    pub laboratory_start: Option<Timestamp>,
    /// How far the system clock may be ahead of the journal's last entry at the start.
    pub leap_max: Span,
}

impl ClockSection {
    /// The settings. None of them can be wrong by itself.
    pub(super) fn settings(self) -> ClockSettings {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let ClockSection { laboratory, laboratory_start, leap_max } = self;
        ClockSettings { laboratory_start: laboratory.then_some(laboratory_start), leap_max }
    }
}
