//! Factor: who wrote the report.

use crate::classify::Author;
use crate::score::WeightFactor;

/// The factor `author`. No policy can change it: users of a well-run provider can write any text.
pub(super) const FACTOR: WeightFactor = WeightFactor {
    name: "author",
    term: "author",
    why: "users, scripts and webmail clients of a well-run provider can write any text; only what the relay's mail system wrote counts",
    thousandths: |mark, _| if mark.author == Author::MailSystem { 1_000 } else { 0 },
    less: |mark| format!("author {}", mark.author.name()),
};
