//! Factor: whether the SPF or DMARC record of the trap's domain forbade the original.

use super::Factor;

/// The factor `authentication`.
pub(super) const FACTOR: Factor = Factor {
    name: "authentication",
    why: "a relay that checks SPF or DMARC could have known that the sender was forged",
    thousandths: |mark, weights| {
        if mark.forbidden { weights.original_forbidden } else { weights.original_not_forbidden }
    },
};
