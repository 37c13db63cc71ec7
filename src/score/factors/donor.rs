//! What the operator lets the donor's evidence weigh.

use super::Factor;

pub(super) const FACTOR: Factor = Factor {
    name: "donor",
    why: "a donor that has not proved itself counts for less",
    thousandths: |mark, _| 1_000 - u32::from(mark.discount.min(1_000)),
};
