//! Messages and log lines that the operator submits in the name of donors.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::http::submissions::{SubmissionQuery, SubmissionResult, reports_left, submit};
use crate::intake::SubmissionOutcome;
use crate::trap::Donor;

/// The result of submitted log lines.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LogReport {
    /// Lines read.
    pub lines: u64,
    /// Lines that became evidence.
    pub taken: u64,
    /// Rejections that are no evidence: the recipient is no trap of the donor, or the client is a
    /// host of the donor or of this installation.
    pub no_trap: u64,
}

/// `POST /control/v1/reports`: submits a message to any trap, in the name of the trap's donor or of
/// the donor in the query.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    RequestPart(Query(handed)): RequestPart<Query<SubmissionQuery>>,
    headers: HeaderMap,
    RequestBody(message): RequestBody<Bytes>,
) -> Result<(StatusCode, Json<SubmissionResult>), ApiError> {
    let donor = handed.donor.as_deref().map(Donor::parse).transpose().map_err(ApiError::InvalidValue)?;
    let known = donor.map(|donor| {
        let record = app.published.donors().get(&donor).cloned().unwrap_or_default();
        (donor, record)
    });
    submit(&app, known, handed, &headers, message).await
}

/// `POST /control/v1/log-lines?donor=...`: submits the lines of the log of a donor's MTA that
/// report a rejected recipient. Other lines are ignored.
pub(super) async fn log_lines(
    State(app): State<Arc<App>>,
    RequestPart(Query(handed)): RequestPart<Query<SubmissionQuery>>,
    RequestBody(text): RequestBody<String>,
) -> Result<Json<LogReport>, ApiError> {
    let donor = Donor::parse(handed.donor.as_deref().unwrap_or_default()).map_err(ApiError::InvalidValue)?;
    let record = app.published.donors().get(&donor).cloned().unwrap_or_default();
    let mut room = reports_left(&app, &record);
    let (mut report, now) = (LogReport::default(), app.clock.now());
    for line in text.lines() {
        report.lines += 1;
        let Some(rejected) = crate::mail::rejected(line) else { continue };
        if room == 0 {
            return Err(ApiError::QuotaUsedUp);
        }
        match app.intake.logged(&donor, line, &rejected, now).await {
            SubmissionOutcome::Durable { .. } => (report.taken, room) = (report.taken + 1, room - 1),
            SubmissionOutcome::NoTrap | SubmissionOutcome::Unattributed | SubmissionOutcome::TooOld => {
                report.no_trap += 1
            }
            SubmissionOutcome::Later => return Err(ApiError::LogLineNotStored),
        }
    }
    Ok(Json(report))
}
