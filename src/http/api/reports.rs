//! Messages that a donor's traps received and the donor submits, and the receipts for them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::blocklist::is_evidence;
use crate::evidence::{Entry, Evidence, RecordedEntry};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::http::limits::{REPORT_OCTETS_MAX, REPORT_TIMEOUT};
use crate::http::submissions::{SubmissionQuery, SubmissionResult, submit};
use crate::http::tokens::KnownDonor;
use crate::time::{Span, Timestamp};
use crate::trap::{Donor, KnownTraps};
use crate::zone::{self, Snapshot};

/// A receipt tells what became of a report from the first midnight (UTC) on that is at least this
/// long after it was taken, so that the answer cannot be brought together with a change of the list.
const RECEIPT_DELAY: Span = Span::from_days(1);

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
    match submit(&app, Some((donor.clone(), record)), handed, &headers, message).await {
        Err(ApiError::NotATrap) if !app.intake.wrong_recipient(&donor, app.clock.now()) => {
            Err(ApiError::TooManyWrongRecipients)
        }
        submitted => submitted,
    }
}

/// What became of a report that a donor handed on.
#[derive(Debug, Serialize)]
pub(super) struct ReportReceipt {
    /// The receipt.
    id: String,
    /// The day on which the report was taken.
    day: Timestamp,
    /// What became of it.
    state: ReportState,
}

/// What became of a report. It follows from the report, the donor's own trap and the policies of the
/// zones, and tells nothing of other reports, other donors and the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ReportState {
    /// The report is durable; nothing more is told for a day.
    Taken,
    /// The message is a report that can be evidence.
    Evidence,
    /// The message is no report, or one that never weighs anything.
    NotEvidence,
    /// The donor's trap had not been silent for long enough.
    TrapTooYoung,
}

/// `GET /api/v1/donor/reports/{id}`: what became of a report, by its receipt. A receipt of another
/// donor, an unknown one and one whose report is no longer kept get the same answer.
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    KnownDonor(donor, record): KnownDonor,
    RequestPart(Path(id)): RequestPart<Path<String>>,
) -> Result<Json<ReportReceipt>, ApiError> {
    // The proof in the receipt is checked first, so that no look-up depends on reports of others.
    let report = app.keys.hasher().report_of_receipt(&donor, &id).ok_or(ApiError::UnknownReport)?;
    let journal = Arc::clone(&app.journal);
    let found = tokio::task::spawn_blocking(move || journal.find(report)).await;
    let found = found.map_err(|error| ApiError::Internal(error.to_string()))??;
    let Some(RecordedEntry { at, entry: Entry::Evidence(evidence), .. }) = found else {
        return Err(ApiError::UnknownReport);
    };
    let is_of_before = record.departed.is_some_and(|departed| at <= departed);
    if is_of_before || evidence.forwarded_by.as_ref() != Some(&donor) {
        return Err(ApiError::UnknownReport);
    }
    let state = state_of(&evidence, at, &donor, &app.published.traps(), &app.published.snapshot());
    Ok(Json(ReportReceipt { id, day: at.whole_day(), state }))
}

fn state_of(
    evidence: &Evidence,
    at: Timestamp,
    donor: &Donor,
    known: &KnownTraps,
    snapshot: &Snapshot,
) -> ReportState {
    if snapshot.time.whole_day() < at.plus(RECEIPT_DELAY) {
        return ReportState::Taken;
    }
    let zones = snapshot.zones().iter().map(|zone| &*zone.config);
    let age = zones.clone().map(|zone: &zone::Config| zone.policy.trap_age).max().unwrap_or_default();
    let given = known.traps.find_given(donor, evidence.trap, evidence.trap_domain, &evidence.wider);
    // A trap that was given anew since says nothing about the time of the report.
    let given = given.map(|(_, trap)| trap).filter(|trap| trap.since <= at);
    if !is_evidence(evidence, zones) {
        ReportState::NotEvidence
    } else if given.is_some_and(|trap| trap.silent_since.plus(age) > at) {
        ReportState::TrapTooYoung
    } else {
        ReportState::Evidence
    }
}
