//! Checkpoints: the fold's state is read from the journal's checkpoint and stored there again.

use crate::blocklist::{Blocklist, CheckpointError, ListChanges, STATE_VERSION};
use crate::evidence::{Entry, Offset};
use crate::journal::{self, Checkpoint, Journal, JournalError};
use crate::publish::PublishError;

/// zstd's compression level for checkpoints.
const CHECKPOINT_COMPRESSION_LEVEL: i32 = 1;
/// Maximum size of a checkpoint before compression, in octets.
const CHECKPOINT_OCTETS_MAX: usize = 4 << 30;

/// Reads the journal's checkpoint. Begins with an empty state when there is no usable one.
///
/// # Errors
/// `NoWayBack` when the checkpoint can't be used and the journal's first entries were dropped.
pub fn restore(journal: &dyn Journal) -> Result<Blocklist, PublishError> {
    let from_start = |why: String| match journal.beginning()? {
        Offset::START => Ok(Blocklist::new()),
        _ => Err(PublishError::NoWayBack(why)),
    };
    match journal.checkpoint()? {
        None => from_start("there is no checkpoint".to_owned()),
        // An older version can be read: fields are numbered, and new ones have defaults.
        Some(checkpoint) if checkpoint.version > STATE_VERSION => from_start(format!(
            "the checkpoint has version {}, and this program reads up to {STATE_VERSION}; run the program that wrote it",
            checkpoint.version
        )),
        Some(checkpoint) => unfold(&checkpoint).or_else(|why| from_start(why.to_string())),
    }
}

fn unfold(checkpoint: &Checkpoint) -> Result<Blocklist, CheckpointError> {
    let octets = zstd::stream::decode_all(checkpoint.octets.as_slice())
        .map_err(|error| minicbor::decode::Error::message(error.to_string()))?;
    Blocklist::from_checkpoint(&octets)
}

/// Applies all entries that the journal holds after the fold's offset.
///
/// # Errors
/// When the journal can't be read.
pub fn catch_up(
    blocklist: &mut Blocklist,
    journal: &dyn Journal,
    mut applied: impl FnMut(&Blocklist, &Entry, ListChanges),
) -> Result<(), JournalError> {
    for entries in journal::follow(journal, blocklist.offset()) {
        for recorded in entries? {
            let changes = blocklist.apply(&recorded);
            applied(blocklist, &recorded.entry, changes);
        }
    }
    Ok(())
}

/// Stores a checkpoint of the state at an offset. The state is folded again from the last
/// checkpoint, so that the publishing fold need not wait.
pub(super) fn checkpoint_at(journal: &dyn Journal, offset: Offset) -> Result<(), PublishError> {
    let mut blocklist = restore(journal)?;
    for entries in journal::follow(journal, blocklist.offset()) {
        for recorded in entries?.iter().take_while(|recorded| recorded.offset <= offset) {
            // Entries may be missing: retention dropped them in the meantime, or the store is
            // damaged. A checkpoint without them would be wrong for ever.
            if journal.entries_between(blocklist.offset(), recorded.offset) != 1 {
                return Err(PublishError::Gap(blocklist.offset()));
            }
            blocklist.apply(recorded);
        }
        if blocklist.offset() >= offset {
            break;
        }
    }
    if blocklist.offset() < offset {
        return Err(PublishError::Gap(blocklist.offset()));
    }
    checkpoint(&blocklist, journal)
}

/// Stores a checkpoint of the current state.
///
/// # Errors
/// When the state is too large or the journal can't be written to.
pub fn checkpoint(blocklist: &Blocklist, journal: &dyn Journal) -> Result<(), PublishError> {
    let octets = blocklist.to_checkpoint();
    if octets.len() > CHECKPOINT_OCTETS_MAX {
        return Err(PublishError::CheckpointSize);
    }
    let octets = zstd::bulk::compress(&octets, CHECKPOINT_COMPRESSION_LEVEL)
        .map_err(|error| JournalError::Store(error.to_string()))?;
    journal.save_checkpoint(&Checkpoint { offset: blocklist.offset(), version: STATE_VERSION, octets })?;
    Ok(())
}
