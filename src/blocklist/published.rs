//! What is published of a zone, derived from its records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::ZoneState;
use crate::complaint::Complaint;
use crate::listing::ListingRecord;
use crate::relay::Prefix;
use crate::time::Timestamp;
use crate::zone::{self, ListedEntries};

/// Data that is derived from a zone's state and not stored in a checkpoint.
#[derive(Debug)]
pub(super) struct DerivedZone {
    pub(super) config: Arc<zone::Config>,
    pub(super) entries: Arc<ListedEntries>,
    /// When published listings end, the earliest first.
    pub(super) due: BTreeSet<(Timestamp, Prefix, u8)>,
    /// Whether the entry that is being applied has changed the published zone.
    pub(super) is_changed: bool,
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
        let due = state.records.iter().filter_map(|((prefix, code), record)| due(*prefix, *code, record));
        DerivedZone { due: due.collect(), entries: Arc::new(entries), config, is_changed: false }
    }

    /// Reads the zone's file and derives the data.
    ///
    /// # Errors
    ///
    /// Fails if the file is not valid.
    pub(super) fn read(origin: &str, state: &ZoneState) -> Result<Self, Vec<Complaint>> {
        Ok(DerivedZone::of(state, Arc::new(zone::read(origin, &state.text)?)))
    }

    /// Changes the records of one ledger by `change`, and what is derived from them. Every change of a
    /// record uses this function.
    pub(super) fn change<R>(
        &mut self,
        zone: &mut ZoneState,
        prefix: Prefix,
        change: impl FnOnce(&mut ZoneState, &zone::Config) -> R,
    ) -> R {
        let before = published(&zone.records, prefix, &self.config);
        for due in dues(zone, prefix) {
            self.due.remove(&due);
        }
        let result = change(zone, &self.config);
        self.due.extend(dues(zone, prefix));
        let after = published(&zone.records, prefix, &self.config);
        if before != after {
            let entries = Arc::make_mut(&mut self.entries);
            for gone in before.keys().filter(|prefix| !after.contains_key(prefix)) {
                entries.set(*gone, zone::ListedCodes::default());
            }
            // The end of a listing only limits TTLs; a transfer of the zone does not show it.
            self.is_changed |= !before.iter().map(shown).eq(after.iter().map(shown));
            for (prefix, entry) in after {
                entries.set(prefix, entry);
            }
        }
        result
    }
}

/// What a transfer of the zone and its sublists shows of an entry: the codes and their confidence.
fn shown<'e>((prefix, entry): (&'e Prefix, &'e zone::ListedCodes)) -> (Prefix, Vec<(u8, u8)>) {
    (*prefix, entry.codes.iter().map(|code| (code.code, code.confidence)).collect())
}

/// When a published listing ends.
fn due(prefix: Prefix, code: u8, record: &ListingRecord) -> Option<(Timestamp, Prefix, u8)> {
    record.published.as_ref().map(|published| (published.until, prefix, code))
}

fn dues(zone: &ZoneState, prefix: Prefix) -> Vec<(Timestamp, Prefix, u8)> {
    records_of(&zone.records, prefix).filter_map(|(code, record)| due(prefix, code, record)).collect()
}

/// The published entries for one ledger: the published listings, and the codes that accompany them.
fn published(
    records: &BTreeMap<(Prefix, u8), ListingRecord>,
    prefix: Prefix,
    config: &zone::Config,
) -> BTreeMap<Prefix, zone::ListedCodes> {
    let mut published: BTreeMap<Prefix, zone::ListedCodes> = BTreeMap::new();
    for (code, record) in records_of(records, prefix) {
        let Some(listing) = &record.published else { continue };
        let entry = published.entry(listing.prefix).or_default();
        let (until, confidence) = (Some(listing.until), listing.shown.confidence);
        let standing = |code| zone::ListedCode { code, confidence, until };
        entry.codes.push(standing(code));
        for code in config.codes.iter().filter(|code| code.value & listing.shown.beside != 0) {
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
