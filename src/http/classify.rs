//! `POST /api/v1/classify`: classifies a message without recording it. Nothing of the message is
//! stored.

use std::net::IpAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::addresses::{Problem, bad_address};
use crate::classify::{self, SessionFacts};
use crate::mail::{self, Mailbox, ReversePath};

/// Maximum size of a message in octets; 413 beyond.
pub(super) const MESSAGE_OCTETS_MAX: usize = 1 << 20;
/// Maximum number of messages that are classified at one time; 503 beyond.
const AT_ONCE_MAX: usize = 8;

static AT_ONCE: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// Query parameters: facts of the SMTP session that delivered the message, as far as they are
/// known.
#[derive(Deserialize)]
pub(super) struct ClassifyQuery {
    /// The reverse-path; `<>` is the null reverse-path.
    reverse_path: Option<String>,
    /// The address of the SMTP client.
    client: Option<IpAddr>,
    /// The recipient, a trap.
    trap: Option<String>,
}

/// `POST /api/v1/classify`
pub(super) async fn classify(Query(asked): Query<ClassifyQuery>, message: Bytes) -> Response {
    let recipient = match asked.trap.as_deref().map(|trap| (trap, Mailbox::parse(trap))) {
        Some((trap, None)) => return bad_address(format!("trap: {trap:?} is not a mail address")),
        other => other.and_then(|(_, mailbox)| mailbox),
    };
    let session = SessionFacts {
        reverse_path: asked.reverse_path.as_deref().map(ReversePath::parse),
        client: asked.client,
        recipient,
        trusted_hops: 0,
    };
    let Ok(_place) = AT_ONCE.try_acquire() else {
        let problem =
            Problem { error: format!("{AT_ONCE_MAX} messages are being classified; try again later") };
        return (StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response();
    };
    match tokio::task::spawn_blocking(move || classify::classify(&mail::read(&message), &session)).await {
        Ok(verdict) => Json(verdict.json()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
