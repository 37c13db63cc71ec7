//! The description of the API. A test compares it with the routes.

use axum::http::header;
use axum::response::IntoResponse;

/// `GET /api/v1/openapi.json`: the description, in OpenAPI 3.1.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}
