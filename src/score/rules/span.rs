//! Rule: the time from the first report of a case to the last.

use crate::score::QuorumRule;
use crate::score::quorum_rule::at_least;

/// The rule `span`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "span",
    term: "time from first to last",
    why: "a temporary fault is repaired within a day",
    shows: "the reports arrived over more than a day",
    judge: |case, quorum| at_least(case.span(), case.span().doubled(), quorum.span),
};
