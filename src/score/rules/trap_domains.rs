//! Distinct trap domains that received reports.

use super::{Rule, count};

pub(super) const RULE: Rule = Rule {
    name: "trap_domains",
    why: "one trap domain can be known to a poisoner, or broken",
    judge: |case, quorum| count("trap_domains", case.trap_domains(), quorum.trap_domains),
};
