//! How often the relay did it, apart from each other.

use super::{Rule, count};

pub(super) const RULE: Rule = Rule {
    name: "occasions",
    why: "a stray report and one passing fault are two occasions, and no habit",
    shows: "they came again and again",
    judge: |case, quorum| count("occasions", case.occasions(quorum.apart, quorum.parties), quorum.occasions),
};
