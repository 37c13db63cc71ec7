//! What a case has to show before a relay is listed: one file a rule.

mod donors;
mod injector_networks;
mod occasions;
mod parties;
mod points;
mod span;
mod trap_domains;

use super::{Case, Quorum};

/// One thing that a case needs.
pub struct Rule {
    pub name: &'static str,
    /// What it guards against, for whoever reads an explanation.
    pub why: &'static str,
    /// What a case has shown that met it, for whoever is listed; it tells no count.
    pub shows: &'static str,
    pub judge: fn(&Case<'_>, &Quorum) -> Finding,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    pub has: String,
    pub needs: String,
    pub met: bool,
    /// Whether at least half of what is needed is there.
    pub half_met: bool,
}

/// A relay is listed when every one of them is met. Those that cost least to judge come first.
pub const RULES: &[Rule] = &[
    trap_domains::RULE,
    injector_networks::RULE,
    parties::RULE,
    span::RULE,
    occasions::RULE,
    donors::RULE,
    points::RULE,
];

fn at_least<T: PartialOrd + std::fmt::Display>(rule: &'static str, has: T, twice: T, needs: T) -> Finding {
    Finding {
        rule,
        met: has >= needs,
        half_met: twice >= needs,
        has: has.to_string(),
        needs: needs.to_string(),
    }
}

fn count(rule: &'static str, has: usize, needs: usize) -> Finding {
    at_least(rule, has, has.saturating_mul(2), needs)
}
