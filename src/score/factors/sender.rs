//! Factor: the sender of the returned original.

use super::WeightFactor;
use crate::evidence::OriginalSender;

/// The factor `original sender`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "original sender",
    why: "true backscatter returns a message whose sender is the trap",
    thousandths: |mark, weights| match mark.sender {
        OriginalSender::Trap => weights.sender_is_trap,
        OriginalSender::Unknown => weights.sender_unknown,
        OriginalSender::Other => weights.sender_other,
    },
};
