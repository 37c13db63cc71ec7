//! Removal of an address from its page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Redirect;

use crate::http::api::remove_oneself;
use crate::http::app::App;
use crate::http::clients::ClientNetwork;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::relay::Relay;

/// `POST /ip/{address}/removal`: removes an address, with a redirect back to its page.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    client: ClientNetwork,
    RequestPart(Path(address)): RequestPart<Path<String>>,
) -> Result<Redirect, ApiError> {
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let removed = remove_oneself(&app, client, relay).await;
    removed.map(|_done| Redirect::to(&format!("/ip/{relay}")))
}
