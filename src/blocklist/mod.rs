//! The fold: it applies journal entries in order and keeps the list. The same entries produce the
//! same list on every machine.
//!
//! [`Blocklist::apply`] is the only function that changes the state. Only ticks advance the fold's
//! time; every other entry takes effect at the time of the last tick. The state has one owner and
//! contains only ordered collections. Applying an entry cannot fail: an entry that cannot take
//! effect is ignored, and the reason is returned as a [`ListChange`]. Every change of the list
//! produces an audit record.

mod answers;
mod apply;
mod audit;
mod changes;
mod checkpoints;
mod counting;
mod decisions;
mod guard;
mod holding;
mod holds;
mod judging;
mod late;
mod public;
mod publication;
mod publication_queue;
mod published;
mod question_domains;
mod records;
mod standing;
mod state;
mod verifying;
mod view;

use std::collections::{BTreeMap, BTreeSet};

pub use answers::RelayAnswer;
pub use audit::{AuditHead, AuditRecord};
pub use changes::{ListChange, ListChanges};
pub use checkpoints::{CheckpointError, STATE_VERSION};
pub use holds::{HoldingGuard, ListingHold, WAITING_SITES_MAX};
pub use public::{EndedListing, PublicRelay};
pub use standing::is_evidence;
pub use state::{Exemption, PublicNote};
pub use verifying::VerificationQuestion;
pub use view::{DonorRecord, Donors, HeldCounts, ListStatus, RelayRecord};

use self::published::DerivedZone;
use self::state::FoldState;
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::time::Timestamp;

/// The list, and the state from which it is derived.
#[derive(Debug, Default)]
pub struct Blocklist {
    state: FoldState,
    zones: BTreeMap<String, DerivedZone>,
    /// When evidence stops waiting for its observation, the earliest first.
    deadlines: BTreeSet<(Timestamp, Offset, Digest)>,
}

impl Blocklist {
    /// An empty list, before the first entry.
    pub fn new() -> Self {
        Blocklist::default()
    }
}
