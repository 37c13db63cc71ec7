//! What each relay did within the horizon, and what that weighs.
//!
//! A `Ledger` is a relay's evidence in buckets: kind, trap domain, injector network, hour. A bucket counts once,
//! however many reports fell into it, so a burst weighs what a single report weighs. A `Case` is the part of a ledger
//! that may count towards the next listing; the rules judge it.

mod case;
mod ledger;
mod policy;
mod power;
mod rules;

pub use case::Case;
pub use ledger::{BUCKETS_MAX, Bucket, Ledger};
pub use policy::{Policy, PolicySpec, Quorum, QuorumSpec, Weights};
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

    /// A weight in units of 2^-32, as points, for showing it.
    pub const fn of_weight(weight: u64) -> Self {
        Points(weight >> 16)
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
