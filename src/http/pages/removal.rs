//! Removal of an address from its page, in two steps: a page on which the visitor confirms the
//! removal, and a page with the receipt. Neither needs a script.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::html::render;
use super::problem::PageProblem;
use crate::http::app::App;
use crate::http::clients::ClientNetwork;
use crate::http::confirmation::{TOKEN_LIFETIME, is_token, removed_at, token};
use crate::http::error::ApiError;
use crate::http::extract::{RequestBody, RequestPart};
use crate::http::origin::OwnOrigin;
use crate::http::removal::{options, remove_oneself};
use crate::relay::Relay;
use crate::time::Timestamp;

#[derive(Template)]
#[template(path = "confirmation.html")]
struct ConfirmationPage {
    relay: Relay,
    token: String,
    minutes: i64,
    /// The token that was sent can't be used.
    is_repeated: bool,
    /// The mail address of the operator, if a listing by the operator's decision stays.
    decided_by: Option<String>,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    relay: Relay,
    at: Timestamp,
    receipt: String,
    decided_by: Option<String>,
}

/// Query parameters of the receipt's page.
#[derive(Deserialize)]
pub(super) struct ReceiptQuery {
    receipt: Option<String>,
}

/// `POST /ip/{address}/removal`: without a token, the page on which the visitor confirms the removal.
/// With its token, removes the address, and redirects to the receipt.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    own: Result<OwnOrigin, ApiError>,
    client: Result<ClientNetwork, ApiError>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
    RequestBody(form): RequestBody<String>,
) -> Result<Response, PageProblem> {
    let (_own, client, now) = (own?, client?, app.clock.now());
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let ClientNetwork(network) = client;
    let hasher = app.keys.hasher();
    let sent = form.split('&').find_map(|field| field.trim().strip_prefix("token="));
    if sent.is_some_and(|sent| is_token(hasher, relay, network, now, sent)) {
        let done = remove_oneself(&app, client, relay).await?;
        let page = format!("/ip/{relay}/removal?receipt={}", done.receipt);
        return Ok(Redirect::to(&page).into_response());
    }
    let options = options(&app, relay);
    options.permit(relay, now)?;
    let page = ConfirmationPage {
        relay,
        token: token(hasher, relay, network, now),
        minutes: TOKEN_LIFETIME.seconds() / 60,
        is_repeated: sent.is_some(),
        decided_by: options.decided_by,
    };
    let status = if page.is_repeated { StatusCode::FORBIDDEN } else { StatusCode::OK };
    Ok((status, render(&page)?).into_response())
}

/// `GET /ip/{address}/removal?receipt=...`: the receipt of a removal. Without one, a redirect to the
/// page of the address.
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    RequestPart(Path(address)): RequestPart<Path<String>>,
    RequestPart(Query(asked)): RequestPart<Query<ReceiptQuery>>,
) -> Result<Response, PageProblem> {
    let relay: Relay = address.parse().map_err(ApiError::InvalidValue)?;
    let Some(receipt) = asked.receipt else {
        return Ok(Redirect::to(&format!("/ip/{relay}")).into_response());
    };
    let at = removed_at(app.keys.hasher(), relay, &receipt).ok_or(ApiError::UnknownReceipt)?;
    let decided_by = options(&app, relay).decided_by;
    Ok(render(&ReceiptPage { relay, at, receipt, decided_by })?.into_response())
}
