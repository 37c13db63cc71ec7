//! Rule: the time from the first report of a case to the last.

use super::{QuorumRule, at_least};

/// The rule `span`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "span",
    term: "time from first to last",
    why: "a temporary fault is repaired within a day",
    shows: "the reports arrived over more than a day",
    judge: |case, quorum| at_least("span", case.span(), case.span().doubled(), quorum.span),
};
