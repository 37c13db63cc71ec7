//! Distinct networks that handed the forged originals to the relay.

use super::{Finding, Rule, count};
use crate::score::{Case, Quorum};

pub(super) const RULE: Rule = Rule {
    name: "injector_networks",
    why: "one attacker must not be able to make a victim look like a source",
    shows: "the forged mail had been handed in from more than one network, or was about many recipients for days",
    judge,
};

/// Behind a content filter on the same host, a relay's reports never tell the injector. Then many distinct recipients over
/// a long time stand for it.
fn judge(case: &Case<'_>, quorum: &Quorum) -> Finding {
    let finding = count("injector_networks", case.injector_networks(), quorum.injector_networks);
    let Some(instead) = quorum.without_injector.as_ref().filter(|_| !finding.met) else { return finding };
    let without = case.without_injector();
    let (parties, span) = (without.parties(), without.span());
    if parties < instead.parties || span < instead.span {
        return finding;
    }
    let has = format!("{}, and without one {parties} parties over {span}", finding.has);
    Finding { met: true, half_met: true, has, ..finding }
}
