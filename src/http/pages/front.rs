//! The front page.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::html::render;
use crate::http::error::ApiError;
use crate::http::extract::RequestPart;
use crate::relay::Relay;

/// Query parameters of the front page.
#[derive(Deserialize)]
pub(super) struct FrontPageQuery {
    address: Option<String>,
}

#[derive(Template)]
#[template(path = "index.html")]
struct FrontPage;

/// `GET /`: the front page; with `?address=...`, a redirect to the page of that address.
pub(super) async fn front(
    RequestPart(Query(asked)): RequestPart<Query<FrontPageQuery>>,
) -> Result<Response, ApiError> {
    match asked.address {
        Some(text) => {
            let relay: Relay = text.trim().parse().map_err(ApiError::InvalidValue)?;
            Ok(Redirect::to(&format!("/ip/{relay}")).into_response())
        }
        None => Ok(render(&FrontPage)?.into_response()),
    }
}
