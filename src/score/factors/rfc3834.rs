//! Factor: RFC 3834 compliance of an automatic reply.

use crate::score::WeightFactor;

/// The factor `rfc3834`.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "rfc3834",
    term: "RFC 3834 compliance",
    why: "users of a well-run server send automatic replies; a reply that complies with RFC 3834 shows no fault",
    thousandths: |mark, weights| {
        if mark.follows_rfc3834 { weights.written.reply_follows_rfc3834 } else { 1_000 }
    },
    less: |_| FACTOR.term.to_owned(),
};
