//! What the application of one journal entry yields: its effects on the list and their audit
//! records.

use std::collections::BTreeSet;

use super::audit::AuditRecord;
use super::holds::HoldingGuard;
use crate::evidence::VerificationAnswer;
use crate::listing::ListingEnd;
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;

/// One effect of a journal entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// Evidence was added to a ledger, or counts now because of a late observation.
    Counted {
        /// The relay that brought the evidence.
        relay: Relay,
    },
    /// A listing was decided. It becomes public at a slot, or at once if the zone has none.
    Listed {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// When the listing ends.
        until: Timestamp,
    },
    /// An extension of a listing was decided. It becomes public like a new listing.
    Extended {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// When the listing ends.
        until: Timestamp,
    },
    /// A new listing, or a change of one, became public at a slot.
    Published {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// When the listing ends.
        until: Timestamp,
    },
    /// A listing ended.
    Ended {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// Why the listing ended.
        how: ListingEnd,
    },
    /// A case is complete and waits for the answer of the relay's side.
    Unverified {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
    },
    /// The relay's side answered a question about made-up recipients, or did not answer it.
    Verified {
        /// The relay.
        relay: Relay,
        /// The answer.
        answer: VerificationAnswer,
    },
    /// A guard or a freeze holds a new listing.
    Held {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// What holds the listing.
        guard: HoldingGuard,
    },
    /// So many sites wait for their share that only the operator lets their listings in.
    Crowded {
        /// The zone's origin.
        origin: String,
    },
    /// More listings ended within an hour than the guards expect.
    Shrinking {
        /// The zone's origin.
        origin: String,
    },
    /// A trap is burned: forged mail in its name comes from one network only, so it no longer
    /// counts.
    Burned,
    /// The traps, the donors or the donors' terms changed.
    Traps,
    /// A zone was published, changed, withdrawn, shut down or reopened.
    Zone {
        /// The zone's origin.
        origin: String,
    },
    /// A directive took effect in another way.
    Decided,
    /// The entry had no effect.
    Ignored {
        /// The reason.
        why: &'static str,
    },
}

/// All effects of one journal entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ListChanges {
    /// The effects, in order.
    pub list: Vec<ListChange>,
    /// The ledger prefixes whose ledger or records changed.
    pub relays: BTreeSet<Prefix>,
    /// The audit records of the effects.
    pub audit: Vec<AuditRecord>,
}

/// What a change of a record did to its listing.
pub(super) enum RecordChange {
    /// The listing began.
    Listed,
    /// The listing was extended.
    Extended,
    /// The listing ended.
    Ended(ListingEnd),
}

/// A journal entry that is being applied.
pub(super) struct EntryContext<'a> {
    /// The name of the operator or donor that gave the directive, or `policy`.
    pub(super) by: &'a str,
    /// The reason that the directive gives; empty for other entries.
    pub(super) why: &'a str,
    /// The effects so far.
    pub(super) changes: ListChanges,
}

impl EntryContext<'_> {
    /// Records that the entry has no effect, and why.
    pub(super) fn ignore(&mut self, why: &'static str) {
        self.changes.list.push(ListChange::Ignored { why });
    }

    /// Records an effect.
    pub(super) fn change(&mut self, change: ListChange) {
        self.changes.list.push(change);
    }
}
