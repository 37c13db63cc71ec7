//! Time from the first report of a case to its last.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "span",
    why: "a passing fault is mended within a day",
    judge: |case, _, quorum| at_least("span", case.span(), quorum.span),
};
