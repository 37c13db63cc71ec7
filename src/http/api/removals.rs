//! Self-service removals by programs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::Serialize;

use crate::http::app::App;
use crate::http::clients::ClientNetwork;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::http::origin::OwnOrigin;
use crate::http::removal::remove_oneself;
use crate::relay::Relay;
use crate::time::Timestamp;

/// A removal that took effect.
#[derive(Debug, Serialize)]
pub(super) struct RemovalJson {
    address: String,
    at: Timestamp,
    /// Shows that this server removed the address at this time.
    receipt: String,
    /// The mail address of the operator, if a listing by the operator's decision stays.
    listed_by: Option<String>,
}

/// Shows that the body of a request is declared as JSON, which no form can do.
pub(super) struct JsonDeclared;

impl FromRequestParts<Arc<App>> for JsonDeclared {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let declared = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = declared.and_then(|value| value.split(';').next()).unwrap_or_default();
        if media_type.trim().eq_ignore_ascii_case("application/json") {
            return Ok(JsonDeclared);
        }
        Err(ApiError::UnsupportedMediaType(
            "send \"Content-Type: application/json\"; the body may be empty".to_owned(),
        ))
    }
}

/// `POST /api/v1/addresses/{address}/removal`: removes an address.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    _own: OwnOrigin,
    _json: JsonDeclared,
    client: ClientNetwork,
    RequestPart(Path(address)): RequestPart<Path<String>>,
) -> Result<Json<RemovalJson>, ApiError> {
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let done = remove_oneself(&app, client, relay).await?;
    Ok(Json(RemovalJson {
        address: relay.to_string(),
        at: done.at,
        receipt: done.receipt,
        listed_by: done.decided_by,
    }))
}
