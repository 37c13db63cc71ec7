//! Points: the unit in which a case is weighed.

use std::fmt::{self, Display, Formatter};
use std::ops::Add;

use minicbor::{Decode, Encode};

/// Points as a fixed-point number: 65,536 units are one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Points(#[n(0)] pub(super) u64);

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

impl Add for Points {
    type Output = Points;

    fn add(self, other: Points) -> Points {
        Points(self.0.saturating_add(other.0))
    }
}

/// Two decimal places, rounded down, so that a threshold is never shown as reached too early.
impl Display for Points {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hundredths = self.0.saturating_mul(100) >> 16;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
