//! Counts decisions in the metrics.

use super::edns;
use super::service::{ClientQuery, QueryTarget, ResponseDecision, Silence};
use crate::metrics::{AnswerOutcome, DnsMetrics, DropReason, PendingCounts};
use crate::zone::AnswerContent;

/// Counts the decision about a query.
pub(super) fn count(
    tally: &mut PendingCounts,
    metrics: &DnsMetrics,
    inquiry: &ClientQuery<'_>,
    place: &QueryTarget<'_, '_>,
    decision: &ResponseDecision<'_>,
) {
    let response = match decision {
        Ok(response) => response,
        Err(Silence::Access) => return tally.dropped(DropReason::Access, 1),
        Err(Silence::Limit) => return tally.dropped(DropReason::Limit, 1),
    };
    let outcome = match (response.rcode, &response.content) {
        _ if response.slipped => AnswerOutcome::Slipped,
        (0, AnswerContent::Records(_)) if place.is_apex() => AnswerOutcome::Apex,
        (0, AnswerContent::Records(_)) => AnswerOutcome::Listed,
        (0, _) => AnswerOutcome::NoData,
        (1, _) => AnswerOutcome::FormErr,
        (2, _) => AnswerOutcome::ServFail,
        (3, _) => AnswerOutcome::NameError,
        (edns::BADVERS, _) => AnswerOutcome::BadVers,
        (edns::BADCOOKIE, _) => AnswerOutcome::BadCookie,
        _ => AnswerOutcome::Refused,
    };
    let zone = place.origin().and_then(|origin| metrics.zone(origin));
    tally.answered(zone, inquiry.query_type, outcome);
    if response.edns.is_some_and(|edns| edns.cookie.is_some()) {
        tally.cookie(response.cookie_valid);
    }
    if let Some(key) = response.key {
        tally.key(key);
    }
}
