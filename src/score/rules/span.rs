//! Time from the first report of a case to its last.

use super::{Rule, at_least};

pub(super) const RULE: Rule = Rule {
    name: "span",
    why: "a passing fault is mended within a day",
    shows: "they came over more than a day",
    judge: |case, quorum| at_least("span", case.span(), case.span().doubled(), quorum.span),
};
