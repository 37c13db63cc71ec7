//! Who speaks, by the token in `Authorization: Bearer` (RFC 6750). Only digests of tokens are kept.

use std::net::IpAddr;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::addresses::Problem;
use super::clients::client_network;
use crate::digest::Digest;

/// Wrong tokens an hour from one IPv4 /24 or IPv6 /48; 429 to further wrong ones.
pub const WRONG_TOKENS_MAX: u32 = 30;
/// When to come back then, in seconds.
const RETRY_AFTER: &str = "3600";

/// Whoever has the token. The digests are compared, so that the time it takes tells nothing of the token.
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
    // Whoever has a token is let in, whatever others in his network try: tokens are too long to be guessed, wrong ones only cost time.
    if let Some(found) = token.and_then(|token| known(Digest::of(token.as_bytes()))) {
        return Ok(found);
    }
    if token.is_some() && !app.wrong_tokens.admits(client, now) {
        let problem = "too many wrong tokens from your network within an hour; come back later";
        return Err(refused(StatusCode::TOO_MANY_REQUESTS, (header::RETRY_AFTER, RETRY_AFTER), problem));
    }
    let problem = "this needs a token that is known here, as \"Authorization: Bearer TOKEN\"";
    Err(refused(StatusCode::UNAUTHORIZED, (header::WWW_AUTHENTICATE, "Bearer"), problem))
}
