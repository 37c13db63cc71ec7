//! Factor: the channel by which the evidence arrived.

use super::WeightFactor;
use crate::evidence::Channel;

/// The factor `way`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "channel",
    why: "forwarded evidence can be invented or changed; evidence that the relay itself brought weighs most",
    thousandths: |mark, weights| match mark.channel {
        Channel::Direct => 1_000,
        Channel::Submitted => weights.submitted,
        Channel::Logged => weights.logged,
    },
};
