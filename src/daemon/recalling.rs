//! Recalling: evidence about which the DNS owes an answer is asked about again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::evidence::{Entry, Evidence, Offset};
use crate::journal::{Journal, JournalError, follow};
use crate::observe::{Observer, Recall, Recalled};
use crate::publish::Published;
use crate::time::Timestamp;

/// How often the fold's time is read, to see whether a search is due. A laboratory clock may jump at
/// any moment.
const TIME_LOOK: Duration = Duration::from_millis(500);

/// Searches the journal for evidence without an answer, and asks about it again, until it is stopped.
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
            let (journal, stop) = (Arc::clone(&journal), stop.clone());
            let places = observer.room();
            let search = tokio::task::spawn_blocking(move || {
                learn(&mut recall, &*journal, now, &stop);
                let found = recall.search(now, places);
                let evidence = read(&*journal, &found);
                (recall, found.has_all, evidence)
            });
            // The search panics only by a fault of the program.
            let Ok((searched, has_all, evidence)) = search.await else { return };
            recall = searched;
            let mut asked = Vec::new();
            let mut has_room = true;
            for Found { offset, attempt, evidence } in evidence {
                // Evidence that is gone needs no further search.
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

/// Learns the journal's entries since the last search. The first time, these are all that are not too
/// old to be asked about.
fn learn(recall: &mut Recall, journal: &dyn Journal, now: Timestamp, stop: &CancellationToken) {
    let after = match recall.learnt() {
        Offset::START => first_after(journal, Recall::oldest(now)),
        learnt => Ok(learnt),
    };
    let learnt = after.and_then(|after| {
        for batch in follow(journal, after) {
            if stop.is_cancelled() {
                break;
            }
            batch?.iter().for_each(|recorded| recall.learn(recorded, |offset| evidence_of(journal, offset)));
        }
        Ok(())
    });
    if let Err(error) = learnt {
        tracing::warn!(%error, "cannot read which evidence the DNS is to be asked about again");
    }
}

/// A place in the journal before which every entry is older than a time.
fn first_after(journal: &dyn Journal, time: Timestamp) -> Result<Offset, JournalError> {
    let (mut low, mut high) = (journal.beginning()?.number(), journal.head().borrow().number());
    while low < high {
        let middle = low + (high - low) / 2;
        let next = journal.read(Offset::from_number(middle), 1)?;
        if next.first().is_some_and(|recorded| recorded.at < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(Offset::from_number(low))
}

/// Evidence that was found; `None` if it is gone.
struct Found {
    offset: Offset,
    attempt: u16,
    evidence: Option<Box<Evidence>>,
}

/// Reads the evidence that a search found.
fn read(journal: &dyn Journal, recalled: &Recalled) -> Vec<Found> {
    let read = |&(offset, attempt)| Found { offset, attempt, evidence: evidence_of(journal, offset) };
    recalled.evidence.iter().map(read).collect()
}

fn evidence_of(journal: &dyn Journal, offset: Offset) -> Option<Box<Evidence>> {
    match journal.entry(offset) {
        Ok(recorded) => recorded.and_then(|recorded| match recorded.entry {
            Entry::Evidence(evidence) => Some(evidence),
            _ => None,
        }),
        Err(error) => {
            tracing::warn!(%error, "cannot read evidence that the DNS was to be asked about again");
            None
        }
    }
}
