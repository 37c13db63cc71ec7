//! Factor: the weight that the operator set for the donor's evidence.

use crate::score::WeightFactor;

/// The factor `donor`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "donor",
    term: "donor",
    why: "evidence of a donor that is not yet trusted counts less",
    thousandths: |mark, _| 1_000 - u32::from(mark.discount.min(1_000)),
    less: |mark| {
        let outranked = "another donor gave the trap before, or the donor has no weight";
        if mark.is_outranked() { outranked.to_owned() } else { "weight of the donor".to_owned() }
    },
};
