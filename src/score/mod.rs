//! Scoring: the counted reports against each relay, their weights, and the rules for a listing.
//!
//! A [`Ledger`] contains the counted reports against one relay within the horizon, each as a
//! [`Mark`]. A [`Case`] is the part of a ledger that may count towards the next listing. The
//! [`FACTORS`] determine the weight of each counted report, and the reports of one burst weigh as
//! one. The [`RULES`] judge the case.

mod case;
mod counted_report;
mod factors;
mod ledger;
mod policy;
mod power;
mod rules;

pub use case::{Case, CaseWindow, TrapDomainSum};
pub use counted_report::{CountedReport, Relation, ReportSource};
pub use factors::{FACTORS, WeightFactor, weighs};
pub use ledger::{BURST_MARKS_MAX, Ledger, LedgerAddition, MARKS_MAX};
pub use policy::{Policy, PolicySpec, Quorum, QuorumSpec, Weights};
pub use power::decay;
pub use rules::{QuorumRule, RULES, RuleFinding};

use minicbor::{Decode, Encode};

/// Points as a fixed-point number: 65,536 units are one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Points(#[n(0)] u64);

impl Points {
    /// One point.
    pub const ONE: Points = Points(1 << 16);

    /// Converts thousandths of a point, rounding down.
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Points(((thousandths as u64) << 16) / 1_000)
    }

    /// These points as hundredths of `others`; `u64::MAX` if `others` is zero.
    pub const fn hundredths_of(self, others: Points) -> u64 {
        match self.0.saturating_mul(100).checked_div(others.0) {
            Some(hundredths) => hundredths,
            None => u64::MAX,
        }
    }
}

impl std::ops::Add for Points {
    type Output = Points;

    fn add(self, other: Points) -> Points {
        Points(self.0.saturating_add(other.0))
    }
}

/// Two decimal places, rounded down, so that a threshold is never shown as reached too early.
impl std::fmt::Display for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = self.0.saturating_mul(100) >> 16;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
