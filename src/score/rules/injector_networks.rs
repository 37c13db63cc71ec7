//! Rule: distinct networks the forged mail came from.

use super::failed_recipients;
use crate::score::quorum_rule::count;
use crate::score::{Case, Quorum, QuorumRule, RuleFinding};

/// The rule `injector_networks`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "injector_networks",
    term: "networks the forged mail came from",
    why: "one attacker must not be able to make another host look like a source",
    shows: "the forged mail came from more than one network, or was for many recipients over days",
    judge,
};

/// The reports of a relay behind a content filter on the same host never show the injector. Many
/// distinct failed recipients over a long time then replace the injector networks.
fn judge(case: &Case<'_>, quorum: &Quorum) -> RuleFinding {
    let finding = count(case.injector_networks(), quorum.injector_networks);
    let Some(instead) = quorum.without_injector.as_ref().filter(|_| !finding.met) else { return finding };
    let without = case.without_injector();
    let (recipients, span) = (without.failed_recipients(), without.span());
    if recipients < instead.failed_recipients || span < instead.span {
        return finding;
    }
    let counted = failed_recipients::RULE.term;
    let has = format!("{}; of unknown origin: {recipients} {counted} over {span}", finding.has);
    RuleFinding { met: true, half_met: true, has, ..finding }
}
