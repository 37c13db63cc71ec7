//! Rule: points, the weight of the reports, reduced by the square root within each trap domain.

use crate::score::QuorumRule;
use crate::score::quorum_rule::at_least;

/// The rule `points`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "points",
    term: "points",
    why: "a few reports, many reports to one trap domain, or the reports of one donor prove little",
    shows: "together the reports weigh enough",
    judge: |case, quorum| {
        let points = case.points();
        at_least(points, points + points, quorum.points())
    },
};
