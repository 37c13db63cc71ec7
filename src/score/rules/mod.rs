//! What a case has to show before a relay is listed: one file a rule.

mod failed_recipients;
mod injector_networks;
mod points;
mod span;
mod trap_domains;

use super::{Case, Policy, Quorum};

/// One thing that a case needs.
pub struct Rule {
    pub name: &'static str,
    /// What it guards against, for whoever reads an explanation.
    pub why: &'static str,
    pub judge: fn(&Case<'_>, &Policy, &Quorum) -> Finding,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    pub has: String,
    pub needs: String,
    pub met: bool,
}

/// A relay is listed when every one of them is met.
pub const RULES: &[Rule] =
    &[points::RULE, trap_domains::RULE, injector_networks::RULE, failed_recipients::RULE, span::RULE];

fn at_least<T: PartialOrd + std::fmt::Display>(rule: &'static str, has: T, needs: T) -> Finding {
    Finding { rule, met: has >= needs, has: has.to_string(), needs: needs.to_string() }
}
