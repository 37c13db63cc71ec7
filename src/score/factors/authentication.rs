//! Whether the trap's domain had said that the original was forged.

use super::Factor;

pub(super) const FACTOR: Factor = Factor {
    name: "authentication",
    why: "who bounces mail that SPF or DMARC forbade was told beforehand that its sender was forged",
    thousandths: |mark, weights| {
        if mark.forbidden { weights.original_forbidden } else { weights.original_not_forbidden }
    },
};
