//! Factor: why delivery failed.

use super::WeightFactor;

/// The factor `cause`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "cause",
    why: "a well-run server also returns mail if a mailbox is full or a host is down",
    thousandths: |mark, weights| weights.causes.get(&mark.cause).copied().unwrap_or(0),
};
