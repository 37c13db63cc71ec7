//! The fold: journal entries in, changes of the list out. The same entries make the same list, on every machine.
//!
//! `apply` is the only way in. The fold's time is moved by ticks alone; everything else happens at that time. State is
//! plain and ordered, and has one owner. Nothing in here fails: an entry that can't take effect is ignored, with the
//! reason as a change. Every change of the list leaves an audit record.

mod audit;
mod counting;
mod decisions;
mod guard;
mod judging;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minicbor::{Decode, Encode};

pub use audit::{AuditHead, AuditRecord};
pub use judging::findings;
pub use state::{CheckpointError, STATE_VERSION};

use self::audit::FOLD;
use self::counting::{Pending, Sighting};
use self::guard::Guard;
use crate::complaint::Complaint;
use crate::digest::Digest;
use crate::evidence::{Entry, Evidence, Offset, Recorded};
use crate::listing::{Basis, Ending, Record};
use crate::relay::{Prefix, Relay};
use crate::score::{Ledger, Points};
use crate::time::{Span, Timestamp};
use crate::trap::{Contribution, Donor, DonorTerms, KnownTraps, TrapKey, TrapSet};
use crate::zone::{self, Entries, Snapshot};

/// The horizon where no zone states one.
const HORIZON_DEFAULT: Span = Span::from_days(28);
/// Most public notes that are kept.
const NOTES_MAX: usize = 100;

/// The list, and everything it was made from.
#[derive(Debug, Default)]
pub struct Blocklist {
    state: State,
    zones: BTreeMap<String, Derived>,
    /// When evidence stops to wait, soonest first.
    deadlines: BTreeSet<(Timestamp, Offset, Digest)>,
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
    /// By address: nobody answers for his neighbour in an IPv6 /64.
    #[n(4)]
    ledgers: BTreeMap<Prefix, Ledger>,
    /// Evidence that waits for its observation, by its id.
    #[n(5)]
    pending: BTreeMap<Digest, Pending>,
    /// By origin.
    #[n(6)]
    zones: BTreeMap<String, ZoneState>,
    /// What is known of the mail that bears a trap's name, by the key that the trap was registered by.
    #[n(7)]
    sightings: BTreeMap<TrapKey, Sighting>,
    #[n(8)]
    exemptions: BTreeMap<Prefix, Exemption>,
    #[n(9)]
    frozen: bool,
    #[n(10)]
    notes: Vec<Note>,
    /// By ledger prefix and `Donor::short`.
    #[n(11)]
    good_mail: BTreeMap<(Prefix, u32), GoodMail>,
    #[n(12)]
    audit: AuditHead,
    /// Of donors of whom the operator said something.
    #[n(13)]
    #[cbor(default)]
    terms: BTreeMap<Donor, DonorTerms>,
    #[n(14)]
    #[cbor(default)]
    contributions: BTreeMap<Donor, Contribution>,
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
    /// Emptied for good (RFC 6471 §3.4).
    #[n(4)]
    shut_down: bool,
    #[n(5)]
    guard: Guard,
}

/// What may never be listed by decision of the operator, who is to look at it again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exemption {
    #[n(0)]
    pub since: Timestamp,
    #[n(1)]
    pub review_by: Timestamp,
    #[n(2)]
    pub by: String,
    #[n(3)]
    pub why: String,
}

/// What the public is told of a fault of the list's own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    #[n(0)]
    pub at: Timestamp,
    #[n(1)]
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct GoodMail {
    #[n(0)]
    messages: u64,
    #[n(1)]
    at: Timestamp,
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
    /// A guard, or a freeze, keeps a relay from being listed until somebody looks.
    Held {
        origin: String,
        relay: Prefix,
        code: u8,
    },
    /// More listings ended within an hour than is usual.
    Shrinking {
        origin: String,
    },
    /// A trap is known to one injector alone, and counts for nothing.
    Burned,
    /// The traps or donors are others than before.
    Traps,
    /// A zone is published, published otherwise, or published no longer.
    Zone {
        origin: String,
    },
    /// A directive took effect that is none of the above.
    Decided,
    /// The entry had no effect.
    Ignored {
        why: &'static str,
    },
}

