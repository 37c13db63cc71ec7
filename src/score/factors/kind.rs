//! What kind of report it is.

use super::Factor;

pub(super) const FACTOR: Factor = Factor {
    name: "kind",
    why: "well-run hosts send success and delay reports, receipts and feedback: only failures and notices score",
    thousandths: |mark, weights| weights.kinds.get(&mark.kind).copied().unwrap_or(0),
};
