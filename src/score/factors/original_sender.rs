//! Factor: the sender of the returned original.

use crate::evidence::OriginalSender;
use crate::score::WeightFactor;

/// The factor `original sender`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "original sender",
    term: "original sender",
    why: "true backscatter returns a message whose sender is the trap",
    thousandths: |mark, weights| match mark.sender {
        OriginalSender::Trap => weights.written.sender_is_trap,
        OriginalSender::Unknown => weights.written.sender_unknown,
        OriginalSender::Other => weights.written.sender_other,
    },
    less: |mark| {
        let less = match mark.sender {
            OriginalSender::Trap => "original sender the trap",
            OriginalSender::Unknown => "original sender unknown",
            OriginalSender::Other => "original sender is another address",
        };
        less.to_owned()
    },
};
