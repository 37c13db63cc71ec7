//! Rule: distinct donors whose traps received reports.

use crate::score::QuorumRule;
use crate::score::quorum_rule::count;

/// The minimum number of donors if the relay itself brought none of the reports, in policies that do
/// not ask for a direct report.
const WITHOUT_DIRECT_MIN: usize = 2;

/// The rule `donors`.
pub(super) const RULE: QuorumRule = QuorumRule {
    name: "donors",
    term: "donors",
    why: "one donor may be mistaken or dishonest",
    shows: "the reports reached traps of as many donors as the policy requires",
    judge: |case, quorum| {
        let least = if case.direct_reports() > 0 { 0 } else { WITHOUT_DIRECT_MIN };
        count(case.donors(), quorum.donors.max(least))
    },
};
