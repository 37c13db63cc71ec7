//! The history of an address: its current and past listings.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::relay::Relay;
use crate::time::Timestamp;

/// A listing as the public sees it: without evidence, with times rounded to the hour.
#[derive(Debug, Serialize)]
pub(super) struct PublicListing {
    zone: String,
    code: u8,
    since: Timestamp,
    /// When it ended or will end.
    until: Timestamp,
    /// How it ended; `None` while it is current.
    ended: Option<&'static str>,
    policy: Option<String>,
}

/// `GET /api/v1/addresses/{address}/history`: current and past listings, oldest first.
pub(super) async fn history(
    State(app): State<Arc<App>>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
) -> Result<Json<Vec<PublicListing>>, ApiError> {
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let known = app.published.public_relay(relay);
    let past = known.past.iter().map(|past| PublicListing {
        zone: past.origin.to_string(),
        code: past.code,
        since: past.since.whole_hour(),
        until: past.ended.whole_hour(),
        ended: Some(past.how.name()),
        policy: None,
    });
    let current = known.listings.iter().map(|((zone, code), listing)| PublicListing {
        zone: zone.to_string(),
        code: *code,
        since: listing.since.whole_hour(),
        until: listing.until.whole_hour(),
        ended: None,
        policy: Some(listing.policy.to_string()),
    });
    let mut listings: Vec<PublicListing> = past.chain(current).collect();
    listings.sort_by_key(|listing| listing.since);
    Ok(Json(listings))
}
