//! Reads the parts of requests with axum's extractors. The error about a wrong part has the shape of
//! every other error.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;

use super::error::ApiError;

/// A part of a request that is not its body: the path or the query.
pub(super) struct RequestPart<E>(pub(super) E);

impl<S, E> FromRequestParts<S> for RequestPart<E>
where
    S: Send + Sync,
    E: FromRequestParts<S>,
    ApiError: From<E::Rejection>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(RequestPart(E::from_request_parts(parts, state).await?))
    }
}

/// The whole body of a request.
pub(super) struct RequestBody<E>(pub(super) E);

impl<S, E> FromRequest<S> for RequestBody<E>
where
    S: Send + Sync,
    E: FromRequest<S>,
    ApiError: From<E::Rejection>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Ok(RequestBody(E::from_request(request, state).await?))
    }
}
