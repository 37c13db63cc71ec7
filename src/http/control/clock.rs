//! The laboratory clock.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::evidence::Entry;
use crate::http::app::App;
use crate::http::directives::{DirectiveDone, append};
use crate::http::error::ApiError;
use crate::http::extract::RequestBody;
use crate::publish::tick_number;
use crate::time::Span;

/// An advance of the laboratory clock.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClockAdvance {
    /// How far to advance it.
    pub advance: Span,
}

/// `POST /control/v1/clock`: advances the laboratory clock and appends a tick.
pub(super) async fn advance_clock(
    State(app): State<Arc<App>>,
    RequestBody(Json(advance)): RequestBody<Json<ClockAdvance>>,
) -> Result<Json<DirectiveDone>, ApiError> {
    let laboratory = app.laboratory.as_ref().ok_or(ApiError::NoLaboratoryClock)?;
    let now = laboratory.advance(advance.advance);
    append(&app, Entry::Tick(tick_number(now, app.tick_interval))).await
}
