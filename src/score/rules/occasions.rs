//! Rule: separate occasions on which the relay named new failed recipients.

use super::{Rule, count};

/// The rule `occasions`.
pub(super) const RULE: Rule = Rule {
    name: "occasions",
    term: "separate occasions",
    why: "a stray report and one temporary fault are two occasions, but not a pattern",
    shows: "the reports came on several separate occasions",
    judge: |case, quorum| count("occasions", case.occasions(quorum.apart, quorum.parties), quorum.occasions),
};
