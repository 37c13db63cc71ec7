//! Hourly limits per client network, for actions that must not be repeated without bound.

use dashmap::DashMap;

use crate::relay::Prefix;
use crate::time::Timestamp;

/// Maximum number of client networks in the table. While it is full, no other network is admitted
/// until the hour is over.
const CLIENTS_MAX: usize = 100_000;

/// Counts an action per client network and hour, against a limit.
pub struct HourlyLimit {
    per_client_max: u32,
    counted: DashMap<Prefix, (u32, u32)>,
}

impl HourlyLimit {
    /// A counter that admits `per_client_max` actions per hour from each client network.
    pub fn new(per_client_max: u32) -> Self {
        HourlyLimit { per_client_max, counted: DashMap::new() }
    }

    /// Counts one action. `false` if it exceeds the limit.
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
