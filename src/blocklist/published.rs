//! What is published of a zone, derived from its records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::ZoneState;
use crate::complaint::Complaint;
use crate::evidence::Offset;
use crate::listing::ListingRecord;
use crate::relay::Prefix;
use crate::score::Points;
use crate::time::Timestamp;
use crate::zone::{self, ListedEntries};

/// Data that is derived from a zone's state and not stored in a checkpoint.
#[derive(Debug)]
pub(super) struct DerivedZone {
    pub(super) config: Arc<zone::Config>,
    pub(super) entries: Arc<ListedEntries>,
    /// When listings end, the earliest first.
    pub(super) due: BTreeSet<(Timestamp, Prefix, u8)>,
}

impl DerivedZone {
    /// Derives the data from the state of a zone and its configuration.
    pub(super) fn of(state: &ZoneState, config: Arc<zone::Config>) -> Self {
        let mut entries = ListedEntries::default();
        let prefixes: BTreeSet<Prefix> = state.records.keys().map(|(prefix, _)| *prefix).collect();
        for prefix in prefixes {
            for (listed, entry) in published(&state.records, prefix, &config) {
                entries.set(listed, entry);
            }
        }
        let due = state.records.iter().filter_map(|((prefix, code), record)| {
            record.current.as_ref().map(|listing| (listing.until, *prefix, *code))
        });
        DerivedZone { due: due.collect(), entries: Arc::new(entries), config }
    }

    /// Reads the zone's file and derives the data.
    ///
    /// # Errors
    ///
    /// Fails if the file is not valid.
    pub(super) fn read(origin: &str, state: &ZoneState) -> Result<Self, Vec<Complaint>> {
        Ok(DerivedZone::of(state, Arc::new(zone::read(origin, &state.text)?)))
    }
}

/// The published entries for one ledger: the current listings, and the codes that accompany them.
pub(super) fn published(
    records: &BTreeMap<(Prefix, u8), ListingRecord>,
    prefix: Prefix,
    config: &zone::Config,
) -> BTreeMap<Prefix, zone::ListedCodes> {
    let mut published: BTreeMap<Prefix, zone::ListedCodes> = BTreeMap::new();
    for (code, record) in records_of(records, prefix) {
        let Some(listing) = &record.current else { continue };
        let entry = published.entry(listing.prefix).or_default();
        let asked = config.quorum(code).map_or(Points::default(), |(_, quorum)| quorum.points());
        let (until, confidence) = (Some(listing.until), listing.confidence(asked));
        let standing = |code| zone::ListedCode { code, confidence, until };
        entry.codes.push(standing(code));
        for code in config.beside(code, listing) {
            entry.codes.retain(|other| other.code != code.value);
            entry.codes.push(standing(code.value));
        }
        entry.codes.sort_unstable();
    }
    published
}

/// The records of one ledger, by code.
pub(super) fn records_of(
    records: &BTreeMap<(Prefix, u8), ListingRecord>,
    prefix: Prefix,
) -> impl Iterator<Item = (u8, &ListingRecord)> {
    records.range((prefix, 0)..=(prefix, u8::MAX)).map(|((_, code), record)| (*code, record))
}

/// The zone's serial: the low 32 bits of base + offset. Secondaries compare serials by the
/// arithmetic of RFC 1982, so the number may wrap.
pub(super) fn serial(base: u32, changed: Offset) -> u32 {
    (u64::from(base).wrapping_add(changed.number()) & u64::from(u32::MAX)) as u32
}
