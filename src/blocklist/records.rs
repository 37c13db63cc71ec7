//! The records of listings: every change of one, with what it changes in the published zone and its
//! audit record.

use super::Blocklist;
use super::audit::AuditRecord;
use super::changes::{EntryContext, ListChange, RecordChange};
use super::publication::publish_or_wait;
use super::published::records_of;
use super::state::ZoneState;
use crate::listing::{Listing, ListingEnd, ListingRecord};
use crate::relay::Prefix;

impl Blocklist {
    /// Changes a record, and publishes the change or lets it wait for the next slot.
    pub(super) fn change_record(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        turn: &mut EntryContext<'_>,
        change: impl FnOnce(&mut ListingRecord) -> Option<RecordChange>,
    ) {
        let (offset, now) = (self.state.offset, self.state.time);
        let ledger = self.state.ledgers.get(&prefix);
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get_mut(origin))
        else {
            return;
        };
        turn.changes.relays.insert(prefix);
        let (listed_before, outcome, listed) = derived.change(zone, prefix, |zone, config| {
            let record = zone.records.entry((prefix, code)).or_default();
            let listed_before = record.current.clone();
            let outcome = change(record);
            let listed = record.current.clone();
            publish_or_wait(zone, (prefix, code), config, ledger, (offset, now));
            (listed_before, outcome, listed)
        });
        let Some(outcome) = outcome else { return };
        let (relay, zone_name) = (prefix, origin.to_owned());
        let until = listed.as_ref().map(|listing| listing.until).unwrap_or_default();
        let (act, change) = match outcome {
            RecordChange::Listed => ("listed", ListChange::Listed { origin: zone_name, relay, code, until }),
            RecordChange::Extended => {
                ("extended", ListChange::Extended { origin: zone_name, relay, code, until })
            }
            RecordChange::Ended(how) => {
                (how.name(), ListChange::Ended { origin: zone_name, relay, code, how })
            }
        };
        turn.change(change);
        if matches!(outcome, RecordChange::Ended(_))
            && zone.guard.ended(now, derived.entries.len(), &derived.config.guards)
        {
            turn.change(ListChange::Shrinking { origin: origin.to_owned() });
        }
        let Some(listing) = listed.as_ref().or(listed_before.as_ref()) else { return };
        let why = if turn.why.is_empty() { why(listing, &outcome) } else { turn.why.to_owned() };
        let record = AuditRecord {
            zone: origin.to_owned(),
            about: listing.prefix.to_string(),
            code: Some(code),
            until: listed.as_ref().map(|listing| listing.until),
            policy: listing.policy.to_string(),
            evidence: listing.grounds.evidence.clone(),
            ..self.record(turn, act, why)
        };
        turn.changes.audit.push(self.state.audit.link(record));
    }

    /// An audit record for the current entry, without zone, subject and digests.
    pub(super) fn record(&self, turn: &EntryContext<'_>, act: &str, why: String) -> AuditRecord {
        AuditRecord {
            number: 0,
            entry: self.state.offset,
            at: self.state.time,
            by: turn.by.to_owned(),
            why,
            act: act.to_owned(),
            zone: String::new(),
            about: String::new(),
            code: None,
            until: None,
            policy: String::new(),
            evidence: Vec::new(),
            previous: String::new(),
            digest: String::new(),
        }
    }

    /// Writes an audit record about a decision that does not concern a single listing.
    pub(super) fn note(&mut self, turn: &mut EntryContext<'_>, act: &str, zone: &str, about: String) {
        let why = turn.why.to_owned();
        let record = AuditRecord { zone: zone.to_owned(), about, ..self.record(turn, act, why) };
        turn.changes.audit.push(self.state.audit.link(record));
    }

    /// The origins and codes of the records for a ledger's prefix.
    pub(super) fn recorded(&self, prefix: Prefix) -> Vec<(String, u8)> {
        let of = |(origin, zone): (&String, &ZoneState)| {
            records_of(&zone.records, prefix).map(|(code, _)| (origin.clone(), code)).collect::<Vec<_>>()
        };
        self.state.zones.iter().flat_map(of).collect()
    }

    /// The number of wanted messages that donors received from the relay within the horizon.
    pub(super) fn good_messages(&self, prefix: Prefix) -> u64 {
        let of_relay = self.state.good_mail.range((prefix, 0)..=(prefix, u32::MAX));
        of_relay.fold(0, |sum, (_, good)| sum.saturating_add(good.messages))
    }
}

/// The reason for an audit record: the grounds of a listing, or why it ended.
fn why(listing: &Listing, outcome: &RecordChange) -> String {
    match outcome {
        RecordChange::Ended(ListingEnd::Expired) => "its end was reached".to_owned(),
        RecordChange::Ended(ListingEnd::Withdrawn) => "the zone was changed or withdrawn".to_owned(),
        RecordChange::Ended(ListingEnd::Dropped) => {
            "its case satisfied the rules no longer when it was to become public".to_owned()
        }
        RecordChange::Ended(ListingEnd::Voided) => "its evidence was voided".to_owned(),
        RecordChange::Ended(ListingEnd::Repaired) => {
            "the relay's side has begun to refuse recipients that do not exist".to_owned()
        }
        _ => listing.grounds.figures(),
    }
}
