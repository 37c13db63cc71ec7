//! Factor: why delivery failed.

use crate::score::WeightFactor;

/// The factor `cause`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "cause",
    term: "cause",
    why: "a well-run server also returns mail if a mailbox is full or a host is down",
    thousandths: |mark, weights| weights.causes.get(&mark.cause).copied().unwrap_or(0),
    less: |mark| format!("cause {}", mark.cause.name()),
};
