//! Factor: whether the relay is responsible for the mail that it reports on.

use super::WeightFactor;
use crate::score::Relation;

/// The factor `relation`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "relation",
    why: "a relay that imitates, forwards or only transports a report did not accept and bounce the mail itself",
    thousandths: |mark, weights| match mark.relation {
        Relation::Confirmed => weights.relation_confirmed,
        Relation::Unknown => weights.relation_unknown,
        Relation::Refuted => 0,
        Relation::NotAsked => 1_000,
    },
};
