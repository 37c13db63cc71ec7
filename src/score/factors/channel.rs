//! Factor: the channel by which the evidence arrived.

use crate::evidence::Channel;
use crate::score::WeightFactor;

/// The factor `channel`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "channel",
    term: "channel",
    why: "forwarded evidence can be invented or changed; evidence that the relay itself brought weighs most",
    thousandths: |mark, weights| match mark.channel {
        Channel::Direct => 1_000,
        Channel::Submitted => weights.written.submitted,
        Channel::Logged => weights.written.logged,
    },
    less: |_| "evidence from a donor".to_owned(),
};
