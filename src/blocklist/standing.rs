//! What a message is worth by itself, whatever is known of its trap, its relay and other reports.
//!
//! A donor may see this of what it handed on, because it tells nothing of other donors.

use crate::evidence::Evidence;
use crate::score::{CountedReport, Relation, ReportSource, weighs};
use crate::zone;

/// Why a message cannot be evidence under any of the zones; `None` if it can.
pub(super) fn objection<'z>(
    evidence: &Evidence,
    mut zones: impl Iterator<Item = &'z zone::Config>,
) -> Option<&'static str> {
    let (kind, counted) = (evidence.facts.kind, evidence.facts.counted_kind());
    let scores = |zone: &zone::Config| zone.codes.iter().any(|code| code.basis.judges(counted).is_some());
    if evidence.facts.solicited {
        Some("the tag in the recipient address shows that the original was sent from here")
    } else if !zones.any(scores) {
        Some("no zone has a code for this kind")
    } else if kind.comes_from_the_null_reverse_path() && !evidence.is_from_null() {
        Some("a report must come from the null reverse-path (RFC 3464 §2)")
    } else if evidence.recipients > 1 {
        Some("a report has one recipient (RFC 3464 §2)")
    } else {
        None
    }
}

/// Whether a message is evidence by itself: a report that the policy of one of the zones gives
/// weight, if the relay turns out to be responsible for the mail.
pub fn is_evidence<'z>(evidence: &Evidence, zones: impl Iterator<Item = &'z zone::Config> + Clone) -> bool {
    let source = ReportSource { trap: evidence.trap, domain: evidence.trap_domain, donor: 0, discount: 0 };
    let mark = CountedReport {
        relation: Relation::Confirmed,
        ..CountedReport::of(evidence, None, None, source, evidence.seen_at, Default::default())
    };
    zones.clone().any(|zone| weighs(&mark, &zone.policy.weights)) && objection(evidence, zones).is_none()
}
