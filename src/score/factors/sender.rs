//! Factor: the sender of the returned original.

use super::Factor;
use crate::evidence::Sender;

/// The factor `original sender`.
pub(super) const FACTOR: Factor = Factor {
    name: "original sender",
    why: "true backscatter returns a message whose sender is the trap",
    thousandths: |mark, weights| match mark.sender {
        Sender::Trap => weights.sender_is_trap,
        Sender::Unknown => weights.sender_unknown,
        Sender::Other => weights.sender_other,
    },
};
