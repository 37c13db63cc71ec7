//! Explanations of addresses, and notices to their operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::explain;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::mail::Mailbox;
use crate::relay::Relay;

/// Query parameters of an explanation.
#[derive(Deserialize)]
pub(super) struct FormatQuery {
    /// `text` for plain text, else JSON.
    #[serde(default)]
    format: String,
}

/// Query parameters of a notice: the mail addresses of its sender and its recipient.
#[derive(Deserialize)]
pub(super) struct NoticeQuery {
    from: String,
    to: String,
}

/// `GET /control/v1/explain/{address}`: an explanation as JSON or, with `format=text`, as plain
/// text.
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
    RequestPart(Query(form)): RequestPart<Query<FormatQuery>>,
) -> Result<Response, ApiError> {
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let (published, standing) = (&app.published, app.published.standing());
    let record = published.relay(relay);
    let explanation = explain::explain(
        relay,
        record.as_deref(),
        &standing.exemptions,
        &published.snapshot(),
        published.applied(),
    );
    Ok(if form.format == "text" {
        explanation.to_string().into_response()
    } else {
        Json(explanation).into_response()
    })
}

/// `GET /control/v1/notice/{address}?from=...&to=...`: a feedback report (RFC 5965) that the
/// operator can send.
pub(super) async fn notice(
    State(app): State<Arc<App>>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
    RequestPart(Query(between)): RequestPart<Query<NoticeQuery>>,
) -> Result<String, ApiError> {
    let mailbox = |text: &str| {
        Mailbox::parse(text).ok_or_else(|| ApiError::InvalidValue(format!("{text:?} is not a mail address")))
    };
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let (from, to) = (mailbox(&between.from)?, mailbox(&between.to)?);
    let envelope = explain::NoticeEnvelope { from: &from, to: &to, now: app.clock.now() };
    let record = app.published.public_relay(relay);
    explain::notice(relay, &record, &app.published.snapshot(), &envelope).ok_or(ApiError::NotListed(relay))
}
