//! Weight of the evidence, damped by the square root within each trap domain.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "points",
    why: "a few reports, or many to one trap domain, or those of one donor, prove little",
    shows: "together they weigh enough",
    judge: |case, quorum| {
        let points = case.points();
        at_least("points", points, points + points, quorum.points)
    },
};
