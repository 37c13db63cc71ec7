//! The fold: journal entries in, changes of the list out. The same entries make the same list, on every machine.
//!
//! `apply` is the only way in. The fold's time is moved by ticks alone; everything else happens at that time. State is
//! plain and ordered, and has one owner. Nothing in here fails: an entry that can't take effect is ignored, with the
//! reason as a change.

mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};

pub use state::{CheckpointError, STATE_VERSION};

use crate::classify::Kind;
use crate::complaint::Complaint;
use crate::digest::Digest;
use crate::evidence::{Directive, Entry, Evidence, Observation, Offset, Order, Recorded, Sent};
use crate::listing::{Basis, Code, Ending, Grounds, Record};
use crate::relay::{Prefix, Relay};
use crate::score::{Case, Finding, Ledger, Quorum, RULES};
use crate::time::{Span, Timestamp};
use crate::trap::{Donor, Trap, TrapSet};
use crate::zone::{self, Entries, Snapshot};

/// How far before the fold's time evidence may say that it was seen: a trap node may have been cut off for a while.
///
/// Evidence from further back counts as seen now: a clock that is wrong must not make a burst look like a pattern of days,
/// so this is less than the span that any case needs.
const EVIDENCE_LAG_MAX: Span = Span::from_hours(12);
/// Most relays whose evidence is kept. One that doesn't fit is not listed, which is the safe side to fail on.
const LEDGERS_MAX: usize = 4_000_000;
/// The horizon where no zone states one.
const HORIZON_DEFAULT: Span = Span::from_days(28);

/// The list, and everything it was made from.
#[derive(Debug, Default)]
pub struct Blocklist {
    state: State,
    zones: BTreeMap<String, Derived>,
}

/// What a checkpoint keeps. The numbers are its format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct State {
    #[n(0)]
    offset: Offset,
    #[n(1)]
    time: Timestamp,
    #[n(2)]
    donors: BTreeSet<Donor>,
    #[n(3)]
    traps: TrapSet,
    /// By `Relay::ledger_prefix`.
    #[n(4)]
    ledgers: BTreeMap<Prefix, Ledger>,
    /// Evidence that waits for its observation, by its id.
    #[n(5)]
    pending: BTreeMap<Digest, Pending>,
    /// By origin.
    #[n(6)]
    zones: BTreeMap<String, ZoneState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Pending {
    #[n(0)]
    deadline: Timestamp,
    #[n(1)]
    offset: Offset,
    #[n(2)]
    seen_at: Timestamp,
    #[n(3)]
    evidence: Box<Evidence>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct ZoneState {
    /// The zone's file.
    #[n(0)]
    text: String,
    /// By ledger prefix and code.
    #[n(1)]
    records: BTreeMap<(Prefix, u8), Record>,
    /// The last entry that changed what the zone publishes.
    #[n(2)]
    changed: Offset,
    /// A zone that was withdrawn keeps its records.
    #[n(3)]
    published: bool,
}

/// What follows from a zone's state and is not kept.
#[derive(Debug)]
struct Derived {
    config: Arc<zone::Config>,
    entries: Arc<Entries>,
    /// When listings end, soonest first.
    due: BTreeSet<(Timestamp, Prefix, u8)>,
}

/// What an entry brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Evidence was added to a ledger.
    Counted {
        relay: Relay,
    },
    Listed {
        origin: String,
        relay: Prefix,
        code: u8,
        until: Timestamp,
    },
    Extended {
        origin: String,
        relay: Prefix,
        code: u8,
        until: Timestamp,
    },
    Ended {
        origin: String,
        relay: Prefix,
        code: u8,
        how: Ending,
    },
    /// The traps or donors are others than before.
    Traps,
    /// A zone is published, published otherwise, or published no longer.
    Zone {
        origin: String,
    },
    /// The entry had no effect.
    Ignored {
        why: &'static str,
    },
}

/// The changes of one entry, and the ledgers they touched.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub list: Vec<Change>,
    pub relays: BTreeSet<Prefix>,
}

