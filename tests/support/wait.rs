//! Waiting for an event; the only place where tests look again and again.

use std::time::{Duration, Instant};

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until a condition is true, at least once. Returns whether it was true within the limit.
#[expect(clippy::disallowed_methods, reason = "the limit is wall time")]
pub(crate) fn happens_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begun.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
