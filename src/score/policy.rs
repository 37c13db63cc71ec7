//! The `[policy]` table of a zone's file: the weights of reports and the quorum for a listing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Points;
use crate::classify::{Cause, Kind};
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
    /// What a case needs for a listing.
    pub quorum: QuorumSpec,
    /// The weights of the factors.
    pub weights: WeightsSpec,
}

/// What a case needs for a listing. Every requirement must be satisfied. A code may have its own
/// quorum, if its kinds of report cannot satisfy one of the requirements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuorumSpec {
    /// The minimum points, in thousandths.
    pub points_thousandths: u32,
    /// The minimum number of distinct trap domains.
    pub trap_domains: usize,
    /// The minimum number of distinct networks the forged mail came from.
    pub injector_networks: usize,
    /// What replaces the injector networks if the relay's reports do not show them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_injector: Option<WithoutInjectorSpec>,
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
    /// The minimum number of distinct donors.
    pub donors: usize,
}

/// What replaces the injector networks: many failed recipients over a long time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithoutInjectorSpec {
    /// The minimum number of distinct failed recipients among reports of unknown injector.
    #[serde(alias = "parties")]
    pub failed_recipients: usize,
    /// The minimum time from the first of these reports to the last.
    pub span: Span,
}

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
    /// If the DNS says that the relay serves the failed recipient's domain.
    pub relation_confirmed: u32,
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
    /// By cause of failure. A cause that is not named never scores.
    pub causes: BTreeMap<String, u32>,
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
    /// What a case needs for a listing.
    pub quorum: Quorum,
    /// The weights of the factors.
    pub weights: Weights,
}

/// A checked [`QuorumSpec`]. The fields have the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// The minimum points.
    pub points: Points,
    /// See [`QuorumSpec::trap_domains`].
    pub trap_domains: usize,
    /// See [`QuorumSpec::injector_networks`].
    pub injector_networks: usize,
    /// See [`QuorumSpec::without_injector`].
    pub without_injector: Option<WithoutInjectorSpec>,
    /// See [`QuorumSpec::failed_recipients`].
    pub failed_recipients: usize,
    /// See [`QuorumSpec::span`].
    pub span: Span,
    /// See [`QuorumSpec::occasions`].
    pub occasions: usize,
    /// See [`QuorumSpec::occasions_apart`].
    pub occasions_apart: Span,
    /// See [`QuorumSpec::donors`].
    pub donors: usize,
}

/// A checked [`WeightsSpec`]. Every weight is in thousandths, at most 1,000, and the fields have
/// the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// See [`WeightsSpec::kinds`].
    pub kinds: BTreeMap<Kind, u32>,
    /// See [`WeightsSpec::causes`].
    pub causes: BTreeMap<Cause, u32>,
    /// See [`WeightsSpec::sender_is_trap`].
    pub sender_is_trap: u32,
    /// See [`WeightsSpec::sender_unknown`].
    pub sender_unknown: u32,
    /// See [`WeightsSpec::sender_other`].
    pub sender_other: u32,
    /// See [`WeightsSpec::injector_known`].
    pub injector_known: u32,
    /// See [`WeightsSpec::injector_unknown`].
    pub injector_unknown: u32,
    /// See [`WeightsSpec::relation_confirmed`].
    pub relation_confirmed: u32,
    /// See [`WeightsSpec::relation_unknown`].
    pub relation_unknown: u32,
    /// See [`WeightsSpec::original_forbidden`].
    pub original_forbidden: u32,
    /// See [`WeightsSpec::original_not_forbidden`].
    pub original_not_forbidden: u32,
    /// See [`WeightsSpec::reply_follows_rfc3834`].
    pub reply_follows_rfc3834: u32,
    /// See [`WeightsSpec::submitted`].
    pub submitted: u32,
    /// See [`WeightsSpec::logged`].
    pub logged: u32,
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
        Policy {
            horizon: self.horizon,
            half_life: self.half_life,
            observation_wait: self.observation_wait,
            trap_age: self.trap_age,
            burned_after_relays: self.burned_after_relays,
            trusted_donors: self.trusted_donors(complaints),
            quorum: self.quorum.check("policy.quorum", complaints),
            weights: self.weights.check(complaints),
        }
    }
}

impl PolicySpec {
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

impl QuorumSpec {
    /// Checks the table named `key` and converts it. Problems are added to `complaints`.
    pub fn check(&self, key: &str, complaints: &mut Complaints) -> Quorum {
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
        Quorum {
            points: Points::from_thousandths(self.points_thousandths),
            trap_domains: self.trap_domains,
            injector_networks: self.injector_networks,
            without_injector: self.without_injector.clone(),
            failed_recipients: self.failed_recipients,
            span: self.span,
            occasions: self.occasions,
            occasions_apart: self.occasions_apart,
            donors: self.donors,
        }
    }
}

impl WeightsSpec {
    fn check(&self, complaints: &mut Complaints) -> Weights {
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
        Weights {
            kinds,
            causes,
            relation_confirmed: self.relation_confirmed,
            relation_unknown: self.relation_unknown,
            original_forbidden: self.original_forbidden,
            original_not_forbidden: self.original_not_forbidden,
            reply_follows_rfc3834: self.reply_follows_rfc3834,
            submitted: self.submitted,
            logged: self.logged,
            sender_is_trap: self.sender_is_trap,
            sender_unknown: self.sender_unknown,
            sender_other: self.sender_other,
            injector_known: self.injector_known,
            injector_unknown: self.injector_unknown,
        }
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

impl Weights {
    /// Whether reports of this kind have a weight above zero.
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.get(&kind).is_some_and(|&weight| weight > 0)
    }
}
