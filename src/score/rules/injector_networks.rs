//! Distinct networks that handed the forged originals to the relay.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "injector_networks",
    why: "one attacker must not be able to make a victim look like a source",
    judge: |case, _, quorum| {
        at_least("injector_networks", case.injector_networks(), quorum.injector_networks)
    },
};
