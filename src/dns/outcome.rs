//! Counts decisions in the metrics.

use super::service::{ClientQuery, QueryTarget, ResponseDecision, Silence};
use crate::metrics::{AnswerOutcome, DnsMetrics, DropReason, PendingCounts};
use crate::zone::AnswerContent;
use crate::zone::numbers::{
    RCODE_BADCOOKIE, RCODE_BADVERS, RCODE_FORMERR, RCODE_NOERROR, RCODE_NXDOMAIN, RCODE_SERVFAIL,
};

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
        (RCODE_NOERROR, AnswerContent::Records(_)) if place.is_apex() => AnswerOutcome::Apex,
        (RCODE_NOERROR, AnswerContent::Records(_)) => AnswerOutcome::Listed,
        (RCODE_NOERROR, _) => AnswerOutcome::NoData,
        (RCODE_FORMERR, _) => AnswerOutcome::FormErr,
        (RCODE_SERVFAIL, _) => AnswerOutcome::ServFail,
        (RCODE_NXDOMAIN, _) => AnswerOutcome::NameError,
        (RCODE_BADVERS, _) => AnswerOutcome::BadVers,
        (RCODE_BADCOOKIE, _) => AnswerOutcome::BadCookie,
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
