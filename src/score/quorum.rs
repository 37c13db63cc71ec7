//! The quorum: the numbers that the rules ask for, as `[policy.quorum]` of a zone's file has them.

use serde::{Deserialize, Serialize};

use super::Points;
use crate::complaint::Complaints;
use crate::time::Span;

/// What a case needs for a listing. Every requirement must be satisfied. A code may have its own
/// quorum, if its kinds of report cannot satisfy one of the requirements.
///
/// A zone's file that was adopted before a requirement existed must still be read. The field of a
/// new requirement therefore has a default (`#[serde(default)]`) that every case satisfies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// The minimum points, in thousandths.
    pub points_thousandths: u32,
    /// The minimum number of distinct trap domains.
    pub trap_domains: usize,
    /// The minimum number of distinct networks the forged mail came from.
    pub injector_networks: usize,
    /// What replaces the injector networks if the relay's reports do not show them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_injector: Option<QuorumWithoutInjector>,
    /// The minimum number of distinct failed recipients, or of distinct responders of automatic
    /// replies.
    #[serde(alias = "parties")]
    pub failed_recipients: usize,
    /// The minimum time from the first report of a case to the last.
    pub span: Span,
    /// The minimum number of separate occasions. See [`Case::occasions`](super::Case::occasions).
    pub occasions: usize,
    /// The minimum time between two occasions.
    #[serde(alias = "apart")]
    pub occasions_apart: Span,
    /// The minimum number of reports that the relay delivered to the server itself. It is zero in
    /// files from before it existed; such a case needs two donors then.
    #[serde(default)]
    pub direct_reports: usize,
    /// The minimum number of distinct donors.
    pub donors: usize,
    /// The minimum number of unrelated registered domains of failed recipients, if only records of
    /// these domains lead to the relay.
    #[serde(default)]
    pub claimed_domains: usize,
}

/// What replaces the injector networks: many failed recipients over a long time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuorumWithoutInjector {
    /// The minimum number of distinct failed recipients among reports of unknown injector.
    #[serde(alias = "parties")]
    pub failed_recipients: usize,
    /// The minimum time from the first of these reports to the last.
    pub span: Span,
}

impl Quorum {
    /// The minimum points.
    pub fn points(&self) -> Points {
        Points::from_thousandths(self.points_thousandths)
    }

    /// Checks the table named `key`. Problems are added to `complaints`.
    pub fn check(&self, key: &str, complaints: &mut Complaints) {
        complaints.require(
            self.trap_domains >= 2,
            &format!("{key}.trap_domains"),
            format!("{} would let a single trap domain list a relay", self.trap_domains),
            "write 2 or more: one stray report proves nothing",
        );
        complaints.require(
            self.points_thousandths >= 1_000,
            &format!("{key}.points_thousandths"),
            format!("{} would let a single report list a relay", self.points_thousandths),
            "write 1000 or more",
        );
    }
}
