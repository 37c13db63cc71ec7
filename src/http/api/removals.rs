//! Self-service removals.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use crate::evidence::Order;
use crate::http::app::App;
use crate::http::clients::ClientNetwork;
use crate::http::directives::{DirectiveDone, direct};
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::listing::ListingEnd;
use crate::relay::Relay;
use crate::time::{Span, Timestamp};

/// The longest wait before a further removal is 2^5 days.
const LOCK_DOUBLINGS_MAX: u32 = 5;

/// `POST /api/v1/addresses/{address}/removal`: removes an address.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    client: ClientNetwork,
    RequestPart(Path(address)): RequestPart<Path<String>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let relay = address.parse().map_err(ApiError::InvalidValue)?;
    remove_oneself(&app, client, relay).await
}

/// Removes an address at once, without account, payment or conditions (RFC 6471 §2.2.4, §2.2.5).
/// The requester's own address may be listed (RFC 6471 §2.2.2). Only the number of requests of a
/// client network is limited.
///
/// # Errors
/// When the address is not listed, was removed before and listed again, or the client's network
/// made too many removals, and when the removal cannot be recorded.
pub(in crate::http) async fn remove_oneself(
    app: &App,
    ClientNetwork(client): ClientNetwork,
    relay: Relay,
) -> Result<Json<DirectiveDone>, ApiError> {
    if app.published.public_relay(relay).listings.is_empty() {
        return Err(ApiError::NotListed(relay));
    }
    // The waiting time does not apply to requests from the relay's own network. Otherwise others
    // could use up its removals.
    let own = client.contains(relay.address());
    if let Some(until) = locked_until(app, relay).filter(|_| !own) {
        return Err(ApiError::RemovedBefore { relay, until, wait: until.since(app.clock.now()) });
    }
    if !app.removals.admits(client, app.clock.now()) {
        return Err(ApiError::TooManyRemovals);
    }
    direct(app, format!("self-service from {client}"), "requested".to_owned(), Order::Remove { relay }).await
}

/// Until when a relay cannot be removed by self-service, if it cannot. The first removal is
/// immediate. After the second listing the wait is one day from the last removal, and it doubles
/// with each further removal, up to 32 days.
fn locked_until(app: &App, relay: Relay) -> Option<Timestamp> {
    let known = app.published.public_relay(relay);
    let removed = known.past.iter().filter(|past| past.how == ListingEnd::Removed);
    let ends: BTreeSet<Timestamp> = removed.map(|past| past.ended).collect();
    let doublings = u32::try_from(ends.len().checked_sub(1)?).unwrap_or(u32::MAX).min(LOCK_DOUBLINGS_MAX);
    let until = ends.last()?.plus(Span::from_days(1 << doublings));
    (until > app.clock.now()).then_some(until)
}
