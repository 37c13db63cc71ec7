//! How many listings an hour may bring before somebody has to look: the `[guards]` of a zone's file.

use serde::{Deserialize, Serialize};

use crate::complaint::Complaints;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// Additions an hour that always pass, however short the list is.
    pub additions_floor: u64,
    /// Additions an hour that pass as well, in thousandths of the entries there were when the hour began.
    pub additions_thousandths: u64,
    /// Endings an hour that are no reason to alarm anybody, however short the list is.
    pub endings_floor: u64,
    pub endings_thousandths: u64,
}

impl Guards {
    pub fn check(&self, complaints: &mut Complaints) {
        complaints.require(
            self.additions_floor >= 1,
            "guards.additions_floor",
            "0 would hold every listing of a new list",
            "write 1 or more",
        );
        complaints.require(
            self.additions_thousandths <= 1_000 && self.endings_thousandths <= 1_000,
            "guards.additions_thousandths",
            "more than the whole list within an hour is no guard",
            "write 1000 or less, here and in guards.endings_thousandths",
        );
    }

    /// Most additions of an hour that began with so many entries.
    pub fn additions_max(&self, size: u64) -> u64 {
        self.additions_floor.max(size.saturating_mul(self.additions_thousandths) / 1_000)
    }

    /// So many endings alarm somebody.
    pub fn endings_alarm(&self, size: u64) -> u64 {
        self.endings_floor.max(size.saturating_mul(self.endings_thousandths) / 1_000) + 1
    }
}
