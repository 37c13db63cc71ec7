//! A donor's traps: the donor lists, adds, replaces and retires them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::tokens::KnownDonor;
use crate::http::trap_lists::{ListSender, import, listed};
use crate::intake::feed::{FeedAction, FeedReport, TrapFeed};
use crate::trap::feed::FeedForm;

/// `GET /api/v1/traps`: the donor's traps, as JSON lines of [`crate::http::TrapLine`].
pub(super) async fn traps(
    State(app): State<Arc<App>>,
    KnownDonor(donor, _): KnownDonor,
) -> Result<impl IntoResponse, ApiError> {
    listed(&app, Some(donor))
}

/// `POST /api/v1/traps`: adds the traps of the list.
pub(super) async fn add_traps(
    State(app): State<Arc<App>>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FeedReport>, ApiError> {
    changed(&app, known, &headers, body, FeedAction::Add).await
}

/// `PUT /api/v1/traps`: adds the traps of the list and retires all others of the donor.
pub(super) async fn put_traps(
    State(app): State<Arc<App>>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FeedReport>, ApiError> {
    changed(&app, known, &headers, body, FeedAction::Replace).await
}

/// `DELETE /api/v1/traps`: retires the traps of the list.
pub(super) async fn delete_traps(
    State(app): State<Arc<App>>,
    known: KnownDonor,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FeedReport>, ApiError> {
    changed(&app, known, &headers, body, FeedAction::Retire).await
}

async fn changed(
    app: &App,
    KnownDonor(donor, record): KnownDonor,
    headers: &HeaderMap,
    body: Body,
    action: FeedAction,
) -> Result<Json<FeedReport>, ApiError> {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = FeedForm::of_media_type(media_type).ok_or_else(|| {
        ApiError::UnsupportedMediaType(format!(
            "{media_type:?} is not one of text/plain, text/csv, application/x-ndjson, application/json"
        ))
    })?;
    let by = format!("donor {donor}");
    let feed = TrapFeed { donor, terms: record.terms, by, form, action };
    import(app, ListSender::Donor, feed, body).await
}
