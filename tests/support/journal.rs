//! Reads the store of a daemon that does not run.

use std::path::Path;
use std::sync::Arc;

use backscatterd::evidence::{Entry, Offset};
use backscatterd::journal::{EmbeddedJournal, Journal};
use backscatterd::smtp::queue_id;
use backscatterd::time::SystemClock;

/// The queue ids of all evidence in a journal's store, in order, as the clients were told them.
pub(crate) fn queue_ids(store: &Path) -> Vec<String> {
    let journal = EmbeddedJournal::open(store, Arc::new(SystemClock::start())).unwrap();
    let entries = journal.read(Offset::START, usize::MAX).unwrap();
    let ids = entries.into_iter().filter_map(|recorded| match recorded.entry {
        Entry::Evidence(evidence) => Some(queue_id(&evidence.id.to_string())),
        _ => None,
    });
    ids.collect()
}
