//! What evidence weighs and how much of it makes a case: the `[policy]` of a zone's file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Points;
use crate::classify::{Cause, Kind};
use crate::complaint::Complaints;
use crate::time::Span;
use crate::trap::Donor;

/// As written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Evidence older than this counts for nothing.
    pub horizon: Span,
    /// After this time a report weighs half.
    pub half_life: Span,
    /// How long evidence waits for what the network tells about its relay, before it counts without.
    pub observation_wait: Span,
    /// A trap counts once it has been silent for so long.
    pub trap_age: Span,
    /// A trap about which so many relays report, all of them mail from one injector network, is known to a poisoner.
    pub burned_after_relays: usize,
    /// Donors who may give more than half of a case's points.
    pub trusted_donors: Vec<String>,
    pub quorum: QuorumSpec,
    pub weights: WeightsSpec,
}

/// What a case needs, all of it. A code may state its own where its kind of report can't show one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuorumSpec {
    pub points_thousandths: u32,
    pub trap_domains: usize,
    pub injector_networks: usize,
    /// What stands for injector networks where the relay's reports never tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_injector: Option<WithoutInjectorSpec>,
    /// Distinct failed recipients, or distinct writers of automatic replies.
    pub parties: usize,
    /// From the first report of a case to its last.
    pub span: Span,
    /// How often somebody new is named, or as many as `parties`, no two times closer than `apart`.
    pub occasions: usize,
    pub apart: Span,
    pub donors: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithoutInjectorSpec {
    pub parties: usize,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSpec {
    /// Thousandths by kind; a kind that is not named never scores.
    pub kinds: BTreeMap<String, u32>,
    pub sender_is_trap: u32,
    pub sender_unknown: u32,
    pub sender_other: u32,
    pub injector_known: u32,
    pub injector_unknown: u32,
    pub relation_confirmed: u32,
    pub relation_unknown: u32,
    pub original_forbidden: u32,
    pub original_not_forbidden: u32,
    pub reply_keeps_rfc3834: u32,
    /// A message that a donor handed on, and a line of a donor's log; nothing where a file doesn't say.
    #[serde(default)]
    pub submitted: u32,
    #[serde(default)]
    pub logged: u32,
    /// Thousandths by cause of failure; one that is not named never scores.
    pub causes: BTreeMap<String, u32>,
}

/// As checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub horizon: Span,
    pub half_life: Span,
    pub observation_wait: Span,
    pub trap_age: Span,
    pub burned_after_relays: usize,
    /// By `Donor::short`.
    pub trusted_donors: BTreeSet<u32>,
    pub quorum: Quorum,
    pub weights: Weights,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    pub points: Points,
    pub trap_domains: usize,
    pub injector_networks: usize,
    pub without_injector: Option<WithoutInjectorSpec>,
    pub parties: usize,
    pub span: Span,
    pub occasions: usize,
    pub apart: Span,
    pub donors: usize,
}

/// All in thousandths, none above 1,000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    pub kinds: BTreeMap<Kind, u32>,
    pub causes: BTreeMap<Cause, u32>,
    pub sender_is_trap: u32,
    pub sender_unknown: u32,
    pub sender_other: u32,
    pub injector_known: u32,
    pub injector_unknown: u32,
    pub relation_confirmed: u32,
    pub relation_unknown: u32,
    pub original_forbidden: u32,
    pub original_not_forbidden: u32,
    pub reply_keeps_rfc3834: u32,
    pub submitted: u32,
    pub logged: u32,
}

impl PolicySpec {
    pub fn check(&self, complaints: &mut Complaints) -> Policy {
        let longer = |span: Span| format!("write a span longer than {span}, such as \"28d\"");
        complaints.require(
            self.half_life.hours() >= 1,
            "policy.half_life",
            format!("{} is shorter than an hour", self.half_life),
            "scores are kept by the hour; write \"1h\" or more",
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
            format!("{} is not longer than policy.quorum.span, so no case could ever be made", self.horizon),
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
            parties: self.parties,
            span: self.span,
            occasions: self.occasions,
            apart: self.apart,
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
                    "well-run hosts send these, so they may never score",
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
            ("reply_keeps_rfc3834", self.reply_keeps_rfc3834),
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
            "what is unknown must never add points",
        );
        complaints.require(
            self.original_not_forbidden <= self.original_forbidden,
            "policy.weights.original_not_forbidden",
            format!("{} is more than original_forbidden", self.original_not_forbidden),
            "what is unknown must never add points",
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
            reply_keeps_rfc3834: self.reply_keeps_rfc3834,
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
        format!("{weight} is more than one whole report"),
        "weights are thousandths; write 1000 or less",
    );
}

impl Weights {
    /// Whether reports of this kind can weigh anything.
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.get(&kind).is_some_and(|&weight| weight > 0)
    }
}
