//! What the record of a relay says in one zone.

use crate::blocklist::{ListingHold, RelayRecord};
use crate::listing::ListingRecord;
use crate::zone::Config;

/// The listings of a relay under a code in a zone.
pub fn record_of<'a>(record: &'a RelayRecord, config: &Config, code: u8) -> Option<&'a ListingRecord> {
    let origin = config.apex.origin.to_string();
    record.records.get(&(origin.into(), code))
}

/// What holds a listing of a relay under a code in a zone. `None` if none is held, or if the relay is
/// listed under the code already.
pub fn hold_of(record: &RelayRecord, config: &Config, code: u8) -> Option<ListingHold> {
    let is_listed = record_of(record, config, code).is_some_and(|record| record.current.is_some());
    let origin = config.apex.origin.to_string();
    let held = record.held.iter().find(|(of, value, _)| **of == *origin && *value == code);
    held.filter(|_| !is_listed).map(|(.., hold)| *hold)
}
