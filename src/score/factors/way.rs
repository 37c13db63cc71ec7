//! Factor: the channel by which the evidence arrived.

use super::Factor;
use crate::evidence::Way;

/// The factor `way`.
pub(super) const FACTOR: Factor = Factor {
    name: "way",
    why: "forwarded evidence can be invented or changed; evidence that the relay itself brought weighs most",
    thousandths: |mark, weights| match mark.way {
        Way::Direct => 1_000,
        Way::Submitted => weights.submitted,
        Way::Logged => weights.logged,
    },
};
