//! Counts of actions by the hour: limits per client network, and the number of all clients together.

use std::sync::{Mutex, PoisonError};

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

/// Counts an action of all clients together by the hour.
#[derive(Default)]
pub struct HourlyCount(Mutex<(u32, u32)>);

impl HourlyCount {
    /// Counts one action. Returns the number in this hour.
    pub(super) fn count(&self, now: Timestamp) -> u32 {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (hour, number) = *counted;
        let before = if hour == now.hour() { number } else { 0 };
        *counted = (now.hour(), before.saturating_add(1));
        counted.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    #[test]
    fn actions_are_counted_by_the_hour() {
        let (count, now) = (HourlyCount::default(), "2026-01-01T12:59:59Z".parse::<Timestamp>().unwrap());
        assert_eq!([count.count(now), count.count(now), count.count(now)], [1, 2, 3]);
        assert_eq!(count.count(now.plus(Span::from_seconds(1))), 1);
        assert_eq!(count.count(now.plus(Span::from_days(1))), 1);
    }
}
