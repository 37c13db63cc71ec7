//! Checkpoints: encoding and decoding the fold's state.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Blocklist;
use super::published::DerivedZone;
use super::state::FoldState;
use crate::complaint::Complaint;
use crate::evidence::Offset;

/// The version of the checkpoint format.
///
/// Every later version of the program must read older checkpoints, because they are the only copy
/// of old traps and zones once the first journal entries are dropped. A new field must therefore
/// have a new number and a default. `tests/golden` contains a checkpoint of every version.
pub const STATE_VERSION: u32 = 1;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The checkpoint cannot be decoded.
    #[error("the checkpoint is damaged: {0}")]
    Damaged(#[from] minicbor::decode::Error),
    /// A zone's file in the checkpoint is not valid for this version of the program.
    #[error("the checkpoint contains a zone that this program cannot read: {0}")]
    Zone(Complaint),
}

impl Blocklist {
    /// Encodes the state. Two states are equal if and only if their encodings are.
    pub fn to_checkpoint(&self) -> Vec<u8> {
        minicbor::to_vec(&self.state).expect("writing to memory cannot fail")
    }

    /// Replaces the content of a published zone's file, to try another policy.
    pub fn with_zone(mut self, origin: &str, text: &str) -> Self {
        if let Some(zone) = self.state.zones.get_mut(origin).filter(|zone| zone.published) {
            let before = std::mem::replace(&mut zone.text, text.to_owned());
            match DerivedZone::read(origin, zone) {
                Ok(derived) => drop(self.zones.insert(origin.to_owned(), derived)),
                // A text that is not a valid zone file has no effect.
                Err(_) => zone.text = before,
            }
        }
        self
    }

    /// Keeps the traps, donors, zones and exemptions, and drops all evidence and listings, as if
    /// `offset` had been the last entry.
    pub fn without_evidence(self, offset: Offset) -> Self {
        let FoldState { donors, traps, zones, exemptions, terms, departures, .. } = self.state;
        let mut state =
            FoldState { donors, traps, zones, exemptions, terms, departures, ..FoldState::default() };
        state.offset = offset;
        let mut derived = BTreeMap::new();
        for (origin, zone) in &mut state.zones {
            zone.records.clear();
            zone.guard = Default::default();
            zone.publication = Default::default();
            zone.unverified.clear();
            if let Some(known) = self.zones.get(origin) {
                derived.insert(origin.clone(), DerivedZone::of(zone, Arc::clone(&known.config)));
            }
        }
        Blocklist { state, zones: derived, deadlines: Default::default() }
    }

    /// Decodes a checkpoint.
    ///
    /// # Errors
    ///
    /// Fails if the octets cannot be decoded, or if the file of a published zone is not valid.
    pub fn from_checkpoint(octets: &[u8]) -> Result<Self, CheckpointError> {
        let state: FoldState = minicbor::decode(octets)?;
        let mut zones = BTreeMap::new();
        for (origin, zone) in state.zones.iter().filter(|(_, zone)| zone.published) {
            let derived = DerivedZone::read(origin, zone).map_err(|complaints| {
                let first = complaints.into_iter().next();
                CheckpointError::Zone(first.expect("an invalid zone file has a complaint"))
            })?;
            zones.insert(origin.clone(), derived);
        }
        let deadlines =
            state.pending.iter().map(|(id, pending)| (pending.deadline, pending.offset, *id)).collect();
        Ok(Blocklist { state, zones, deadlines })
    }
}
