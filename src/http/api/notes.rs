//! Public notes about errors of the list itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::http::app::App;
use crate::time::Timestamp;

/// One public note.
#[derive(Debug, Serialize)]
pub(super) struct NoteLine {
    at: Timestamp,
    text: String,
}

/// `GET /api/v1/notes`: public notes about errors of the list itself (RFC 6471 §3.9).
pub(super) async fn notes(State(app): State<Arc<App>>) -> Json<Vec<NoteLine>> {
    let standing = app.published.standing();
    Json(standing.notes.iter().map(|note| NoteLine { at: note.at, text: note.text.clone() }).collect())
}
