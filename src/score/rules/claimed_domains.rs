//! Rule: unrelated domains of failed recipients, if only those domains' own records lead to the relay.

use crate::score::QuorumRule;
use crate::score::quorum_rule::count;

/// The rule `claimed_domains`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "claimed_domains",
    term: "domains that claim the relay",
    why: "the owner of a domain can let its records lead to any host, and one domain may belong to an attacker",
    shows: "the host's own name shows that it serves the failed recipients, or several unrelated domains do",
    judge: |case, quorum| {
        let needs = if case.has_only_claims() { quorum.claimed_domains } else { 0 };
        count(case.claimed_domains(), needs)
    },
};
