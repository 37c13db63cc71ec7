//! The weights: the numbers that the factors use, as `[policy.weights]` of a zone's file has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::classify::{Cause, Kind};
use crate::complaint::Complaints;

/// The `[policy.weights]` table as written. Every weight is in thousandths, at most 1,000.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSpec {
    /// By kind of report. A kind that is not named never scores.
    pub kinds: BTreeMap<String, u32>,
    /// If the sender of the original is the trap.
    pub sender_is_trap: u32,
    /// If the report does not show the sender of the original.
    pub sender_unknown: u32,
    /// If the sender of the original is another address.
    pub sender_other: u32,
    /// If the report shows the injector.
    pub injector_known: u32,
    /// If the report does not show the injector.
    pub injector_unknown: u32,
    /// If the relation is confirmed: see [`Relation`](super::Relation).
    pub relation_confirmed: u32,
    /// A relation that only records of the failed recipient's domain claim, or about which the relay's
    /// own Received field says nothing. Codes of the main zone also need verification.
    #[serde(default)]
    pub relation_claimed: u32,
    /// If the DNS gave no answer.
    pub relation_unknown: u32,
    /// If the SPF or DMARC record of the trap's domain forbade the original.
    pub original_forbidden: u32,
    /// If no SPF or DMARC record forbade the original, or if that is unknown.
    pub original_not_forbidden: u32,
    /// For an automatic reply that complies with RFC 3834.
    #[serde(alias = "reply_keeps_rfc3834")]
    pub reply_follows_rfc3834: u32,
    /// For a message that a donor forwarded. Zero if the file does not set it.
    #[serde(default)]
    pub submitted: u32,
    /// For a line of a donor's log. Zero if the file does not set it.
    #[serde(default)]
    pub logged: u32,
    /// By cause of failure. A cause that is not named never scores, and neither do causes that
    /// excuse the relay ([`Cause::may_score`]).
    pub causes: BTreeMap<String, u32>,
}

/// A checked [`WeightsSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// See [`WeightsSpec::kinds`].
    pub kinds: BTreeMap<Kind, u32>,
    /// See [`WeightsSpec::causes`].
    pub causes: BTreeMap<Cause, u32>,
    /// The table as written, for the weights that stand alone.
    pub written: WeightsSpec,
}

impl Weights {
    /// Whether reports of this kind have a weight above zero.
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.get(&kind).is_some_and(|&weight| weight > 0)
    }
}

impl WeightsSpec {
    /// Checks the table and converts it. Problems are added to `complaints`.
    pub fn check(&self, complaints: &mut Complaints) -> Weights {
        let mut kinds = BTreeMap::new();
        for (name, &weight) in &self.kinds {
            let key = format!("policy.weights.kinds.{name}");
            match name.parse::<Kind>() {
                Ok(kind) if !kind.may_score() => complaints.add(
                    &key,
                    "well-run hosts send reports of this kind, so they may never score",
                    "remove the line",
                ),
                Ok(kind) => {
                    within_one(&key, weight, complaints);
                    kinds.insert(kind, weight);
                }
                Err(problem) => complaints.add(&key, problem, "remove the line or correct the name"),
            }
        }
        let parts = [
            ("sender_is_trap", self.sender_is_trap),
            ("sender_unknown", self.sender_unknown),
            ("sender_other", self.sender_other),
            ("injector_known", self.injector_known),
            ("injector_unknown", self.injector_unknown),
            ("relation_confirmed", self.relation_confirmed),
            ("relation_claimed", self.relation_claimed),
            ("relation_unknown", self.relation_unknown),
            ("original_forbidden", self.original_forbidden),
            ("original_not_forbidden", self.original_not_forbidden),
            ("reply_follows_rfc3834", self.reply_follows_rfc3834),
            ("submitted", self.submitted),
            ("logged", self.logged),
        ];
        for (name, weight) in parts {
            within_one(&format!("policy.weights.{name}"), weight, complaints);
        }
        complaints.require(
            self.relation_claimed <= self.relation_confirmed,
            "policy.weights.relation_claimed",
            format!("{} is more than relation_confirmed", self.relation_claimed),
            "a claim must never weigh more than what the relay's side confirms",
        );
        complaints.require(
            self.relation_unknown <= self.relation_confirmed,
            "policy.weights.relation_unknown",
            format!("{} is more than relation_confirmed", self.relation_unknown),
            "an unknown answer must never add points",
        );
        complaints.require(
            self.original_not_forbidden <= self.original_forbidden,
            "policy.weights.original_not_forbidden",
            format!("{} is more than original_forbidden", self.original_not_forbidden),
            "an unknown answer must never add points",
        );
        let mut causes = BTreeMap::new();
        for (name, &weight) in &self.causes {
            let key = format!("policy.weights.causes.{name}");
            match name.parse::<Cause>() {
                Ok(cause) => {
                    within_one(&key, weight, complaints);
                    causes.insert(cause, weight);
                }
                Err(problem) => complaints.add(&key, problem, "remove the line or correct the name"),
            }
        }
        Weights { kinds, causes, written: self.clone() }
    }
}

fn within_one(key: &str, weight: u32, complaints: &mut Complaints) {
    complaints.require(
        weight <= 1_000,
        key,
        format!("{weight} is more than the weight of one whole report"),
        "weights are thousandths; write 1000 or less",
    );
}
