//! The domains that a relay's side is asked about while a complete case waits.
//!
//! An attacker who writes reports chooses the domains in them, so a question about a domain tells him
//! that a report about it counted. The domains are therefore fixed when the case becomes complete, one
//! report never makes its domain a question, and at most one domain is added in a day.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::score::{Case, CountedReport, Quorum, is_made};
use crate::time::{Span, Timestamp};

/// The maximum number of domains of one relay that are asked about at once, and again every day
/// while the relay is listed.
pub(super) const QUESTIONS_MAX: usize = 3;
/// The maximum number of domains that one waiting case is asked about.
const QUESTION_DOMAINS_MAX: usize = 32;
/// The minimum time between two additions.
const ADDITION_APART: Span = Span::from_days(1);
/// The minimum number of counted reports about a domain that is asked about.
const REPORTS_MIN: usize = 2;

/// The domains that the relay's side is asked about for one waiting case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct QuestionDomains {
    /// Short digests, in the order of their addition.
    #[n(0)]
    domains: Vec<u64>,
    /// When the domains were fixed, or the last one was added.
    #[n(1)]
    changed: Timestamp,
}

impl QuestionDomains {
    /// Fixes the domains of a case that has become complete.
    pub(super) fn of(case: &Case<'_>, quorum: &Quorum, now: Timestamp) -> Self {
        let domains = candidates(case, quorum).take(QUESTIONS_MAX).collect();
        QuestionDomains { domains, changed: now }
    }

    /// Drops the domains that the case no longer contains. Adds one if a day has passed since the last
    /// addition and the relay's side was asked about all others.
    pub(super) fn after(
        mut self,
        case: &Case<'_>,
        quorum: &Quorum,
        now: Timestamp,
        was_asked: impl Fn(u64) -> bool,
    ) -> Self {
        self.domains.retain(|&domain| case.marks().iter().any(|mark| mark.domain == domain));
        let is_due = now.since(self.changed) >= ADDITION_APART;
        if !is_due || !self.domains.iter().all(|&domain| was_asked(domain)) {
            return self;
        }
        let added = candidates(case, quorum).find(|domain| !self.contains(*domain));
        if let Some(domain) = added {
            // The domain that had the longest time to answer gives way.
            if self.domains.len() >= QUESTION_DOMAINS_MAX {
                self.domains.remove(0);
            }
            self.domains.push(domain);
            self.changed = now;
        }
        self
    }

    /// Whether the relay's side is asked about a domain.
    pub(super) fn contains(&self, domain: u64) -> bool {
        self.domains.contains(&domain)
    }
}

/// The domains of a case that may be asked about, the commonest first.
fn candidates(case: &Case<'_>, quorum: &Quorum) -> impl Iterator<Item = u64> {
    let may_be_asked = move |(domain, marks): &(u64, Vec<&CountedReport>)| {
        marks.len() >= REPORTS_MIN && (is_of_several_days(marks) || is_needed(case, quorum, *domain))
    };
    commonest(case).into_iter().filter(may_be_asked).map(|(domain, _)| domain)
}

/// Whether the reports came on more than one day (UTC).
fn is_of_several_days(marks: &[&CountedReport]) -> bool {
    let mut days = marks.iter().map(|mark| mark.seen_at.day());
    days.next().is_some_and(|first| days.any(|day| day != first))
}

/// Whether the case is not complete without the reports about a domain.
fn is_needed(case: &Case<'_>, quorum: &Quorum, domain: u64) -> bool {
    !is_made(&case.clone().only(|mark| mark.domain != domain), quorum)
}

/// The domains of a case with their reports, the commonest first; of equally common ones, the one with
/// the lowest digest.
pub(super) fn commonest<'m>(case: &Case<'m>) -> Vec<(u64, Vec<&'m CountedReport>)> {
    let mut by_domain: BTreeMap<u64, Vec<&CountedReport>> = BTreeMap::new();
    for mark in case.marks().iter().copied().filter(|mark| mark.domain != 0) {
        by_domain.entry(mark.domain).or_default().push(mark);
    }
    let mut commonest: Vec<_> = by_domain.into_iter().collect();
    commonest.sort_by_key(|(_, marks)| Reverse(marks.len()));
    commonest
}
