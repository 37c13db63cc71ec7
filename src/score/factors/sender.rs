//! Whose name the returned original bore.

use super::Factor;
use crate::evidence::Sender;

pub(super) const FACTOR: Factor = Factor {
    name: "original sender",
    why: "true backscatter returns a message that bears the trap's own name",
    thousandths: |mark, weights| match mark.sender {
        Sender::Trap => weights.sender_is_trap,
        Sender::Unknown => weights.sender_unknown,
        Sender::Other => weights.sender_other,
    },
};
