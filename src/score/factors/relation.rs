//! Factor: whether the relay is responsible for the mail that it reports on.

use crate::score::{Relation, WeightFactor};

/// The factor `relation`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "relation",
    term: "relation",
    why: "a relay that imitates, forwards or only transports a report did not accept and bounce the mail itself",
    thousandths: |mark, weights| match mark.relation {
        Relation::Confirmed => weights.written.relation_confirmed,
        Relation::Claimed => weights.written.relation_claimed,
        Relation::Unknown => weights.written.relation_unknown,
        Relation::Refuted => 0,
        Relation::NotAsked => 1_000,
    },
    less: |mark| {
        let less = match mark.relation {
            Relation::Confirmed | Relation::NotAsked => {
                "this host's name belongs to the recipient's organisation"
            }
            Relation::Claimed => "the relation is only claimed",
            Relation::Unknown => "the DNS gave no answer, or what is known proves nothing",
            Relation::Refuted => "not responsible for the failed recipient",
        };
        less.to_owned()
    },
};
