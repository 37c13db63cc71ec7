//! Directives and ticks that a request orders: they are appended to the journal, and the client is
//! answered when they have taken effect.

use axum::Json;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::error::ApiError;
use crate::evidence::{Directive, Entry, Offset, Order};
use crate::time::Timestamp;

/// The response to a directive that took effect.
#[derive(Debug, Serialize, Deserialize)]
pub struct DirectiveDone {
    /// The directive's journal entry.
    pub offset: Offset,
    /// The time of the fold after it.
    pub time: Timestamp,
}

/// Appends a directive to the journal and responds when it has taken effect.
///
/// # Errors
/// When the directive cannot be recorded, has no effect, or has not taken effect in time.
pub(super) async fn direct(
    app: &App,
    by: String,
    why: String,
    order: Order,
) -> Result<Json<DirectiveDone>, ApiError> {
    let head = *app.journal.head().borrow();
    append(app, Entry::Directive(Directive::new(by, why, order, app.clock.now(), head))).await
}

/// Appends an entry and responds when it has taken effect, so that the client's next request sees
/// it.
///
/// # Errors
/// When the entry cannot be recorded, has no effect, or has not taken effect in time.
pub(super) async fn append(app: &App, entry: Entry) -> Result<Json<DirectiveDone>, ApiError> {
    let offset = app.journal.append(entry.into()).await?;
    if !app.published.reached(offset).await {
        return Err(ApiError::NotInEffectYet(offset));
    }
    match app.published.refusal(offset) {
        Some(why) => Err(ApiError::NoEffect { offset, why }),
        None => Ok(Json(DirectiveDone { offset, time: app.published.snapshot().time })),
    }
}
