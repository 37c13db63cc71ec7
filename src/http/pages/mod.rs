//! The pages for people: the front page, and a page for each address.

mod address;
mod front;
mod html;
mod problem;
mod removal;
mod style;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::app::App;

/// The routes that need no client address.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(front::front))
        .route("/ip/{address}", get(address::page))
        .route(style::PATH, get(style::style))
}

/// The routes that limit clients by their network.
pub(super) fn routes_for_clients() -> Router<Arc<App>> {
    Router::new().route("/ip/{address}/removal", get(removal::receipt).post(removal::remove))
}
