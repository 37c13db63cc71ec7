//! Counts decisions in the metrics.

use super::edns;
use super::service::{Decision, Inquiry, Place, Silence};
use crate::metrics::{DnsMetrics, Dropped, Outcome, Tally};
use crate::zone::Content;

/// Counts the decision about a query.
pub(super) fn count(
    tally: &mut Tally,
    metrics: &DnsMetrics,
    inquiry: &Inquiry<'_>,
    place: &Place<'_, '_>,
    decision: &Decision<'_>,
) {
    let response = match decision {
        Ok(response) => response,
        Err(Silence::Access) => return tally.dropped(Dropped::Access, 1),
        Err(Silence::Limit) => return tally.dropped(Dropped::Limit, 1),
    };
    let outcome = match (response.rcode, &response.content) {
        _ if response.slipped => Outcome::Slipped,
        (0, Content::Records(_)) if place.is_apex() => Outcome::Apex,
        (0, Content::Records(_)) => Outcome::Listed,
        (0, _) => Outcome::NoData,
        (1, _) => Outcome::FormErr,
        (2, _) => Outcome::ServFail,
        (3, _) => Outcome::NameError,
        (edns::BADVERS, _) => Outcome::BadVers,
        (edns::BADCOOKIE, _) => Outcome::BadCookie,
        _ => Outcome::Refused,
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
