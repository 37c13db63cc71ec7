//! `token`, and the tokens that other commands make.

use super::failure::{CommandFailure, EX_IO};
use super::output::tell;
use crate::digest::Digest;

/// A new random token and its digest.
///
/// # Errors
/// When the system gives no random octets.
pub(super) fn new_token() -> Result<(String, Digest), CommandFailure> {
    let failed = |error: crate::keys::KeyError| CommandFailure::new(EX_IO, error.to_string());
    let token = Digest::from_octets(crate::keys::random().map_err(failed)?).to_string();
    let digest = Digest::of(token.as_bytes());
    Ok((token, digest))
}

/// Prints a new token and its digest. The digest goes into `http.operators`, `dns.keys` or a
/// donor's terms.
///
/// # Errors
/// When the system gives no random octets, or standard output cannot be written.
pub(super) fn token() -> Result<(), CommandFailure> {
    let (token, digest) = new_token()?;
    tell(&format!(
        "token = \"{token}\"\n# for http.operators, dns.keys or donors; the token itself is not stored\ntoken_digest = \"{digest}\"\n"
    ))
}
