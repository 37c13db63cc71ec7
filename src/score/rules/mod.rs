//! The rules that a case must satisfy before a relay is listed, one file each.
//!
//! A rule is one file, its row in [`RULES`] and its number in [`Quorum`]. Every text about a rule
//! comes from its row: the explanation, the audit record and the page about a listed address.

mod claimed_domains;
mod direct_reports;
mod donors;
mod failed_recipients;
mod injector_networks;
mod occasions;
mod points;
mod span;
mod trap_domains;

use super::{Case, Quorum, QuorumRule, RuleFinding};

/// All rules, the cheapest first. A relay is listed when every rule is satisfied.
pub const RULES: &[QuorumRule] = &[
    trap_domains::RULE,
    injector_networks::RULE,
    failed_recipients::RULE,
    span::RULE,
    occasions::RULE,
    donors::RULE,
    claimed_domains::RULE,
    direct_reports::RULE,
    points::RULE,
];

/// Whether a case satisfies every rule.
pub fn is_made(case: &Case<'_>, quorum: &Quorum) -> bool {
    !case.marks().is_empty() && findings(case, quorum).all(|(_, finding)| finding.met)
}

/// Each rule and its result for a case, in the order of [`RULES`].
pub fn findings<'a>(
    case: &'a Case<'_>,
    quorum: &'a Quorum,
) -> impl Iterator<Item = (&'static QuorumRule, RuleFinding)> + 'a {
    RULES.iter().map(move |rule| (rule, (rule.judge)(case, quorum)))
}
