//! Authentication by the token in `Authorization: Bearer` (RFC 6750). Only digests of tokens are
//! stored.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::app::App;
use super::clients::ClientNetwork;
use super::error::ApiError;
use crate::blocklist::DonorRecord;
use crate::digest::Digest;
use crate::trap::Donor;

/// Maximum number of wrong tokens per hour from one IPv4 /24 or IPv6 /48. Further wrong ones get
/// 429.
pub const WRONG_TOKENS_MAX: u32 = 30;

/// The donor authenticated by the request's token. As an extractor of a part of the request it runs
/// before the body is read.
pub(super) struct KnownDonor(pub(super) Donor, pub(super) DonorRecord);

impl FromRequestParts<Arc<App>> for KnownDonor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let donors = app.published.donors();
        let by_token = |digest| donors.iter().find(|(_, record)| record.terms.token == Some(digest));
        let (donor, record) = bearer(app, parts, by_token).await?;
        if record.terms.suspended {
            return Err(ApiError::SenderSuspended);
        }
        Ok(KnownDonor(donor.clone(), record.clone()))
    }
}

/// The operator authenticated by the request's token, by name. As an extractor of a part of the
/// request it runs before the body is read.
pub(super) struct KnownOperator(pub(super) String);

impl FromRequestParts<Arc<App>> for KnownOperator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let by_token = |digest| app.operators.iter().find(|(_, known)| *known == digest);
        let (name, _) = bearer(app, parts, by_token).await?;
        Ok(KnownOperator(name.clone()))
    }
}

/// Authenticates a request. `known` looks the digest of its token up. Digests are compared instead
/// of tokens, so that the duration of the comparison reveals nothing about a token.
///
/// # Errors
/// When there is no known token, or the client's network sent too many wrong ones.
async fn bearer<T>(
    app: &Arc<App>,
    parts: &mut Parts,
    known: impl FnOnce(Digest) -> Option<T>,
) -> Result<T, ApiError> {
    let ClientNetwork(client) = ClientNetwork::from_request_parts(parts, app).await?;
    let token = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    // A client with a known token is admitted even if its network has exceeded the limit. Tokens
    // are too long to be guessed; the limit only saves work.
    if let Some(found) = token.and_then(|token| known(Digest::of(token.as_bytes()))) {
        return Ok(found);
    }
    app.metrics.http_unauthorized_total.inc();
    if token.is_some() && !app.wrong_tokens.admits(client, app.clock.now()) {
        return Err(ApiError::TooManyWrongTokens);
    }
    Err(ApiError::NoToken)
}
