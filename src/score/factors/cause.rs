//! Why delivery failed.

use super::Factor;

pub(super) const FACTOR: Factor = Factor {
    name: "cause",
    why: "a full mailbox, or a host that is down, makes a well-run server return mail that it took in good faith",
    thousandths: |mark, weights| weights.causes.get(&mark.cause).copied().unwrap_or(0),
};
