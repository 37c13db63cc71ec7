//! Distinct trap domains that received reports.

use super::{Rule, count};

pub(super) const RULE: Rule = Rule {
    name: "trap_domains",
    why: "one trap domain can be known to a poisoner, or broken",
    shows: "they reached traps in more than one domain, which never send mail",
    judge: |case, quorum| count("trap_domains", case.trap_domains(), quorum.trap_domains),
};
