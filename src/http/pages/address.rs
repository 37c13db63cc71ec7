//! The page of an address.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Html;

use super::html::render;
use crate::http::api::{AddressJson, describe};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::http::removal::{RemovalOptions, options};
use crate::relay::Relay;

#[derive(Template)]
#[template(path = "address.html")]
struct AddressPage<'a> {
    address: &'a AddressJson,
    removal: RemovalOptions,
}

/// `GET /ip/{address}`: the public information about an address, as HTML.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
) -> Result<Html<String>, ApiError> {
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    render(&AddressPage { address: &describe(&app, relay), removal: options(&app, relay) })
}
