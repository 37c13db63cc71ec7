//! Publication: what was decided waits for a slot, and becomes public there. What ends is public at
//! once.
//!
//! At one slot, a site gets at most one new listing or extension. Otherwise the owner of a network of relays could
//! try one address with each of them, and learn at one slot which of them are traps.

use std::collections::BTreeSet;

use super::Blocklist;
use super::audit::AuditRecord;
use super::changes::{EntryContext, ListChange, RecordChange};
use super::published::DerivedZone;
use super::state::ZoneState;
use crate::evidence::Offset;
use crate::listing::{Criterion, Listing, ListingEnd, ListingRecord, ShownWithListing};
use crate::relay::{Prefix, RelaySite};
use crate::score::{Case, CaseWindow, Ledger, Points, is_made};
use crate::time::{Span, Timestamp};
use crate::zone;

/// A listing that waited longer than this to become public is judged as of then: its reports weigh less.
/// The weight that is lost within shorter waits does not count.
const JUDGED_AGAIN_AFTER: Span = Span::from_days(1);

/// After a change of a record: publishes it at once if the zone has no slots, else lets it wait.
pub(super) fn publish_or_wait(
    zone: &mut ZoneState,
    (prefix, code): (Prefix, u8),
    config: &zone::Config,
    ledger: Option<&Ledger>,
    (offset, now): (Offset, Timestamp),
) {
    let Some(record) = zone.records.get_mut(&(prefix, code)) else { return };
    record.shorten();
    let shown = record.current.as_ref().map(|listing| shown_with(listing, code, config, ledger));
    match shown.filter(|shown| record.is_unpublished(*shown)) {
        None => zone.publication.remove(prefix, code),
        Some(shown) if config.slots.is_immediate() => {
            zone.publication.remove(prefix, code);
            record.publish(now, config.slots, shown);
        }
        Some(_) => zone.publication.insert(prefix, code, offset),
    }
}

/// What is shown with a listing under a code.
fn shown_with(
    listing: &Listing,
    code: u8,
    config: &zone::Config,
    ledger: Option<&Ledger>,
) -> ShownWithListing {
    let asked = config.quorum(code).map_or(Points::default(), |(_, quorum)| quorum.points());
    let marks = ledger.map(Ledger::marks).unwrap_or_default().iter();
    let seen = marks.filter(|mark| listing.grounds.evidence.contains(&mark.offset));
    let seen = seen.map(|mark| mark.seen_at.whole_month());
    ShownWithListing {
        confidence: listing.confidence(asked),
        beside: config.beside(code, listing).fold(0, |mask, code| mask | code.value),
        reported: seen.clone().min().zip(seen.max()),
    }
}

impl Blocklist {
    /// At the first tick of a slot, publishes what waits. Nothing is published while the list is frozen.
    pub(super) fn publish_at_slot(&mut self, turn: &mut EntryContext<'_>) {
        let is_frozen = self.state.frozen;
        let now = self.state.time;
        let origins: Vec<String> = self.zones.keys().cloned().collect();
        for origin in origins {
            let Some(zone) = self.state.zones.get_mut(&origin) else { continue };
            let slots = self.zones[&origin].config.slots;
            let slot = slots.last(now);
            if zone.publication.begins(slot) && !is_frozen {
                self.publish_waiting(&origin, slot, turn);
            }
        }
    }

    fn publish_waiting(&mut self, origin: &str, slot: Timestamp, turn: &mut EntryContext<'_>) {
        let Some(zone) = self.state.zones.get(origin) else { return };
        let mut used = BTreeSet::new();
        for key in zone.publication.in_order() {
            if let Some(how) = self.outlived(origin, key, slot) {
                let now = self.state.time;
                self.change_record(origin, key.0, key.1, turn, |record| {
                    record.end(now, how).map(|_| RecordChange::Ended(how))
                });
            } else if self.admits(origin, key, &mut used) {
                self.publish_record(origin, key, slot, turn);
            }
        }
    }

    /// How a listing ends that waited too long to become public: a decision whose end has come, or a case
    /// that the rules no longer support. `None` if it stands.
    fn outlived(&self, origin: &str, (prefix, code): (Prefix, u8), slot: Timestamp) -> Option<ListingEnd> {
        let record = self.state.zones.get(origin)?.records.get(&(prefix, code))?;
        let listing = record.current.as_ref().filter(|_| record.published.is_none())?;
        let (grounds, now) = (&listing.grounds, self.state.time);
        if grounds.criterion == Criterion::Decision {
            return (listing.until <= slot).then_some(ListingEnd::Expired);
        }
        let config = &self.zones.get(origin)?.config;
        let (kinds, quorum) = config.quorum(code)?;
        let vetoes =
            if config.verifies(code) { self.vetoes(prefix, config.policy.horizon) } else { Vec::new() };
        let waited_long = now.since(grounds.at) > JUDGED_AGAIN_AFTER;
        let window = CaseWindow {
            until: self.state.offset,
            now: if waited_long { now } else { grounds.at },
            ..grounds.window(kinds)
        };
        let none = Ledger::default();
        let case = Case::open(self.state.ledgers.get(&prefix).unwrap_or(&none), &window, &config.policy);
        let case = case.only(|mark| grounds.permits(mark) && !vetoes.contains(&mark.domain));
        let is_made = is_made(&case.without_lone_claims(quorum.claimed_domains), quorum);
        (!is_made).then_some(ListingEnd::Dropped)
    }

