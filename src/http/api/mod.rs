//! The API for programs, described in `openapi.json`.

mod addresses;
mod classify;
mod decisions;
mod donors;
mod history;
mod notes;
mod openapi;
mod removals;
mod reports;
mod traps;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub(in crate::http) use addresses::{AddressJson, describe};
pub(in crate::http) use decisions::decide;
pub use decisions::{DecisionRequest, RequestedDecision};
pub use donors::DonorLine;

use super::app::App;
use super::limits::CLASSIFIED_OCTETS_MAX;

/// The routes that need neither a client address nor authentication.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/addresses/{address}", get(addresses::address))
        .route("/api/v1/addresses/{address}/history", get(history::history))
        .route("/api/v1/notes", get(notes::notes))
        .route("/api/v1/openapi.json", get(openapi::openapi))
        .route(
            "/api/v1/classify",
            post(classify::classify).layer(DefaultBodyLimit::max(CLASSIFIED_OCTETS_MAX)),
        )
}

/// The routes that authenticate clients, or limit them by their network.
pub(super) fn routes_for_clients() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/addresses/{address}/removal", post(removals::remove))
        .route("/api/v1/decisions", post(decisions::decide_by_token))
        .route("/api/v1/donor", get(donors::donor).delete(donors::leave))
        .route("/api/v1/donor/reports/{id}", get(reports::receipt))
        .route("/api/v1/reports", post(reports::report))
        .route(
            "/api/v1/traps",
            get(traps::traps).post(traps::add_traps).put(traps::put_traps).delete(traps::delete_traps),
        )
}
