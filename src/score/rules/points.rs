//! Weight of the evidence, damped by the square root within each trap domain.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "points",
    why: "a few reports, or many to one trap domain, prove little",
    judge: |case, policy, quorum| at_least("points", case.points(policy), quorum.points),
};
