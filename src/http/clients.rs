//! How often one client may do what costs others something.

use std::net::IpAddr;

use axum::http::HeaderMap;
use dashmap::DashMap;

use super::App;
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;

/// Most clients that are counted at one time; beyond it nobody new is let in until the hour is over.
const CLIENTS_MAX: usize = 100_000;

/// Who asks: behind a proxy of ours, whom it names last.
pub(super) fn client_network(app: &App, peer: IpAddr, headers: &HeaderMap) -> Prefix {
    let named = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    let client = match named {
        Some(named) if app.proxies.iter().any(|proxy| proxy.contains(&peer)) => named,
        _ => peer,
    };
    let client = Relay::new(client).address();
    Prefix::around(client, if client.is_ipv4() { 24 } else { 48 })
}

/// What clients did within the hour, by their network.
pub struct PerHour {
    per_client_max: u32,
    counted: DashMap<Prefix, (u32, u32)>,
}

impl PerHour {
    pub fn new(per_client_max: u32) -> Self {
        PerHour { per_client_max, counted: DashMap::new() }
    }

    /// Counts once more; whether that is still within what is allowed.
    pub(super) fn admits(&self, client: Prefix, now: Timestamp) -> bool {
        let hour = now.hour();
        if self.counted.len() >= CLIENTS_MAX {
            self.counted.retain(|_, (of, _)| *of == hour);
        }
        if self.counted.len() >= CLIENTS_MAX && !self.counted.contains_key(&client) {
            return false;
        }
        let mut counted = self.counted.entry(client).or_insert((hour, 0));
        if counted.0 != hour {
            *counted = (hour, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        counted.1 <= self.per_client_max
    }
}
