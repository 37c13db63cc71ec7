//! Factor: whether the report shows the injector, the host that handed the forged original to the
//! relay.

use crate::score::WeightFactor;

/// The factor `injector`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "injector",
    term: "injector",
    why: "a report that does not show where the forged mail came from could be the work of one attacker",
    thousandths: |mark, weights| {
        if mark.injector.is_some() {
            weights.written.injector_known
        } else {
            weights.written.injector_unknown
        }
    },
    less: |mark| {
        let less = if mark.injector.is_some() { "injector" } else { "origin of the forged mail unknown" };
        less.to_owned()
    },
};
