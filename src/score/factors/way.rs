//! How the evidence came to us.

use super::Factor;
use crate::evidence::Way;

pub(super) const FACTOR: Factor = Factor {
    name: "way",
    why: "what others hand on can be made up, or changed on its way: what a relay brings itself weighs most",
    thousandths: |mark, weights| match mark.way {
        Way::Direct => 1_000,
        Way::Submitted => weights.submitted,
        Way::Logged => weights.logged,
    },
};