/// All that is known of one relay, for whoever reads without stopping the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayRecord {
    pub prefix: Prefix,
    pub ledger: Ledger,
    pub zones: Vec<ZoneRecord>,
    /// The last entry applied when this was taken.
    pub offset: Offset,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRecord {
    pub config: Arc<zone::Config>,
    /// By code.
    pub records: BTreeMap<u8, Record>,
}

impl Blocklist {
    pub fn new() -> Self {
        Blocklist::default()
    }

    pub fn offset(&self) -> Offset {
        self.state.offset
    }

    /// The fold's time: that of the last tick.
    pub fn time(&self) -> Timestamp {
        self.state.time
    }

    pub fn traps(&self) -> &TrapSet {
        &self.state.traps
    }

    pub fn donors(&self) -> &BTreeSet<Donor> {
        &self.state.donors
    }

    /// The text of a zone's file as it was adopted.
    pub fn zone_text(&self, origin: &str) -> Option<&str> {
        self.state.zones.get(origin).map(|zone| zone.text.as_str())
    }

    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.state.zones.keys().map(String::as_str)
    }

    /// Every prefix that anything is known of.
    pub fn relays(&self) -> BTreeSet<Prefix> {
        let recorded =
            self.state.zones.values().flat_map(|zone| zone.records.keys().map(|(prefix, _)| *prefix));
        self.state.ledgers.keys().copied().chain(recorded).collect()
    }

    /// The zones as they stand.
    pub fn snapshot(&self) -> Snapshot {
        let zones = self.state.zones.iter().filter_map(|(origin, state)| {
            let derived = self.zones.get(origin)?;
            Some(zone::Zone {
                config: Arc::clone(&derived.config),
                entries: Arc::clone(&derived.entries),
                serial: serial(derived.config.serial_base, state.changed),
            })
        });
        Snapshot::new(zones.collect(), self.state.time)
    }

    pub fn relay_record(&self, prefix: Prefix) -> Option<RelayRecord> {
        let zones: Vec<ZoneRecord> = self
            .state
            .zones
            .iter()
            .filter_map(|(origin, zone)| {
                let records = records_of(&zone.records, prefix).map(|(code, record)| (code, record.clone()));
                Some(ZoneRecord {
                    config: Arc::clone(&self.zones.get(origin)?.config),
                    records: records.collect(),
                })
            })
            .collect();
        let ledger = self.state.ledgers.get(&prefix).cloned();
        if ledger.is_none() && zones.iter().all(|zone| zone.records.is_empty()) {
            return None;
        }
        Some(RelayRecord { prefix, ledger: ledger.unwrap_or_default(), zones, offset: self.state.offset })
    }

    /// Takes the next entry. Entries at or before the last one taken are passed over.
    pub fn apply(&mut self, recorded: &Recorded) -> Changes {
        let mut changes = Changes::default();
        if recorded.offset <= self.state.offset {
            return changes;
        }
        self.state.offset = recorded.offset;
        match &recorded.entry {
            Entry::Evidence(evidence) => self.evidence(evidence, &mut changes),
            Entry::Observation(observation) => self.observation(observation, &mut changes),
            Entry::Directive(directive) => self.directive(directive, &mut changes),
            Entry::Tick(_) => self.tick(recorded.at, &mut changes),
        }
        changes
    }

    fn tick(&mut self, at: Timestamp, changes: &mut Changes) {
        let before = self.state.time;
        self.state.time = before.max(at);
        let now = self.state.time;
        let mut ready: Vec<Pending> = Vec::new();
        self.state.pending.retain(|_, pending| {
            let waits = pending.deadline > now;
            if !waits {
                ready.push(pending.clone());
            }
            waits
        });
        ready.sort_by_key(|pending| pending.offset);
        for pending in ready {
            self.score(&pending.evidence, pending.seen_at, pending.offset, changes);
        }
        self.expire(now, changes);
        if now.day() != before.day() {
            self.forget(now, changes);
        }
    }

    fn expire(&mut self, now: Timestamp, changes: &mut Changes) {
        let due: Vec<(String, Prefix, u8)> = self
            .zones
            .iter()
            .flat_map(|(origin, derived)| {
                let due = derived.due.iter().take_while(|(until, ..)| *until <= now);
                due.map(|(_, prefix, code)| (origin.clone(), *prefix, *code))
            })
            .collect();
        for (origin, prefix, code) in due {
            self.change_record(&origin, prefix, code, changes, |record| {
                record.expire(now).map(|_| RecordChange::Ended(Ending::Expired))
            });
        }
    }

    /// Once a day: drops what nobody looks back to any more.
    fn forget(&mut self, now: Timestamp, changes: &mut Changes) {
        let horizon =
            self.zones.values().map(|zone| zone.config.policy.horizon).max().unwrap_or(HORIZON_DEFAULT);
        let touched = &mut changes.relays;
        self.state.ledgers.retain(|prefix, ledger| {
            let kept = ledger.forget(now, horizon);
            touched.insert(*prefix);
            kept
        });
        let ledgers = &self.state.ledgers;
        for (origin, zone) in &mut self.state.zones {
            let terms = self.zones.get(origin).map(|derived| &derived.config.terms);
            zone.records.retain(|(prefix, _), record| {
                // A floor matters as long as evidence below it is still there.
                let kept =
                    terms.is_none_or(|terms| record.forget(now, terms)) || ledgers.contains_key(prefix);
                if !kept {
                    touched.insert(*prefix);
                }
                kept
            });
        }
    }

    fn evidence(&mut self, evidence: &Evidence, changes: &mut Changes) {
        let now = self.state.time;
        let plausible = evidence.seen_at >= now.minus(EVIDENCE_LAG_MAX) && evidence.seen_at <= now;
        let seen_at = if plausible { evidence.seen_at } else { now };
        let wait =
            self.zones.values().map(|zone| zone.config.policy.observation_wait).max().unwrap_or_default();
        let offset = self.state.offset;
        if wait == Span::ZERO {
            self.score(evidence, seen_at, offset, changes);
        } else {
            let pending =
                Pending { deadline: now.plus(wait), offset, seen_at, evidence: Box::new(evidence.clone()) };
            self.state.pending.insert(evidence.id, pending);
        }
    }

    fn observation(&mut self, observation: &Observation, changes: &mut Changes) {
        match self.state.pending.remove(&observation.evidence) {
            Some(pending) => self.score(&pending.evidence, pending.seen_at, pending.offset, changes),
            None => changes.ignore("no evidence waits for this observation"),
        }
    }

    /// Counts evidence against its relay and judges the relay anew.
    fn score(&mut self, evidence: &Evidence, seen_at: Timestamp, offset: Offset, changes: &mut Changes) {
        if let Err(why) = self.admissible(evidence) {
            return changes.ignore(why);
        }
        let prefix = evidence.relay.ledger_prefix();
        let injector_network = self.injector_network(evidence);
        if self.state.ledgers.len() >= LEDGERS_MAX && !self.state.ledgers.contains_key(&prefix) {
            return changes
                .ignore("too many relays are known; no further one is until the horizon has passed");
        }
        let ledger = self.state.ledgers.entry(prefix).or_default();
        if !ledger.add(evidence, seen_at, injector_network, offset) {
            return changes.ignore("the same report was counted before");
        }
        changes.relays.insert(prefix);
        changes.list.push(Change::Counted { relay: evidence.relay });
        let origins: Vec<String> = self.zones.keys().cloned().collect();
        for origin in origins {
            self.judge(&origin, evidence.relay, evidence.facts.kind, changes);
        }
    }

    fn admissible(&self, evidence: &Evidence) -> Result<(), &'static str> {
        let kind = evidence.facts.kind;
        let scores = |zone: &Derived| zone.config.codes.iter().any(|code| of_kind(code, kind).is_some());
        if self.state.traps.find(evidence.trap, evidence.trap_domain).is_none() {
            Err("the recipient is no trap")
        } else if !self.zones.values().any(scores) {
            Err("no zone has a code for this kind")
        } else if kind.comes_from_the_null_reverse_path() && evidence.reverse_path != Sent::FromNull {
            Err("a report must come from the null reverse-path (RFC 3464 §2)")
        } else if evidence.recipients > 1 {
            Err("a report has one recipient (RFC 3464 §2)")
        } else if !self
            .zones
            .values()
            .any(|zone| zone.config.listable.permits(evidence.relay.address()).is_ok())
        {
            Err("the relay's address is special-purpose and never listed (RFC 6471 §3.5)")
        } else {
            Ok(())
        }
    }

    /// The network that is counted for the injector; none where it is the relay itself or an address that says nothing
    /// about who is behind it.
    fn injector_network(&self, evidence: &Evidence) -> Option<Prefix> {
        let injector = evidence.facts.injector.map(Relay::new)?;
        let public = self.zones.values().any(|zone| zone.config.listable.permits(injector.address()).is_ok());
        (public && injector != evidence.relay).then(|| injector.injector_network())
    }

    /// Lists the relay, or extends its listing, under the code of that kind if its case is made.
    fn judge(&mut self, origin: &str, relay: Relay, kind: Kind, changes: &mut Changes) {
        let (offset, now) = (self.state.offset, self.state.time);
        let Some(config) = self.zones.get(origin).map(|zone| Arc::clone(&zone.config)) else { return };
        let judged = config.codes.iter().find_map(|code| of_kind(code, kind).map(|of| (code.value, of)));
        let Some((code, (kinds, quorum))) = judged else { return };
        let prefix = relay.ledger_prefix();
        let Some(ledger) = self.state.ledgers.get(&prefix) else { return };
        let record = self.state.zones.get(origin).and_then(|zone| zone.records.get(&(prefix, code)));
        let floor = record.map_or(Offset::START, |record| record.floor);
        let case = Case::open(ledger, kinds, floor, &config.policy, now);
        let permitted = config.listable.permits(relay.address()).is_ok();
        if !permitted || !findings(&case, &config, quorum).iter().all(|finding| finding.met) {
            return;
        }
        let grounds = Grounds::of(&case, &config.policy, offset, now);
        let listed = listed_prefix(&case, prefix);
        self.change_record(origin, prefix, code, changes, |record| {
            let was_listed = record.current.is_some();
            record.complete(listed, grounds, config.digest, &config.terms);
            Some(if was_listed { RecordChange::Extended } else { RecordChange::Listed })
        });
    }

    fn directive(&mut self, directive: &Directive, changes: &mut Changes) {
        let now = self.state.time;
        match &directive.order {
            Order::AddDonor { donor } => {
                self.state.donors.insert(donor.clone());
                changes.list.push(Change::Traps);
            }
            Order::AddTrap { key, scope, domain, donor } => {
                self.state.donors.insert(donor.clone());
                let trap =
                    Trap { scope: *scope, domain: *domain, donor: donor.clone(), since: now, retired: None };
                self.state.traps.insert(*key, trap);
                changes.list.push(Change::Traps);
            }
            Order::RetireTrap { key } => {
                if self.state.traps.retire(*key, now) {
                    changes.list.push(Change::Traps);
                } else {
                    changes.ignore("no active trap has that key");
                }
            }
            Order::Remove { relay } => self.remove(*relay, changes),
            Order::AdoptZone { origin, text } => self.adopt(origin, text, changes),
            Order::WithdrawZone { origin } => self.withdraw(origin, changes),
        }
    }

    /// Takes a relay off every zone, and forgives what came before: a case half made, and evidence that waits, too.
    fn remove(&mut self, relay: Relay, changes: &mut Changes) {
        let (prefix, now, offset) = (relay.ledger_prefix(), self.state.time, self.state.offset);
        self.state.pending.retain(|_, pending| pending.evidence.relay.ledger_prefix() != prefix);
        if let Some(ledger) = self.state.ledgers.get_mut(&prefix) {
            ledger.forgive(offset);
        }
        let before = changes.list.len();
        for (origin, code) in self.recorded(prefix) {
            self.change_record(&origin, prefix, code, changes, |record| {
                record.remove(now, offset).map(|_| RecordChange::Ended(Ending::Removed))
            });
        }
        changes.relays.insert(prefix);
        if changes.list.len() == before {
            changes.ignore("the relay is not listed; nothing that came before counts against it");
        }
    }

    /// The records there are of a ledger's prefix, by origin and code.
    fn recorded(&self, prefix: Prefix) -> Vec<(String, u8)> {
        let of = |(origin, zone): (&String, &ZoneState)| {
            records_of(&zone.records, prefix).map(|(code, _)| (origin.clone(), code)).collect::<Vec<_>>()
        };
        self.state.zones.iter().flat_map(of).collect()
    }

    fn adopt(&mut self, origin: &str, text: &str, changes: &mut Changes) {
        let Ok(config) = zone::read(origin, text) else {
            return changes.ignore("this program can't read the zone's file");
        };
        if config.origin.to_string() != origin {
            return changes.ignore("the zone's file is about another origin");
        }
        let (now, changed) = (self.state.time, self.state.offset);
        // A zone that was withdrawn had a serial too, and secondaries remember it.
        let before = self
            .state
            .zones
            .get(origin)
            .and_then(|state| Some((state, zone::read(origin, &state.text).ok()?)));
        if let Some((state, known)) = before {
            let published = serial(known.serial_base, state.changed);
            let ahead = serial(config.serial_base, changed).wrapping_sub(published);
            // RFC 1982 §3.2: secondaries would take it for an older zone.
            if ahead == 0 || ahead > i32::MAX as u32 {
                return changes.ignore("the serial would go back; raise serial_base");
            }
        }
        let state = self.state.zones.entry(origin.to_owned()).or_default();
        text.clone_into(&mut state.text);
        state.changed = changed;
        state.published = true;
        // A code that is lost, or an address that may no longer be listed, ends those listings. The records stay: what
        // was used up or forgiven is not to count again.
        for ((prefix, code), record) in &mut state.records {
            let judged =
                config.codes.iter().any(|of| of.value == *code && matches!(of.basis, Basis::Kinds { .. }));
            if !judged || config.listable.permits(prefix.network()).is_err() {
                record.withdraw(now);
            }
        }
        changes.relays.extend(state.records.keys().map(|(prefix, _)| *prefix));
        changes.relays.extend(self.state.ledgers.keys());
        self.zones.insert(origin.to_owned(), Derived::of(state, Arc::new(config)));
        changes.list.push(Change::Zone { origin: origin.to_owned() });
    }

    /// Publishes a zone no longer. Its records stay, without their listings.
    fn withdraw(&mut self, origin: &str, changes: &mut Changes) {
        let now = self.state.time;
        let Some(state) = self.state.zones.get_mut(origin).filter(|state| state.published) else {
            return changes.ignore("no such zone is published");
        };
        state.published = false;
        for record in state.records.values_mut() {
            record.withdraw(now);
        }
        changes.relays.extend(state.records.keys().map(|(prefix, _)| *prefix));
        changes.relays.extend(self.state.ledgers.keys());
        self.zones.remove(origin);
        changes.list.push(Change::Zone { origin: origin.to_owned() });
    }

    /// The one place where a record changes: keeps what is published, what is due and the serial in step with it.
    fn change_record(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        changes: &mut Changes,
        change: impl FnOnce(&mut Record) -> Option<RecordChange>,
    ) {
        let offset = self.state.offset;
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get_mut(origin))
        else {
            return;
        };
        let before = published(&zone.records, prefix, &derived.config);
        let record = zone.records.entry((prefix, code)).or_default();
        if let Some(listing) = &record.current {
            derived.due.remove(&(listing.until, prefix, code));
        }
        let outcome = change(record);
        let until = record.current.as_ref().map(|listing| listing.until);
        if let Some(until) = until {
            derived.due.insert((until, prefix, code));
        }
        changes.relays.insert(prefix);
        let (relay, origin) = (prefix, origin.to_owned());
        let until = until.unwrap_or_default();
        changes.list.extend(outcome.map(|outcome| match outcome {
            RecordChange::Listed => Change::Listed { origin, relay, code, until },
            RecordChange::Extended => Change::Extended { origin, relay, code, until },
            RecordChange::Ended(how) => Change::Ended { origin, relay, code, how },
        }));
        let after = published(&zone.records, prefix, &derived.config);
        if before == after {
            return;
        }
        let entries = Arc::make_mut(&mut derived.entries);
        for gone in before.keys().filter(|prefix| !after.contains_key(prefix)) {
            entries.set(*gone, zone::Entry::default());
        }
        let mask = |published: &BTreeMap<Prefix, zone::Entry>| {
            published.iter().map(|(prefix, entry)| (*prefix, entry.mask())).collect::<Vec<_>>()
        };
        if mask(&before) != mask(&after) {
            zone.changed = offset;
        }
        for (prefix, entry) in after {
            entries.set(prefix, entry);
        }
    }
}

