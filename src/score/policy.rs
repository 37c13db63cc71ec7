//! The `[policy]` table of a zone's file: what evidence counts, what it weighs, and what a case needs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Quorum, VerificationMode, Weights, WeightsSpec};
use crate::complaint::Complaints;
use crate::time::Span;
use crate::trap::Donor;

/// The `[policy]` table as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Evidence older than this does not count.
    pub horizon: Span,
    /// The time after which a report weighs half.
    pub half_life: Span,
    /// How long evidence waits for the observation about its relay. After this time it counts
    /// without one.
    pub observation_wait: Span,
    /// How long a trap must have been silent before reports to it count.
    pub trap_age: Span,
    /// The number of relays after which a trap is burned: if this many relays report to it and all
    /// of the forged mail came from one network, an attacker knows the trap.
    pub burned_after_relays: usize,
    /// Donors that may contribute more than half of a case's points.
    pub trusted_donors: Vec<String>,
    /// Which cases need the answer of the relay's side before a listing in the main zone.
    #[serde(default)]
    pub verification: VerificationMode,
    /// What a case needs for a listing.
    pub quorum: Quorum,
    /// The weights of the factors.
    pub weights: WeightsSpec,
}

/// A checked [`PolicySpec`]. The fields have the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// See [`PolicySpec::horizon`].
    pub horizon: Span,
    /// See [`PolicySpec::half_life`].
    pub half_life: Span,
    /// See [`PolicySpec::observation_wait`].
    pub observation_wait: Span,
    /// See [`PolicySpec::trap_age`].
    pub trap_age: Span,
    /// See [`PolicySpec::burned_after_relays`].
    pub burned_after_relays: usize,
    /// The trusted donors, as [`Donor::short`].
    pub trusted_donors: BTreeSet<u32>,
    /// See [`PolicySpec::verification`].
    pub verification: VerificationMode,
    /// What a case needs for a listing.
    pub quorum: Quorum,
    /// The weights of the factors.
    pub weights: Weights,
}

impl PolicySpec {
    /// Checks the table and converts it. Problems are added to `complaints`.
    pub fn check(&self, complaints: &mut Complaints) -> Policy {
        let longer = |span: Span| format!("write a span longer than {span}, such as \"28d\"");
        complaints.require(
            self.half_life.hours() >= 1,
            "policy.half_life",
            format!("{} is shorter than an hour", self.half_life),
            "ages are measured in hours; write \"1h\" or more",
        );
        complaints.require(
            self.burned_after_relays >= 2,
            "policy.burned_after_relays",
            format!("{} would burn every trap at its first report", self.burned_after_relays),
            "write 2 or more",
        );
        complaints.require(
            self.horizon > self.quorum.span,
            "policy.horizon",
            format!(
                "{} is not longer than policy.quorum.span, so no relay could ever be listed",
                self.horizon
            ),
            longer(self.quorum.span),
        );
        let trusted_donors = self.trusted_donors(complaints);
        self.quorum.check("policy.quorum", complaints);
        Policy {
            horizon: self.horizon,
            half_life: self.half_life,
            observation_wait: self.observation_wait,
            trap_age: self.trap_age,
            burned_after_relays: self.burned_after_relays,
            trusted_donors,
            verification: self.verification,
            quorum: self.quorum.clone(),
            weights: self.weights.check(complaints),
        }
    }

    fn trusted_donors(&self, complaints: &mut Complaints) -> BTreeSet<u32> {
        let mut trusted = BTreeSet::new();
        for name in &self.trusted_donors {
            match Donor::parse(name) {
                Ok(donor) => drop(trusted.insert(donor.short())),
                Err(problem) => complaints.add("policy.trusted_donors", problem, "correct the name"),
            }
        }
        trusted
    }
}
