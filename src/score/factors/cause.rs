//! Factor: why delivery failed.

use crate::classify::Cause;
use crate::score::WeightFactor;

/// The factor `cause`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "cause",
    term: "cause",
    why: "a well-run server also returns mail if a mailbox is full or a host is down; a report that does not say why proves nothing",
    thousandths: |mark, weights| {
        let by_policy = |cause: Cause| weights.causes.get(&cause).copied().unwrap_or(0);
        mark.cause.map_or(1_000, |cause| if cause.may_score() { by_policy(cause) } else { 0 })
    },
    less: |mark| format!("cause {}", mark.cause.map_or("none", Cause::name)),
};
