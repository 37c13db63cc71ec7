//! Recalling: evidence that was counted while the DNS owed an answer is asked about again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::evidence::{Entry, Evidence, Offset};
use crate::journal::Journal;
use crate::observe::{Observer, Recall, Recalled, is_asked_about};
use crate::publish::Published;
use crate::relay::Relay;

/// How often the fold's time is read, to see whether a search is due. A laboratory clock may jump at
/// any moment.
const TIME_LOOK: Duration = Duration::from_millis(500);

/// Searches the ledgers for reports without an answer, and asks about them again, until it is
/// stopped.
pub(super) async fn recall(
    published: Arc<Published>,
    journal: Arc<dyn Journal>,
    observer: Arc<Observer>,
    stop: CancellationToken,
) {
    let mut recall = Recall::default();
    while observer.is_enabled() {
        let now = published.snapshot().time;
        if recall.is_due(now) {
            let (published, journal) = (Arc::clone(&published), Arc::clone(&journal));
            let places = observer.room();
            let search = tokio::task::spawn_blocking(move || {
                let mut search = recall.search(now, places);
                published.for_each_relay(|prefix, record| {
                    search.look(Relay::new(prefix.network()).lookup_group(), &record.ledger);
                });
                let found = search.found();
                let evidence = read(&*journal, &found);
                (recall, found.has_all, evidence)
            });
            // The search panics only by a fault of the program.
            let Ok((searched, has_all, evidence)) = search.await else { return };
            recall = searched;
            let mut asked = Vec::new();
            let mut has_room = true;
            for Found { offset, attempt, evidence } in evidence {
                // Evidence that is gone, or that no answer could make count, needs no further search.
                let is_done = evidence.is_none_or(|evidence| observer.ask_again(evidence, attempt));
                has_room &= is_done;
                asked.extend(is_done.then_some(offset));
            }
            recall.searched(now, asked, has_all && has_room);
        }
        tokio::select! {
            () = tokio::time::sleep(TIME_LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// A report that was found; without its evidence if nothing is to be asked about it.
struct Found {
    offset: Offset,
    attempt: u16,
    evidence: Option<Box<Evidence>>,
}

/// Reads the evidence of the reports that a search found.
fn read(journal: &dyn Journal, recalled: &Recalled) -> Vec<Found> {
    let read = |&(offset, attempt): &(Offset, u16)| {
        let evidence = match journal.entry(offset) {
            Ok(recorded) => recorded.and_then(|recorded| match recorded.entry {
                Entry::Evidence(evidence) if is_asked_about(&evidence) => Some(evidence),
                _ => None,
            }),
            Err(error) => {
                tracing::warn!(%error, "cannot read evidence that the DNS was to be asked about again");
                None
            }
        };
        Found { offset, attempt, evidence }
    };
    recalled.evidence.iter().map(read).collect()
}
