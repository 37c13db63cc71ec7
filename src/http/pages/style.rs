//! The stylesheet of the pages.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// The path of the stylesheet, as the pages name it.
pub(super) const PATH: &str = "/style.css";

/// `GET /style.css`: the stylesheet, which browsers keep for an hour.
pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("templates/style.css"))
}
