//! Distinct donors whose traps received reports.

use super::{Rule, count};

/// Where no relay brought anything itself, it takes the word of two.
const WITHOUT_DIRECT_MIN: usize = 2;

pub(super) const RULE: Rule = Rule {
    name: "donors",
    why: "a donor may be mistaken, or may lie",
    shows: "they reached traps of as many donors as the policy asks for",
    judge: |case, quorum| {
        let least = if case.has_direct() { 0 } else { WITHOUT_DIRECT_MIN };
        count("donors", case.donors(), quorum.donors.max(least))
    },
};
