//! Factor: the kind of report.

use crate::score::WeightFactor;

/// The factor `kind`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "kind",
    term: "kind",
    why: "well-run hosts also send delay and success reports, receipts and feedback; only failures and notices score",
    thousandths: |mark, weights| weights.kinds.get(&mark.kind).copied().unwrap_or(0),
    less: |mark| format!("kind {}", mark.kind.name()),
};
