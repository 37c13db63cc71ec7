//! Whether an automatic reply keeps to the rules for such replies.

use super::Factor;

pub(super) const FACTOR: Factor = Factor {
    name: "manners",
    why: "users of a well-run server may be away: a reply that keeps to RFC 3834 shows no fault of the server's",
    thousandths: |mark, weights| if mark.keeps_rfc3834 { weights.reply_keeps_rfc3834 } else { 1_000 },
};
