//! Messages that donors, or the operator in their names, submit as evidence.

use std::net::IpAddr;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::app::App;
use super::error::ApiError;
use crate::blocklist::DonorRecord;
use crate::intake::{Submission, SubmissionOutcome};
use crate::mail::{Mailbox, ReversePath};
use crate::trap::Donor;

/// Maximum length of an idempotency key in octets.
const KEY_OCTETS_MAX: usize = 255;

/// Query parameters of a submitted message: facts of its delivery to the donor.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SubmissionQuery {
    /// The envelope recipient.
    recipient: Option<String>,
    /// The reverse-path; `<>` is the null reverse-path.
    reverse_path: Option<String>,
    /// The address of the relay that delivered the message to the donor's host.
    client: Option<IpAddr>,
    /// Only on the control socket: the donor in whose name the message is submitted.
    #[serde(default)]
    pub(super) donor: Option<String>,
}

/// The response to an accepted message.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubmissionResult {
    /// The receipt, by which the donor can ask what became of the message. Its first 32 digits are
    /// the id of the message in the log.
    pub id: String,
}

/// Submits a message in the name of `donor`. Without one, which only the operator can do, it is
/// submitted in the name of the donor that gave the trap first.
///
/// No answer to a donor depends on the traps of another one: only the donor's own traps are looked
/// up, and what the donor gave is taken alike, also if another donor gave it before.
///
/// # Errors
/// When a value is wrong, the donor's quota is used up, the message is not evidence, or it cannot
/// be stored.
pub(super) async fn submit(
    app: &App,
    donor: Option<(Donor, DonorRecord)>,
    handed: SubmissionQuery,
    headers: &HeaderMap,
    message: Bytes,
) -> Result<(StatusCode, Json<SubmissionResult>), ApiError> {
    if donor.as_ref().is_some_and(|(_, record)| reports_left(app, record) == 0) {
        return Err(ApiError::QuotaUsedUp);
    }
    let recipient = match handed.recipient.as_deref().map(|text| Mailbox::parse(text).ok_or(text)) {
        Some(Err(text)) => {
            return Err(ApiError::InvalidValue(format!("recipient: {text:?} is not a mail address")));
        }
        other => other.and_then(Result::ok),
    };
    let key = match headers.get("idempotency-key").map(|value| value.to_str()) {
        Some(Ok(key)) if (1..=KEY_OCTETS_MAX).contains(&key.len()) => key.to_owned(),
        Some(_) => return Err(ApiError::InvalidIdempotencyKey),
        None => String::new(),
    };
    let submission = Submission {
        donor: donor.map(|(donor, _)| donor),
        seen_at: app.clock.now(),
        key,
        recipient,
        reverse_path: handed.reverse_path.as_deref().map(ReversePath::parse),
        client: handed.client,
        message: message.into(),
    };
    match app.intake.submit(submission).await {
        SubmissionOutcome::Durable { receipt } => {
            Ok((StatusCode::ACCEPTED, Json(SubmissionResult { id: receipt })))
        }
        SubmissionOutcome::Later => Err(ApiError::MessageNotStored),
        SubmissionOutcome::NoTrap => Err(ApiError::NotATrap),
        SubmissionOutcome::Unattributed => Err(ApiError::UnknownRelay),
        SubmissionOutcome::TooOld => Err(ApiError::TooOld),
    }
}

/// The number of messages and log lines that a donor may still submit today.
pub(super) fn reports_left(app: &App, record: &DonorRecord) -> u64 {
    let today = record.contribution.forwarded_on(app.published.snapshot().time);
    record.terms.reports_per_day_max.saturating_sub(today)
}
