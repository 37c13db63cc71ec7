//! What each relay did within the horizon, and what that weighs.
//!
//! A `Ledger` is a relay's evidence, one `Mark` a report. A `Case` is the part of a ledger that may count towards the next
//! listing: the factors say what each mark weighs, and marks of one burst weigh as one. The rules judge the case.

mod case;
mod factors;
mod ledger;
mod mark;
mod policy;
mod power;
mod rules;

pub use case::{Case, Docket, TrapDomainSum};
pub use factors::{FACTORS, Factor, weighs};
pub use ledger::{Added, BURST_MARKS_MAX, Ledger, MARKS_MAX};
pub use mark::{Mark, MarkSource, Relation};
pub use policy::{Policy, PolicySpec, Quorum, QuorumSpec, Weights};
pub use power::decay;
pub use rules::{Finding, RULES, Rule};

use minicbor::{Decode, Encode};

/// Points in fixed point: 65,536 are one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Points(#[n(0)] u64);

impl Points {
    pub const ONE: Points = Points(1 << 16);

    pub const fn from_thousandths(thousandths: u32) -> Self {
        Points(((thousandths as u64) << 16) / 1_000)
    }

    /// How many hundredths of others these are; of none, as many as there can be.
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

/// Two places behind the point, rounded down, so that no score shows as reached before it is.
impl std::fmt::Display for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = self.0.saturating_mul(100) >> 16;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
