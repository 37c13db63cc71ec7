//! The place of an entry in the journal.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The place of an entry in the journal. Places are ordered and otherwise opaque: only a journal
/// knows which place follows which, so nothing else may count with them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Offset(#[n(0)] u64);

impl Offset {
    /// The place before the first entry.
    pub const START: Offset = Offset(0);

    /// The place that a journal knows by a number.
    pub const fn from_number(number: u64) -> Self {
        Offset(number)
    }

    /// The number by which a journal, and a person who reads its entries, knows the place.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
