//! Distinct trap domains that received reports.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "trap_domains",
    why: "one trap domain can be known to a poisoner, or broken",
    judge: |case, _, quorum| at_least("trap_domains", case.trap_domains(), quorum.trap_domains),
};
