//! Rule: separate occasions on which the relay named new failed recipients.

use crate::score::QuorumRule;
use crate::score::quorum_rule::count;

/// The rule `occasions`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "occasions",
    term: "separate occasions",
    why: "a stray report and one temporary fault are two occasions, but not a pattern",
    shows: "the reports came on several separate occasions",
    judge: |case, quorum| {
        count(case.occasions(quorum.occasions_apart, quorum.failed_recipients), quorum.occasions)
    },
};
