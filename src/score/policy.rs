//! What evidence weighs and how much of it makes a case: the `[policy]` of a zone's file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bucket, Points};
use crate::classify::Kind;
use crate::complaint::Complaints;
use crate::evidence::Sender;
use crate::time::Span;

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
    pub failed_recipients: usize,
    /// From the first report of a case to its last.
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
}

/// As checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub horizon: Span,
    pub half_life: Span,
    pub observation_wait: Span,
    pub quorum: Quorum,
    pub weights: Weights,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    pub points: Points,
    pub trap_domains: usize,
    pub injector_networks: usize,
    pub failed_recipients: usize,
    pub span: Span,
}

/// All in thousandths, none above 1,000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    kinds: BTreeMap<Kind, u32>,
    sender_is_trap: u32,
    sender_unknown: u32,
    sender_other: u32,
    injector_known: u32,
    injector_unknown: u32,
}

/// Kinds that no policy may let score: they are what well-run hosts send (STANDARDS S6, S10).
const NEVER_SCORE: [Kind; 10] = [
    Kind::DsnDelayed,
    Kind::DsnSuccess,
    Kind::Mdn,
    Kind::FeedbackReport,
    Kind::DmarcReport,
    Kind::TlsReport,
    Kind::ListResponse,
    Kind::FakeNdr,
    Kind::Ordinary,
    Kind::Unknown,
];

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
            self.horizon > self.quorum.span,
            "policy.horizon",
            format!("{} is not longer than policy.quorum.span, so no case could ever be made", self.horizon),
            longer(self.quorum.span),
        );
        Policy {
            horizon: self.horizon,
            half_life: self.half_life,
            observation_wait: self.observation_wait,
            quorum: self.quorum.check("policy.quorum", complaints),
            weights: self.weights.check(complaints),
        }
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
            failed_recipients: self.failed_recipients,
            span: self.span,
        }
    }
}

impl WeightsSpec {
    fn check(&self, complaints: &mut Complaints) -> Weights {
        let mut kinds = BTreeMap::new();
        for (name, &weight) in &self.kinds {
            let key = format!("policy.weights.kinds.{name}");
            match name.parse::<Kind>() {
                Ok(kind) if NEVER_SCORE.contains(&kind) => complaints.add(
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
        ];
        for (name, weight) in parts {
            within_one(&format!("policy.weights.{name}"), weight, complaints);
        }
        Weights {
            kinds,
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

    /// The product of three weights, in units of 10^-9; at most 10^9.
    pub(super) fn of(&self, bucket: &Bucket) -> u64 {
        let kind = self.kinds.get(&bucket.kind).copied().unwrap_or(0);
        let sender = match bucket.sender {
            Sender::Trap => self.sender_is_trap,
            Sender::Unknown => self.sender_unknown,
            Sender::Other => self.sender_other,
        };
        let injector =
            if bucket.injector_network.is_some() { self.injector_known } else { self.injector_unknown };
        u64::from(kind) * u64::from(sender) * u64::from(injector)
    }
}
