//! What monitoring asks for: metrics, and whether the server runs and is ready.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::app::App;
use super::error::ApiError;

/// Maximum number of journal entries that are not folded yet while `/readyz` reports ready.
const READY_LAG_MAX: u64 = 10_000;

/// The routes for monitoring.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
}

/// `GET /metrics`: all metrics, in the text format of Prometheus.
async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.expose())
}

/// `GET /healthz`: the process responds.
async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when a zone is published and the fold keeps up with the journal, else 503.
async fn readyz(State(app): State<Arc<App>>) -> Result<String, ApiError> {
    let (head, applied) = (*app.journal.head().borrow(), app.published.applied());
    let zones = app.published.snapshot().zones().len();
    let ready = zones > 0 && app.journal.entries_between(applied, head) <= READY_LAG_MAX;
    let state = format!("zones {zones}, journal at {head}, fold at {applied}");
    if ready { Ok(state + "\n") } else { Err(ApiError::NotReady(state)) }
}
