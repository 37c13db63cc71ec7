//! Factor: whether the report shows the injector, the host that handed the forged original to the
//! relay.

use super::WeightFactor;

/// The factor `injector`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "injector",
    why: "a report that does not show where the forged mail came from could be the work of one attacker",
    thousandths: |mark, weights| {
        if mark.injector.is_some() { weights.injector_known } else { weights.injector_unknown }
    },
};
