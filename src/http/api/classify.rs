//! `POST /api/v1/classify`: classifies a message without recording it. Nothing of the message is
//! stored.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::classify::{self, SessionFacts};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::mail::{self, Mailbox, ReversePath};

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
pub(super) async fn classify(
    State(app): State<Arc<App>>,
    RequestPart(Query(asked)): RequestPart<Query<ClassifyQuery>>,
    RequestBody(message): RequestBody<Bytes>,
) -> Result<Response, ApiError> {
    let recipient = match asked.trap.as_deref().map(|trap| (trap, Mailbox::parse(trap))) {
        Some((trap, None)) => {
            return Err(ApiError::InvalidValue(format!("trap: {trap:?} is not a mail address")));
        }
        other => other.and_then(|(_, mailbox)| mailbox),
    };
    let session = SessionFacts {
        reverse_path: asked.reverse_path.as_deref().map(ReversePath::parse),
        client: asked.client,
        recipient,
        trusted_hops: 0,
    };
    let _place = app.places.classified.try_acquire().map_err(|_| ApiError::ClassifierBusy)?;
    let judged =
        tokio::task::spawn_blocking(move || classify::classify(&mail::read(&message), &session)).await;
    let verdict = judged.map_err(|_| ApiError::Internal("the classifier failed".to_owned()))?;
    Ok(Json(verdict.json()).into_response())
}
