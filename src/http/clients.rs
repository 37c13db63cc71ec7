//! The network of a request's client, which limits apply to.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

use super::app::App;
use super::error::ApiError;
use crate::relay::{Prefix, Relay};

/// The network of a request's client: its IPv4 /24 or IPv6 /48. If the peer is a configured proxy,
/// the client is the last address in X-Forwarded-For.
#[derive(Clone, Copy)]
pub(super) struct ClientNetwork(pub(super) Prefix);

impl FromRequestParts<Arc<App>> for ClientNetwork {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(parts, app).await?;
        let peer = peer.ip();
        let named = parts
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .next_back()
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        let client = match named {
            Some(named) if app.proxies.iter().any(|proxy| proxy.contains(&peer)) => named,
            _ => peer,
        };
        let client = Relay::new(client).address();
        Ok(ClientNetwork(Prefix::shared(client)))
    }
}
