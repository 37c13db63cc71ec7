//! Messages that a donor's traps received and the donor submits.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::http::limits::{REPORT_OCTETS_MAX, REPORT_TIMEOUT};
use crate::http::submissions::{SubmissionQuery, SubmissionResult, submit};
use crate::http::tokens::KnownDonor;

/// `POST /api/v1/reports`: submits a message that a donor's trap received, as message/rfc822. With
/// the same `Idempotency-Key`, the same message and parameters count once, so that a request can be
/// repeated. Without the header, the key is empty.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    KnownDonor(donor, record): KnownDonor,
    RequestPart(Query(handed)): RequestPart<Query<SubmissionQuery>>,
    headers: HeaderMap,
    message: Body,
) -> Result<(StatusCode, Json<SubmissionResult>), ApiError> {
    let _place = app.places.reports.try_acquire().map_err(|_| ApiError::ReportsBusy)?;
    let read = axum::body::to_bytes(message, REPORT_OCTETS_MAX);
    let message = tokio::time::timeout(REPORT_TIMEOUT, read).await.map_err(|_| ApiError::BodyTooSlow)?;
    let message =
        message.map_err(|_| ApiError::BodyTooLarge("the message is too large or incomplete".to_owned()))?;
    submit(&app, Some((donor, record)), handed, &headers, message).await
}
