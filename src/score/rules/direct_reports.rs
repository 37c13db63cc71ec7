//! Rule: reports that the relay delivered to the server itself.

use crate::score::QuorumRule;
use crate::score::quorum_rule::count;

/// The rule `direct_reports`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "direct_reports",
    term: "reports the relay delivered itself",
    why: "donors can make up the address in what they hand on, also two donors together",
    shows: "the relay itself delivered reports to this list's traps",
    judge: |case, quorum| count(case.direct_reports(), quorum.direct_reports),
};
