//! The fold at work: it follows the journal, and publishes what it makes of it. The fold runs in a
//! thread of its own; readers never wait for it, and it never waits for readers.

mod checkpoint;
mod published;
mod publisher;
mod ticker;

pub use checkpoint::{catch_up, checkpoint, restore};
pub use published::Published;
pub use publisher::{Publisher, RetentionPeriods};
pub use ticker::{tick, tick_number};

use crate::audit::AuditError;
use crate::evidence::Offset;
use crate::journal::JournalError;
use crate::keys::KeyError;

/// Why the fold could not run or publish.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The keys of old reports could not be destroyed.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// There is no usable checkpoint, and the journal's first entries were dropped.
    #[error("{0}; the journal's first entries were deleted, so the list cannot be made without a checkpoint")]
    NoWayBack(String),
    /// The audit record failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The state is too large for a checkpoint.
    #[error("the state is larger than the maximum size of a checkpoint")]
    CheckpointSize,
    /// An entry did not take effect in time.
    #[error("the fold did not apply the journal's last entry in time")]
    Behind,
    /// Entries that a checkpoint needs were dropped.
    #[error("entries after {0} are missing from the journal")]
    Gap(Offset),
}
