//! Rule: distinct failed recipients, or distinct responders of automatic replies.

use crate::score::QuorumRule;
use crate::score::quorum_rule::count;

/// The rule `failed_recipients`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "failed_recipients",
    term: "distinct failed recipients",
    why: "a well-run host bounces for the one address that is broken and replies for the one user who is away",
    shows: "the reports named several failed recipients, or the replies came from several users",
    judge: |case, quorum| count(case.failed_recipients(), quorum.failed_recipients),
};
