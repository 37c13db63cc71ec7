//! What monitoring asks for: metrics, and whether the server runs and is ready.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::app::App;
use super::error::ApiError;
use crate::evidence::Offset;

/// Maximum number of journal entries that are not folded yet while `/readyz` reports ready.
const READY_LAG_MAX: u64 = 10_000;

/// The routes that tell anyone whether the server runs and is ready. They tell nothing that a single
/// report could move.
pub(super) fn public_routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

/// The routes for monitoring, which only the operator's own hosts may reach: metrics move with every
/// report.
pub(super) fn monitoring_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz_with_offsets))
}

/// `GET /metrics`: all metrics, in the text format of Prometheus.
async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.expose())
}

/// `GET /healthz`: the process responds.
async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when the server is ready, else 503.
async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    match Readiness::of(&app) {
        Readiness { ready: true, .. } => Ok("ready\n"),
        Readiness { ready: false, .. } => {
            Err(ApiError::NotReady("no zone is published, or the list is not up to date".to_owned()))
        }
    }
}

/// `GET /readyz` for monitoring, which also gives the places of the journal and the fold.
async fn readyz_with_offsets(State(app): State<Arc<App>>) -> Result<String, ApiError> {
    let Readiness { ready, zones, head, applied } = Readiness::of(&app);
    let state = format!("zones {zones}, journal at {head}, fold at {applied}");
    if ready { Ok(state + "\n") } else { Err(ApiError::NotReady(state)) }
}

/// Whether the server is ready, and why.
struct Readiness {
    /// A zone is published, and the fold keeps up with the journal.
    ready: bool,
    zones: usize,
    head: Offset,
    applied: Offset,
}

impl Readiness {
    fn of(app: &App) -> Self {
        let (head, applied) = (*app.journal.head().borrow(), app.published.applied());
        let zones = app.published.snapshot().zones().len();
        let ready = zones > 0 && app.journal.entries_between(applied, head) <= READY_LAG_MAX;
        Readiness { ready, zones, head, applied }
    }
}
