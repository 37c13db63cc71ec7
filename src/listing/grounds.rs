//! The grounds of a listing: the entries that it stands on, and the figures of its case.

use minicbor::{Decode, Encode};

use crate::classify::Kind;
use crate::evidence::Offset;
use crate::score::{Case, CaseWindow, CountedReport, Points, RULES, VerifiedDomains};
use crate::time::Timestamp;

/// The maximum number of evidence entries that a listing names. The case may contain more.
const EVIDENCE_MAX: usize = 32;

/// The figures that the grounds store, each with the rule that asks for it, in the order in which
/// texts name them.
///
/// The list is closed: a new rule stores no figure, because the case can be opened again from the
/// ledger. Audit records contain the figures, so their order and the rules' terms are part of the
/// records' digests.
const FIGURES: [StoredFigure; 4] = [
    StoredFigure { rule: "points", value: |grounds| grounds.points.to_string() },
    StoredFigure { rule: "trap_domains", value: |grounds| grounds.trap_domains.to_string() },
    StoredFigure { rule: "injector_networks", value: |grounds| grounds.injector_networks.to_string() },
    StoredFigure { rule: "failed_recipients", value: |grounds| grounds.failed_recipients.to_string() },
];

/// One figure that the grounds store.
struct StoredFigure {
    /// The name of the rule that asks for it.
    rule: &'static str,
    value: fn(&ListingGrounds) -> String,
}

/// The grounds of a listing, or of its last extension. A listing always has grounds (RFC 6471
/// §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListingGrounds {
    /// The entry that completed the case, or the entry of the decision.
    #[n(0)]
    pub completed: Offset,
    /// The fold's time at that entry.
    #[n(1)]
    pub at: Timestamp,
    /// The points of the case.
    #[n(2)]
    pub points: Points,
    /// The number of distinct trap domains.
    #[n(3)]
    pub trap_domains: u32,
    /// The number of distinct networks the forged mail came from.
    #[n(4)]
    pub injector_networks: u32,
    /// The number of distinct failed recipients.
    #[n(5)]
    pub failed_recipients: u32,
    /// The number of reports.
    #[n(6)]
    pub reports: u32,
    /// The first entries that contain the evidence, or the entry of the decision. Never empty.
    #[n(7)]
    pub evidence: Vec<Offset>,
    /// Whether the listing is based on evidence or on a decision.
    #[n(8)]
    pub criterion: Criterion,
    /// The counted reports of the case start after this entry.
    #[n(9)]
    pub after: Offset,
    /// The share of reports whose original the SPF or DMARC record of the trap's domain forbade, in
    /// thousandths.
    #[n(10)]
    pub forbidden_thousandths: u16,
    /// The number of wanted messages that donors had received from the relay at that time.
    #[n(11)]
    pub good_messages: u64,
    /// The domains in which the relay's side took all recipients; `None` if nobody was asked. Only
    /// reports that it permits belong to the case.
    #[n(12)]
    pub verified: Option<VerifiedDomains>,
}

/// What a listing is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Criterion {
    /// Evidence satisfied every rule of the policy.
    #[n(0)]
    Case,
    /// The operator listed the address, with a reason and an end.
    #[n(1)]
    Decision,
}

impl ListingGrounds {
    /// The grounds of a case that the entry `completed` satisfied. Its counted reports start after
    /// the entry `after`.
    pub fn of(
        case: &Case<'_>,
        after: Offset,
        completed: Offset,
        at: Timestamp,
        verified: Option<VerifiedDomains>,
    ) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ListingGrounds {
            completed,
            at,
            points: case.points(),
            trap_domains: count(case.trap_domains()),
            injector_networks: count(case.injector_networks()),
            failed_recipients: count(case.failed_recipients()),
            reports: u32::try_from(case.reports()).unwrap_or(u32::MAX),
            evidence: case.evidence().take(EVIDENCE_MAX).collect(),
            criterion: Criterion::Case,
            after,
            forbidden_thousandths: u16::try_from(case.forbidden_thousandths()).unwrap_or(1_000),
            good_messages: case.good_messages(),
            verified,
        }
    }

    /// Whether a report of the window belongs to the case.
    pub fn permits(&self, mark: &CountedReport) -> bool {
        self.verified.as_ref().is_none_or(|verified| verified.permits(mark))
    }

    /// Selects the counted reports of the case as it was when it was completed.
    pub fn window<'a>(&self, kinds: &'a [Kind]) -> CaseWindow<'a> {
        let ListingGrounds { after, completed: until, at: now, good_messages, .. } = *self;
        CaseWindow { kinds, after, until, now, good_messages }
    }

    /// The grounds of a listing by the directive in `entry`.
    pub fn decision(entry: Offset, at: Timestamp) -> Self {
        ListingGrounds {
            completed: entry,
            at,
            points: Points::default(),
            trap_domains: 0,
            injector_networks: 0,
            failed_recipients: 0,
            reports: 0,
            evidence: vec![entry],
            criterion: Criterion::Decision,
            after: entry,
            forbidden_thousandths: 0,
            good_messages: 0,
            verified: None,
        }
    }

    /// The figures of the case in words, for audit records and explanations.
    pub fn figures(&self) -> String {
        let figures = FIGURES.iter().map(|StoredFigure { rule: name, value }| {
            let term = RULES.iter().find(|rule| rule.name == *name).map_or(*name, |rule| rule.term);
            format!("{} {term}", value(self))
        });
        figures.chain([format!("{} reports", self.reports)]).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_named_by_the_terms_of_their_rules() {
        let (entry, at) = (Offset::from_number(1), Timestamp::default());
        let figures = ListingGrounds::decision(entry, at).figures();
        assert_eq!(
            figures,
            "0.00 points, 0 trap domains, 0 networks the forged mail came from, \
             0 distinct failed recipients, 0 reports"
        );
    }
}
