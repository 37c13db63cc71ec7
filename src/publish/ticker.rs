//! The ticks by which the fold learns the time.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::evidence::Entry;
use crate::journal::Journal;
use crate::time::{Clock, Span, Timestamp};

/// How often the clock is read: a laboratory clock may jump at any moment.
const TICK_LOOK: Duration = Duration::from_millis(50);
/// Pause after a tick that could not be written.
const TICK_PAUSE: Duration = Duration::from_secs(5);

/// Writes a tick entry for every interval of the clock until it is stopped.
pub async fn tick(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, interval: Span, stop: CancellationToken) {
    let mut last = None;
    let mut due = tokio::time::interval(interval.to_std().min(TICK_LOOK));
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = stop.cancelled() => return,
        }
        let number = tick_number(clock.now(), interval);
        if last == Some(number) {
            continue;
        }
        match journal.append(Entry::Tick(number).into()).await {
            Ok(_) => last = Some(number),
            Err(error) => {
                tracing::error!(%error, "cannot write a tick; listings do not expire until a tick is written");
                tokio::time::sleep(TICK_PAUSE).await;
            }
        }
    }
}

/// The number of the interval that a time belongs to.
pub fn tick_number(now: Timestamp, interval: Span) -> u64 {
    u64::try_from(now.milliseconds() / interval.milliseconds().max(1)).unwrap_or(0)
}