enum RecordChange {
    Listed,
    Extended,
    Ended(Ending),
}

impl Changes {
    fn ignore(&mut self, why: &'static str) {
        self.list.push(Change::Ignored { why });
    }
}

impl Derived {
    fn of(state: &ZoneState, config: Arc<zone::Config>) -> Self {
        let mut entries = Entries::default();
        let prefixes: BTreeSet<Prefix> = state.records.keys().map(|(prefix, _)| *prefix).collect();
        for prefix in prefixes {
            for (listed, entry) in published(&state.records, prefix, &config) {
                entries.set(listed, entry);
            }
        }
        let due = state.records.iter().filter_map(|((prefix, code), record)| {
            record.current.as_ref().map(|listing| (listing.until, *prefix, *code))
        });
        Derived { due: due.collect(), entries: Arc::new(entries), config }
    }

    fn read(origin: &str, state: &ZoneState) -> Result<Self, Vec<Complaint>> {
        Ok(Derived::of(state, Arc::new(zone::read(origin, &state.text)?)))
    }
}

/// What a zone publishes for one ledger: its current listings, with the codes that show how often there were some.
fn published(
    records: &BTreeMap<(Prefix, u8), Record>,
    prefix: Prefix,
    config: &zone::Config,
) -> BTreeMap<Prefix, zone::Entry> {
    let mut published: BTreeMap<Prefix, zone::Entry> = BTreeMap::new();
    for (code, record) in records_of(records, prefix) {
        let Some(listing) = &record.current else { continue };
        let entry = published.entry(listing.prefix).or_default();
        entry.codes.push((code, Some(listing.until)));
        for code in &config.codes {
            match code.basis {
                Basis::Repeated { times } if listing.times as usize >= times => {
                    entry.codes.retain(|(value, _)| *value != code.value);
                    entry.codes.push((code.value, Some(listing.until)));
                }
                _ => {}
            }
        }
        entry.codes.sort_unstable();
    }
    published
}

