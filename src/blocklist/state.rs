//! Checkpoints: the fold's state as octets, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Blocklist, Derived, State};
use crate::complaint::Complaint;
use crate::evidence::Offset;

/// Goes up with the state's form. Older checkpoints must read for ever: once the first entries are dropped, they are
/// the only copy of old traps and zones. So a field is only ever added, under a number of its own and with a default;
/// `tests/golden` keeps a checkpoint of every version.
pub const STATE_VERSION: u32 = 1;

/// Why a checkpoint can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("the checkpoint is damaged: {0}")]
    Damaged(#[from] minicbor::decode::Error),
    #[error("the checkpoint holds a zone that this program can't read: {0}")]
    Zone(Complaint),
}

impl Blocklist {
    /// The state as octets; equal octets, equal states.
    pub fn to_checkpoint(&self) -> Vec<u8> {
        minicbor::to_vec(&self.state).expect("writing to memory can't fail")
    }

    /// The same with another text in the place of a published zone's file, for trying it.
    pub fn with_zone(mut self, origin: &str, text: &str) -> Self {
        if let Some(zone) = self.state.zones.get_mut(origin).filter(|zone| zone.published) {
            let before = std::mem::replace(&mut zone.text, text.to_owned());
            match Derived::read(origin, zone) {
                Ok(derived) => drop(self.zones.insert(origin.to_owned(), derived)),
                // A text that can't be read changes nothing.
                Err(_) => zone.text = before,
            }
        }
        self
    }

    /// The same traps, zones and exemptions without any evidence or listing, as if the entry at `offset` had been the last.
    pub fn without_evidence(self, offset: Offset) -> Self {
        let State { donors, traps, zones, exemptions, terms, .. } = self.state;
        let mut state = State { donors, traps, zones, exemptions, terms, ..State::default() };
        state.offset = offset;
        let mut derived = BTreeMap::new();
        for (origin, zone) in &mut state.zones {
            zone.records.clear();
            zone.guard = Default::default();
            if let Some(known) = self.zones.get(origin) {
                derived.insert(origin.clone(), Derived::of(zone, Arc::clone(&known.config)));
            }
        }
        Blocklist { state, zones: derived, deadlines: Default::default() }
    }

    pub fn from_checkpoint(octets: &[u8]) -> Result<Self, CheckpointError> {
        let state: State = minicbor::decode(octets)?;
        let mut zones = BTreeMap::new();
        for (origin, zone) in state.zones.iter().filter(|(_, zone)| zone.published) {
            let derived = Derived::read(origin, zone).map_err(|complaints| {
                let first = complaints.into_iter().next();
                CheckpointError::Zone(first.expect("a zone that can't be read has a complaint"))
            })?;
            zones.insert(origin.clone(), derived);
        }
        let deadlines =
            state.pending.iter().map(|(id, pending)| (pending.deadline, pending.offset, *id)).collect();
        Ok(Blocklist { state, zones, deadlines })
    }
}
