//! Distinct donors whose traps received reports.

use super::{Rule, count};

pub(super) const RULE: Rule = Rule {
    name: "donors",
    why: "a donor may be mistaken, or may lie",
    shows: "they reached traps of as many donors as the policy asks for",
    judge: |case, quorum| count("donors", case.donors(), quorum.donors),
};
