//! Factor: whether the SPF or DMARC record of the trap's domain forbade the original.

use super::WeightFactor;

/// The factor `authentication`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "authentication",
    why: "a relay that checks SPF or DMARC could have known that the sender was forged",
    thousandths: |mark, weights| {
        if mark.forbidden { weights.original_forbidden } else { weights.original_not_forbidden }
    },
};