    /// Whether a record may become public at this slot. What evidence brought, a new listing or a change
    /// of one, uses up the slot for its sites.
    fn admits(&self, origin: &str, key: (Prefix, u8), used: &mut BTreeSet<RelaySite>) -> bool {
        let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&key));
        let Some(listing) = record.and_then(|record| record.current.as_ref()) else { return true };
        if listing.grounds.criterion == Criterion::Decision {
            return true;
        }
        let provider = Prefix::provider(key.0.network()).map(RelaySite::Network);
        let sites = self.sites(key.0).into_iter().filter(|site| is_one_owner(*site));
        let sites: Vec<RelaySite> = sites.chain(provider).collect();
        let is_free = !sites.iter().any(|site| used.contains(site));
        if is_free {
            used.extend(sites);
        }
        is_free
    }

    fn publish_record(
        &mut self,
        origin: &str,
        (prefix, code): (Prefix, u8),
        slot: Timestamp,
        turn: &mut EntryContext<'_>,
    ) {
        let ledger = self.state.ledgers.get(&prefix);
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get_mut(origin))
        else {
            return;
        };
        let listing = derived.change(zone, prefix, |zone, config| {
            zone.publication.remove(prefix, code);
            let record = zone.records.get_mut(&(prefix, code))?;
            let shown = shown_with(record.current.as_ref()?, code, config, ledger);
            record.publish(slot, config.slots, shown);
            record.current.clone()
        });
        let Some(listing) = listing else { return };
        turn.changes.relays.insert(prefix);
        turn.change(ListChange::Published {
            origin: origin.to_owned(),
            relay: prefix,
            code,
            until: listing.until,
        });
        let record = AuditRecord {
            zone: origin.to_owned(),
            about: listing.prefix.to_string(),
            code: Some(code),
            until: Some(listing.until),
            policy: listing.policy.to_string(),
            evidence: listing.grounds.evidence.clone(),
            ..self.record(turn, "published", listing.grounds.figures())
        };
        turn.changes.audit.push(self.state.audit.link(record));
    }

    /// Lets every listing wait for the next slot whose published part differs from it, because the
    /// zone's file was replaced.
    pub(super) fn publish_again(&mut self, origin: &str) {
        let at = (self.state.offset, self.state.time);
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get_mut(origin))
        else {
            return;
        };
        let ledgers = &self.state.ledgers;
        let differs = |((prefix, code), record): (&(Prefix, u8), &ListingRecord)| {
            let listing = record.current.as_ref()?;
            let shown = shown_with(listing, *code, &derived.config, ledgers.get(prefix));
            record.is_unpublished(shown).then_some((*prefix, *code))
        };
        let changed: Vec<(Prefix, u8)> = zone.records.iter().filter_map(differs).collect();
        for (prefix, code) in changed {
            derived.change(zone, prefix, |zone, config| {
                publish_or_wait(zone, (prefix, code), config, ledgers.get(&prefix), at);
            });
        }
    }

    /// Counts the serials of the zones that the entry changed. An entry raises a serial by one, however
    /// much it changed.
    pub(super) fn count_serials(&mut self) {
        for (origin, derived) in &mut self.zones {
            if std::mem::take(&mut derived.is_changed)
                && let Some(zone) = self.state.zones.get_mut(origin)
            {
                zone.serial = zone.serial.wrapping_add(1);
            }
        }
    }
}

/// Whether one owner may control all relays of a site, so that each of them could test one address.
fn is_one_owner(site: RelaySite) -> bool {
    !matches!(site, RelaySite::System(_))
}

impl DerivedZone {
    /// The serial of a zone whose file is adopted: the base that the file sets or, if that is not ahead,
    /// the next number. It never goes back (RFC 1982 §3.2).
    pub(super) fn serial_after(&self, published: Option<u32>) -> u32 {
        let base = self.config.serial_base;
        match published {
            Some(published) if !is_ahead(base, published) => published.wrapping_add(1),
            _ => base,
        }
    }
}

/// Whether a serial is greater than another one (RFC 1982 §3.2).
fn is_ahead(serial: u32, other: u32) -> bool {
    (1..=i32::MAX.cast_unsigned()).contains(&serial.wrapping_sub(other))
}