/// The changes of one entry, the ledgers they touched, and the records of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub list: Vec<Change>,
    pub relays: BTreeSet<Prefix>,
    pub audit: Vec<AuditRecord>,
}

/// An entry while it takes effect.
struct Turn<'a> {
    by: &'a str,
    why: &'a str,
    changes: Changes,
}

impl Turn<'_> {
    fn ignore(&mut self, why: &'static str) {
        self.changes.list.push(Change::Ignored { why });
    }

    fn change(&mut self, change: Change) {
        self.changes.list.push(change);
    }
}

/// All that is known of one relay, for whoever reads without stopping the fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayRecord {
    pub ledger: Ledger,
    /// By origin and code.
    pub records: BTreeMap<(Arc<str>, u8), Record>,
    pub good_messages: u64,
    /// The last entry applied when this was taken.
    pub offset: Offset,
}

/// All donors, by name.
pub type Donors = BTreeMap<Donor, DonorRecord>;

/// What is known of a donor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DonorRecord {
    pub terms: DonorTerms,
    pub contribution: Contribution,
}

/// How the list stands as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub frozen: bool,
    /// What the guards hold, by origin.
    pub held: BTreeMap<String, usize>,
    pub shut_down: Vec<String>,
    pub exemptions: BTreeMap<Prefix, Exemption>,
    pub notes: Vec<Note>,
    pub audit: AuditHead,
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

    /// The traps, for those who take mail in.
    pub fn known_traps(&self) -> KnownTraps {
        let traps = self.state.traps.clone();
        let hashing = self.state.terms.iter().filter(|(_, terms)| terms.sends_hashes && !terms.suspended);
        let hashing = hashing.map(|(donor, _)| donor.clone()).collect();
        KnownTraps { domains: traps.domains(), traps, hashing }
    }

    /// What is known of every donor.
    pub fn donors(&self) -> Donors {
        let of = |donor: &Donor| DonorRecord {
            terms: self.state.terms.get(donor).cloned().unwrap_or_default(),
            contribution: self.state.contributions.get(donor).copied().unwrap_or_default(),
        };
        self.state.donors.iter().map(|donor| (donor.clone(), of(donor))).collect()
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

    /// The number of relays against which evidence is kept.
    pub fn ledgers(&self) -> usize {
        self.state.ledgers.len()
    }

    /// Evidence that waits for its observation.
    pub fn pending(&self) -> impl Iterator<Item = &Evidence> {
        self.state.pending.values().map(|pending| &*pending.evidence)
    }

    pub fn standing(&self) -> Standing {
        let zones = &self.state.zones;
        let held = zones.iter().filter(|(_, zone)| !zone.guard.held.is_empty());
        Standing {
            frozen: self.state.frozen,
            held: held.map(|(origin, zone)| (origin.clone(), zone.guard.held.len())).collect(),
            shut_down: zones
                .iter()
                .filter(|(_, zone)| zone.shut_down)
                .map(|(origin, _)| origin.clone())
                .collect(),
            exemptions: self.state.exemptions.clone(),
            notes: self.state.notes.clone(),
            audit: self.state.audit.clone(),
        }
    }

    /// The zones as they stand.
    pub fn snapshot(&self) -> Snapshot {
        let zones = self.state.zones.iter().filter_map(|(origin, state)| {
            let derived = self.zones.get(origin)?;
            Some(zone::Zone {
                config: Arc::clone(&derived.config),
                entries: Arc::clone(&derived.entries),
                serial: serial(derived.config.serial_base, state.changed),
                shut_down: state.shut_down,
            })
        });
        Snapshot::new(zones.collect(), self.state.time)
    }

    pub fn relay_record(&self, prefix: Prefix) -> Option<RelayRecord> {
        let of_zone = |(origin, zone): (&String, &ZoneState)| {
            let origin: Arc<str> = origin.as_str().into();
            let records = records_of(&zone.records, prefix);
            records.map(|(code, record)| ((Arc::clone(&origin), code), record.clone())).collect::<Vec<_>>()
        };
        let published = self.state.zones.iter().filter(|(_, zone)| zone.published);
        let records: BTreeMap<_, _> = published.flat_map(of_zone).collect();
        let ledger = self.state.ledgers.get(&prefix).cloned();
        if ledger.is_none() && records.is_empty() {
            return None;
        }
        Some(RelayRecord {
            ledger: ledger.unwrap_or_default(),
            records,
            good_messages: self.good_messages(prefix),
            offset: self.state.offset,
        })
    }

    /// Takes the next entry. Entries at or before the last one taken are passed over.
    pub fn apply(&mut self, recorded: &Recorded) -> Changes {
        let mut turn = Turn { by: FOLD, why: "", changes: Changes::default() };
        if recorded.offset <= self.state.offset {
            return turn.changes;
        }
        self.state.offset = recorded.offset;
        match &recorded.entry {
            Entry::Evidence(evidence) => self.evidence(evidence, &mut turn),
            Entry::Observation(observation) => self.observation(observation, &mut turn),
            Entry::Directive(directive) => {
                (turn.by, turn.why) = (&directive.by, &directive.why);
                self.directive(&directive.order, &mut turn);
            }
            Entry::Tick(_) => self.tick(recorded.at, &mut turn),
        }
        turn.changes
    }

    fn tick(&mut self, at: Timestamp, turn: &mut Turn<'_>) {
        let before = self.state.time;
        self.state.time = before.max(at);
        let now = self.state.time;
        self.end_waits(now, turn);
        self.expire(now, turn);
        if now.day() != before.day() {
            self.forget(now, &mut turn.changes);
        }
    }

    fn expire(&mut self, now: Timestamp, turn: &mut Turn<'_>) {
        let due: Vec<(String, Prefix, u8)> = self
            .zones
            .iter()
            .flat_map(|(origin, derived)| {
                let due = derived.due.iter().take_while(|(until, ..)| *until <= now);
                due.map(|(_, prefix, code)| (origin.clone(), *prefix, *code))
            })
            .collect();
        for (origin, prefix, code) in due {
            self.change_record(&origin, prefix, code, turn, |record| {
                record.expire(now).map(|_| RecordChange::Ended(Ending::Expired))
            });
        }
    }

    /// Once a day: drops what nobody looks back to any more.
    fn forget(&mut self, now: Timestamp, changes: &mut Changes) {
        let horizon = self.horizon();
        let touched = &mut changes.relays;
        self.state.ledgers.retain(|prefix, ledger| {
            if ledger.forget(now, horizon) {
                touched.insert(*prefix);
            }
            !ledger.is_empty()
        });
        let ledgers = &self.state.ledgers;
        for (origin, zone) in &mut self.state.zones {
            zone.guard.held.retain(|(prefix, _)| ledgers.contains_key(prefix));
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
        let oldest = now.minus(horizon);
        self.state.sightings.retain(|_, sighting| sighting.last >= oldest);
        self.state.good_mail.retain(|_, good| good.at >= oldest);
        self.state.traps.forget(oldest);
    }

    fn horizon(&self) -> Span {
        self.zones.values().map(|zone| zone.config.policy.horizon).max().unwrap_or(HORIZON_DEFAULT)
    }

    fn good_messages(&self, prefix: Prefix) -> u64 {
        let of_relay = self.state.good_mail.range((prefix, 0)..=(prefix, u32::MAX));
        of_relay.fold(0, |sum, (_, good)| sum.saturating_add(good.messages))
    }

    /// The records there are of a ledger's prefix, by origin and code.
    fn recorded(&self, prefix: Prefix) -> Vec<(String, u8)> {
        let of = |(origin, zone): (&String, &ZoneState)| {
            records_of(&zone.records, prefix).map(|(code, _)| (origin.clone(), code)).collect::<Vec<_>>()
        };
        self.state.zones.iter().flat_map(of).collect()
    }

    /// The one place where a record changes: keeps what is published, what is due and the serial in step with it.
    fn change_record(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        turn: &mut Turn<'_>,
        change: impl FnOnce(&mut Record) -> Option<RecordChange>,
    ) {
        let (offset, now) = (self.state.offset, self.state.time);
        let (Some(zone), Some(derived)) = (self.state.zones.get_mut(origin), self.zones.get_mut(origin))
        else {
            return;
        };
        let before = published(&zone.records, prefix, &derived.config);
        let record = zone.records.entry((prefix, code)).or_default();
        let listed_before = record.current.clone();
        if let Some(listing) = &listed_before {
            derived.due.remove(&(listing.until, prefix, code));
        }
        let outcome = change(record);
        let listed = record.current.clone();
        if let Some(listing) = &listed {
            derived.due.insert((listing.until, prefix, code));
        }
        turn.changes.relays.insert(prefix);
        let after = published(&zone.records, prefix, &derived.config);
        if before != after {
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
        let Some(outcome) = outcome else { return };
        let (relay, zone_name) = (prefix, origin.to_owned());
        let until = listed.as_ref().map(|listing| listing.until).unwrap_or_default();
        let (act, change) = match outcome {
            RecordChange::Listed => ("listed", Change::Listed { origin: zone_name, relay, code, until }),
            RecordChange::Extended => {
                ("extended", Change::Extended { origin: zone_name, relay, code, until })
            }
            RecordChange::Ended(how) => (how.name(), Change::Ended { origin: zone_name, relay, code, how }),
        };
        turn.change(change);
        if matches!(outcome, RecordChange::Ended(_))
            && zone.guard.ended(now, derived.entries.len(), &derived.config.guards)
        {
            turn.change(Change::Shrinking { origin: origin.to_owned() });
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

    /// A record about nothing yet.
    fn record(&self, turn: &Turn<'_>, act: &str, why: String) -> AuditRecord {
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

    /// Notes a decision that is about no single listing.
    fn note(&mut self, turn: &mut Turn<'_>, act: &str, zone: &str, about: String) {
        let why = turn.why.to_owned();
        let record = AuditRecord { zone: zone.to_owned(), about, ..self.record(turn, act, why) };
        turn.changes.audit.push(self.state.audit.link(record));
    }
}

/// In words, what a listing stands on, or why it ended.
fn why(listing: &crate::listing::Listing, outcome: &RecordChange) -> String {
    let grounds = &listing.grounds;
    match outcome {
        RecordChange::Ended(Ending::Expired) => "its time had come".to_owned(),
        RecordChange::Ended(Ending::Withdrawn) => "the zone changed".to_owned(),
        RecordChange::Ended(Ending::Voided) => "its evidence was voided".to_owned(),
        _ => format!(
            "{} points, {} trap domains, {} injector networks, {} parties, {} reports",
            grounds.points, grounds.trap_domains, grounds.injector_networks, grounds.parties, grounds.reports
        ),
    }
}

enum RecordChange {
    Listed,
    Extended,
    Ended(Ending),
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

/// What a zone publishes for one ledger: its current listings, with the codes that go with them.
fn published(
    records: &BTreeMap<(Prefix, u8), Record>,
    prefix: Prefix,
    config: &zone::Config,
) -> BTreeMap<Prefix, zone::Entry> {
    let mut published: BTreeMap<Prefix, zone::Entry> = BTreeMap::new();
    for (code, record) in records_of(records, prefix) {
        let Some(listing) = &record.current else { continue };
        let entry = published.entry(listing.prefix).or_default();
        let asked = config.quorum(code).map_or(Points::default(), |(_, quorum)| quorum.points);
        let (until, confidence) = (Some(listing.until), listing.confidence(asked));
        let standing = |code| zone::Standing { code, confidence, until };
        entry.codes.push(standing(code));
        for code in config.codes.iter().filter(|code| code.basis.goes_with(listing)) {
            entry.codes.retain(|other| other.code != code.value);
            entry.codes.push(standing(code.value));
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

/// Whether a code is judged by evidence.
fn is_judged(basis: &Basis) -> bool {
    matches!(basis, Basis::Kinds { .. })
}

/// The low 32 bits of base + offset (RFC 1982 arithmetic lets secondaries follow it round the end).
fn serial(base: u32, changed: Offset) -> u32 {
    (u64::from(base).wrapping_add(changed.number()) & u64::from(u32::MAX)) as u32
}
