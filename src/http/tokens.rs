//! Authentication by the token in `Authorization: Bearer` (RFC 6750). Only digests of tokens are
//! stored.

use std::net::IpAddr;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::addresses::Problem;
use super::clients::client_network;
use crate::digest::Digest;

/// Maximum number of wrong tokens per hour from one IPv4 /24 or IPv6 /48. Further wrong ones get
/// 429.
pub const WRONG_TOKENS_MAX: u32 = 30;
/// The value of Retry-After with 429, in seconds.
const RETRY_AFTER: &str = "3600";

/// Authenticates a request. `known` looks the digest of its token up. Digests are compared instead
/// of tokens, so that the duration of the comparison reveals nothing about a token.
///
/// # Errors
/// The response to send: 401 when there is no known token, 429 after too many wrong tokens.
pub(super) fn bearer<T>(
    app: &App,
    peer: IpAddr,
    headers: &HeaderMap,
    known: impl FnOnce(Digest) -> Option<T>,
) -> Result<T, Box<Response>> {
    let (client, now) = (client_network(app, peer, headers), app.clock.now());
    let refused = |status: StatusCode, header: (header::HeaderName, &'static str), problem: &str| {
        app.metrics.http_unauthorized_total.inc();
        Box::new((status, [header], Json(Problem { error: problem.to_owned() })).into_response())
    };
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    // A client with a known token is admitted even if its network has exceeded the limit. Tokens
    // are too long to be guessed; the limit only saves work.
    if let Some(found) = token.and_then(|token| known(Digest::of(token.as_bytes()))) {
        return Ok(found);
    }
    if token.is_some() && !app.wrong_tokens.admits(client, now) {
        let problem = "too many wrong tokens from your network within an hour; try again later";
        return Err(refused(StatusCode::TOO_MANY_REQUESTS, (header::RETRY_AFTER, RETRY_AFTER), problem));
    }
    let problem = "this request requires a valid token, as \"Authorization: Bearer TOKEN\"";
    Err(refused(StatusCode::UNAUTHORIZED, (header::WWW_AUTHENTICATE, "Bearer"), problem))
}
