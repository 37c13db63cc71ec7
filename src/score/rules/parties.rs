//! Distinct recipients that the relay could not reach, or distinct writers of automatic replies.

use super::{Rule, count};

pub(super) const RULE: Rule = Rule {
    name: "parties",
    why: "a well-run host fails for the one address that is broken, and replies for the one user who is away",
    shows: "they were about several recipients, or in the name of several users",
    judge: |case, quorum| count("parties", case.parties(), quorum.parties),
};
