//! One rule of the quorum, and the result of asking it.

use std::fmt::Display;

use super::{Case, Quorum};

/// One rule.
pub struct QuorumRule {
    /// The name of the rule and of its file, as in the JSON form of an explanation.
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
    /// The value that the case has.
    pub has: String,
    /// The value that the quorum requires.
    pub needs: String,
    /// Whether the rule is satisfied.
    pub met: bool,
    /// Whether the case has at least half of the required value.
    pub half_met: bool,
}

/// The finding that a value is at least the required one. `twice` is the doubled value.
pub(super) fn at_least<T: PartialOrd + Display>(has: T, twice: T, needs: T) -> RuleFinding {
    RuleFinding {
        met: has >= needs,
        half_met: twice >= needs,
        has: has.to_string(),
        needs: needs.to_string(),
    }
}

/// The finding that a number is at least the required one.
pub(super) fn count(has: usize, needs: usize) -> RuleFinding {
    at_least(has, has.saturating_mul(2), needs)
}
