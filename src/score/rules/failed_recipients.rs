//! Distinct recipients that the relay could not reach.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "failed_recipients",
    why: "a well-run host with one broken alias or forward fails for one address only",
    judge: |case, _, quorum| {
        at_least("failed_recipients", case.failed_recipients(), quorum.failed_recipients)
    },
};
