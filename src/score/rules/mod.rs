//! The rules that a case must satisfy before a relay is listed, one file each.

mod donors;
mod failed_recipients;
mod injector_networks;
mod occasions;
mod points;
mod span;
mod trap_domains;

use super::{Case, Quorum};

/// One rule.
pub struct QuorumRule {
    /// The name of the rule, as in the quorum of a zone's file.
    pub name: &'static str,
    /// What the rule counts or measures, for text.
    pub term: &'static str,
    /// The reason for the rule, for the operator who reads an explanation.
    pub why: &'static str,
    /// What a satisfied rule means, for the page about a listed address. It reveals no numbers.
    pub shows: &'static str,
    /// Compares a case with a quorum.
    pub judge: fn(&Case<'_>, &Quorum) -> RuleFinding,
}

/// The result of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFinding {
    /// The name of the rule.
    pub rule: &'static str,
    /// The value that the case has.
    pub has: String,
    /// The value that the quorum requires.
    pub needs: String,
    /// Whether the rule is satisfied.
    pub met: bool,
    /// Whether the case has at least half of the required value.
    pub half_met: bool,
}

/// All rules, the cheapest first. A relay is listed when every rule is satisfied.
pub const RULES: &[QuorumRule] = &[
    trap_domains::RULE,
    injector_networks::RULE,
    failed_recipients::RULE,
    span::RULE,
    occasions::RULE,
    donors::RULE,
    points::RULE,
];

fn at_least<T: PartialOrd + std::fmt::Display>(
    rule: &'static str,
    has: T,
    twice: T,
    needs: T,
) -> RuleFinding {
    RuleFinding {
        rule,
        met: has >= needs,
        half_met: twice >= needs,
        has: has.to_string(),
        needs: needs.to_string(),
    }
}

fn count(rule: &'static str, has: usize, needs: usize) -> RuleFinding {
    at_least(rule, has, has.saturating_mul(2), needs)
}
