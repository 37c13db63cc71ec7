//! Whether the report tells who handed the forged original in.

use super::Factor;

pub(super) const FACTOR: Factor = Factor {
    name: "injector",
    why: "a report that doesn't tell who handed the forged original in could be one attacker's work",
    thousandths: |mark, weights| {
        if mark.injector.is_some() { weights.injector_known } else { weights.injector_unknown }
    },
};