fn records_of(
    records: &BTreeMap<(Prefix, u8), Record>,
    prefix: Prefix,
) -> impl Iterator<Item = (u8, &Record)> {
    records.range((prefix, 0)..=(prefix, u8::MAX)).map(|((_, code), record)| (*code, record))
}

fn of_kind(code: &Code, kind: Kind) -> Option<(&[Kind], &Quorum)> {
    match &code.basis {
        Basis::Kinds { kinds, quorum } if kinds.contains(&kind) => Some((kinds, quorum)),
        _ => None,
    }
}

/// What every rule finds in a case.
pub fn findings(case: &Case<'_>, config: &zone::Config, quorum: &Quorum) -> Vec<Finding> {
    RULES.iter().map(|rule| (rule.judge)(case, &config.policy, quorum)).collect()
}

/// The address that earned the evidence of the case; the /64 only where two or more addresses in it did.
///
/// Not the one that brought the last report, which may weigh nothing: nobody is listed for his neighbour's evidence.
fn listed_prefix(case: &Case<'_>, prefix: Prefix) -> Prefix {
    let addresses = case.addresses();
    let mut addresses = addresses.into_iter();
    match (addresses.next(), addresses.next()) {
        (Some(only), None) => Prefix::host(only),
        _ => prefix,
    }
}

/// The low 32 bits of base + offset (RFC 1982 arithmetic lets secondaries follow it round the end).
fn serial(base: u32, changed: Offset) -> u32 {
    (u64::from(base).wrapping_add(changed.0) & u64::from(u32::MAX)) as u32
}
