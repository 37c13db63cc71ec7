//! Factor: the kind of report.

use super::WeightFactor;

/// The factor `kind`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "kind",
    why: "well-run hosts also send delay and success reports, receipts and feedback; only failures and notices score",
    thousandths: |mark, weights| weights.kinds.get(&mark.kind).copied().unwrap_or(0),
};
