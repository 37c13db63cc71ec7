//! Factor: whether the SPF or DMARC record of the trap's domain forbade the original.

use crate::score::WeightFactor;

/// The factor `authentication`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "authentication",
    term: "authentication",
    why: "a relay that checks SPF or DMARC could have known that the sender was forged",
    thousandths: |mark, weights| {
        if mark.forbidden {
            weights.written.original_forbidden
        } else {
            weights.written.original_not_forbidden
        }
    },
    less: |mark| {
        let less = if mark.forbidden {
            "SPF or DMARC forbade the original"
        } else {
            "no SPF or DMARC record forbade the original"
        };
        less.to_owned()
    },
};
