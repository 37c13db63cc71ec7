//! Rule: distinct trap domains that received reports.

use crate::score::QuorumRule;
use crate::score::quorum_rule::count;

/// The rule `trap_domains`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "trap_domains",
    term: "trap domains",
    why: "an attacker may know one trap domain, or one may be misconfigured",
    shows: "the reports reached traps in more than one domain; traps never send mail",
    judge: |case, quorum| count(case.trap_domains(), quorum.trap_domains),
};
