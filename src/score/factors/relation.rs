//! Whether the relay answers for the mail that it reports on.

use super::Factor;
use crate::score::Relation;

pub(super) const FACTOR: Factor = Factor {
    name: "relation",
    why: "who imitates reports, forwards mail or carries another's report is not the one that accepted and bounced",
    thousandths: |mark, weights| match mark.relation {
        Relation::Confirmed => weights.relation_confirmed,
        Relation::Unknown => weights.relation_unknown,
        Relation::Refuted => 0,
        Relation::NotAsked => 1_000,
    },
};
