//! Decisions about relays: removals, exemptions, listings by decision, and the release of held
//! listings.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::blocklist::Blocklist;
use crate::blocklist::changes::{EntryContext, ListChange, RecordChange};
use crate::blocklist::judging::GuardCheck;
use crate::blocklist::state::Exemption;
use crate::listing::{ListingEnd, ListingGrounds};
use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};

/// The maximum time until an exemption must be reviewed, and the maximum duration of a listing by
/// decision.
const DECISION_MAX: Span = Span::from_days(366);
/// The shortest IPv4 prefix that may be exempted. An exemption of a wider network would switch the
/// list off by mistake.
const EXEMPT_IPV4_LENGTH_MIN: u8 = 8;
/// The shortest IPv6 prefix that may be exempted.
const EXEMPT_IPV6_LENGTH_MIN: u8 = 19;

impl Blocklist {
    /// Removes a relay from every zone, and an IPv6 /64 around it that is listed by decision.
    /// Evidence that was recorded before, or that waits for its observation, no longer counts.
    pub(super) fn remove(&mut self, relay: Relay, turn: &mut EntryContext<'_>) {
        let (host, before) = (Prefix::host(relay), turn.changes.list.len());
        self.forgive(relay, turn);
        for prefix in BTreeSet::from([host, relay.line()]) {
            self.unhold(prefix, turn);
            for (origin, code) in self.recorded(prefix) {
                self.remove_record(&origin, prefix, code, turn);
            }
            turn.changes.relays.insert(prefix);
        }
        if turn.changes.list.len() == before {
            // The relay was not listed, but evidence recorded before no longer counts.
            self.note(turn, "forgiven", "", host.to_string());
            turn.change(ListChange::Decided);
        }
    }

    /// Removes the listings of a relay that stand on evidence, as anybody may ask. What the operator
    /// decided stays. Evidence that was recorded before no longer counts.
    pub(super) fn remove_on_request(&mut self, relay: Relay, network: Prefix, turn: &mut EntryContext<'_>) {
        let host = Prefix::host(relay);
        let stands_on_evidence = |origin: &str, code: u8| {
            let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&(host, code)));
            record.is_some_and(|record| record.current.is_some() && !record.is_decided())
        };
        let mut going = self.recorded(host);
        going.retain(|(origin, code)| stands_on_evidence(origin, *code));
        if going.is_empty() {
            return turn.ignore("no listing of the relay stands on evidence");
        }
        let by = format!("{} from {network}", turn.by);
        let changes = std::mem::take(&mut turn.changes);
        let mut named = EntryContext { by: &by, why: turn.why, changes };
        self.forgive(relay, &mut named);
        self.unhold(host, &mut named);
        for (origin, code) in going {
            self.remove_record(&origin, host, code, &mut named);
        }
        turn.changes = named.changes;
    }

    /// Drops what counts or will count against a relay.
    fn forgive(&mut self, relay: Relay, turn: &mut EntryContext<'_>) {
        let (host, offset) = (Prefix::host(relay), self.state.offset);
        self.drop_pending(|pending| pending.evidence.relay == relay);
        if let Some(ledger) = self.state.ledgers.get_mut(&host) {
            ledger.forgive(offset);
        }
        turn.changes.relays.insert(host);
    }

    fn remove_record(&mut self, origin: &str, prefix: Prefix, code: u8, turn: &mut EntryContext<'_>) {
        let (now, offset) = (self.state.time, self.state.offset);
        self.change_record(origin, prefix, code, turn, |record| {
            record.remove(now, offset).map(|_| RecordChange::Ended(ListingEnd::Removed))
        });
    }

    /// Exempts a prefix, and ends the listings in it.
    pub(super) fn exempt(&mut self, prefix: Prefix, review_by: Timestamp, turn: &mut EntryContext<'_>) {
        let now = self.state.time;
        let least = if prefix.network().is_ipv4() { EXEMPT_IPV4_LENGTH_MIN } else { EXEMPT_IPV6_LENGTH_MIN };
        if prefix.length() < least {
            return turn.ignore("the network is too wide to be exempted");
        }
        if review_by <= now || review_by > now.plus(DECISION_MAX) {
            return turn.ignore("the review date must be within a year from now");
        }
        let (by, why) = (turn.by.to_owned(), turn.why.to_owned());
        self.state.exemptions.insert(prefix, Exemption { since: now, review_by, by, why });
        self.drop_pending(|pending| prefix.overlaps(Prefix::host(pending.evidence.relay)));
        let listed: Vec<(String, Prefix, u8)> = self
            .state
            .zones
            .iter()
            .flat_map(|(origin, zone)| {
                let within = zone.records.keys().filter(|(relay, _)| prefix.overlaps(*relay));
                within.map(|(relay, code)| (origin.clone(), *relay, *code)).collect::<Vec<_>>()
            })
            .collect();
        self.note(turn, "exempt", "", prefix.to_string());
        turn.change(ListChange::Decided);
        self.unhold(prefix, turn);
        for (origin, relay, code) in listed {
            self.change_record(&origin, relay, code, turn, |record| {
                record.end(now, ListingEnd::Exempted).map(|_| RecordChange::Ended(ListingEnd::Exempted))
            });
        }
    }

    /// Lists an address by decision, or extends such a listing.
    pub(super) fn list(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        until: Timestamp,
        turn: &mut EntryContext<'_>,
    ) {
        let (now, offset) = (self.state.time, self.state.offset);
        let Some(config) = self.zones.get(origin).map(|zone| Arc::clone(&zone.config)) else {
            return turn.ignore("no such zone is published");
        };
        if config.quorum(code).is_none() {
            return turn.ignore("the zone has no such code for listings");
        }
        let relay = Relay::new(prefix.network());
        if prefix != Prefix::host(relay) && prefix != relay.line() {
            return turn.ignore("only an address, or an IPv6 /64, can be listed");
        }
        if config.listable.permits(prefix.network()).is_err() {
            return turn.ignore("the address is special-purpose and never listed (RFC 6471 §3.5)");
        }
        if self.state.frozen || self.is_exempt(prefix) {
            return turn.ignore("the list is frozen, or the address is exempt");
        }
        if until <= now || until > now.plus(DECISION_MAX) {
            return turn.ignore("the end must be within a year from now");
        }
        let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&(prefix, code)));
        if record.is_some_and(|record| record.current.is_some() && !record.is_decided()) {
            return turn.ignore("the address is already listed because of evidence");
        }
        self.change_record(origin, prefix, code, turn, |record| {
            let was_listed = record.current.is_some();
            record.decide(prefix, ListingGrounds::decision(offset, now), until, config.digest, &config.terms);
            Some(if was_listed { RecordChange::Extended } else { RecordChange::Listed })
        });
    }

    /// Ends a freeze, and judges the held listings without the guards.
    pub(super) fn release(&mut self, turn: &mut EntryContext<'_>) {
        self.state.frozen = false;
        self.note(turn, "release", "", String::new());
        turn.change(ListChange::Decided);
        let origins: Vec<String> = self.zones.keys().cloned().collect();
        for origin in origins {
            let Some(zone) = self.state.zones.get_mut(&origin) else { continue };
            for (prefix, code, hold) in std::mem::take(&mut zone.guard.held).iter() {
                turn.changes.relays.insert(prefix);
                self.judge_code(&origin, prefix, code, GuardCheck::Released(hold), turn);
            }
        }
    }
}
