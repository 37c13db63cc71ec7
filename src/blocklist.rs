//! The fold: it applies journal entries in order and keeps the list. The same entries produce the
//! same list on every machine.
//!
//! [`Blocklist::apply`] is the only function that changes the state. Only ticks advance the fold's
//! time; every other entry takes effect at the time of the last tick. The state has one owner and
//! contains only ordered collections. Applying an entry cannot fail: an entry that cannot take
//! effect is ignored, and the reason is returned as a [`Change`]. Every change of the list produces
//! an audit record.

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
use self::counting::{PendingEvidence, Sighting};
use self::guard::HourlyGuard;
use crate::complaint::Complaint;
use crate::digest::Digest;
use crate::evidence::{Entry, Evidence, Offset, RecordedEntry};
use crate::listing::{CodeBasis, ListingEnd, ListingRecord};
use crate::relay::{Prefix, Relay};
use crate::score::{Ledger, Points};
use crate::time::{Span, Timestamp};
use crate::trap::{Contribution, Donor, DonorTerms, KnownTraps, TrapKey, TrapSet};
use crate::zone::{self, ListedEntries, Snapshot};

/// The horizon if no zone is published.
const HORIZON_DEFAULT: Span = Span::from_days(28);
/// The maximum number of public notes that are kept.
const NOTES_MAX: usize = 100;

/// The list, and the state from which it is derived.
#[derive(Debug, Default)]
pub struct Blocklist {
    state: FoldState,
    zones: BTreeMap<String, DerivedZone>,
    /// When evidence stops waiting for its observation, the earliest first.
    deadlines: BTreeSet<(Timestamp, Offset, Digest)>,
}

/// The state that a checkpoint contains. The numbers on the fields are the checkpoint's format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct FoldState {
    #[n(0)]
    offset: Offset,
    #[n(1)]
    time: Timestamp,
    #[n(2)]
    donors: BTreeSet<Donor>,
    #[n(3)]
    traps: TrapSet,
    /// By address. Each IPv6 address has a ledger of its own, also within one /64.
    #[n(4)]
    ledgers: BTreeMap<Prefix, Ledger>,
    /// Evidence that waits for its observation, by id.
    #[n(5)]
    pending: BTreeMap<Digest, PendingEvidence>,
    /// By origin.
    #[n(6)]
    zones: BTreeMap<String, ZoneState>,
    /// The injector networks and relays seen for each trap, by the key that the trap was registered
    /// by.
    #[n(7)]
    sightings: BTreeMap<TrapKey, Sighting>,
    #[n(8)]
    exemptions: BTreeMap<Prefix, Exemption>,
    #[n(9)]
    frozen: bool,
    #[n(10)]
    notes: Vec<PublicNote>,
    /// By ledger prefix and [`Donor::short`].
    #[n(11)]
    good_mail: BTreeMap<(Prefix, u32), WantedMail>,
    #[n(12)]
    audit: AuditHead,
    /// The terms of those donors for which they were set.
    #[n(13)]
    #[cbor(default)]
    terms: BTreeMap<Donor, DonorTerms>,
    #[n(14)]
    #[cbor(default)]
    contributions: BTreeMap<Donor, Contribution>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct ZoneState {
    /// The content of the zone's file.
    #[n(0)]
    text: String,
    /// By ledger prefix and code.
    #[n(1)]
    records: BTreeMap<(Prefix, u8), ListingRecord>,
    /// The last entry that changed the published zone.
    #[n(2)]
    changed: Offset,
    /// Whether the zone is published. A withdrawn zone keeps its records.
    #[n(3)]
    published: bool,
    /// Whether the zone is shut down, that is published empty (RFC 6471 §3.4).
    #[n(4)]
    shut_down: bool,
    #[n(5)]
    guard: HourlyGuard,
}

/// The operator's decision never to list a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exemption {
    /// When the exemption began.
    #[n(0)]
    pub since: Timestamp,
    /// When the operator must review it.
    #[n(1)]
    pub review_by: Timestamp,
    /// The name of the operator.
    #[n(2)]
    pub by: String,
    /// The reason.
    #[n(3)]
    pub why: String,
}

/// A public note about an error in the list (RFC 6471 §3.9).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublicNote {
    /// When the note was made.
    #[n(0)]
    pub at: Timestamp,
    /// The text.
    #[n(1)]
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct WantedMail {
    #[n(0)]
    messages: u64,
    #[n(1)]
    at: Timestamp,
}

/// Data that is derived from a zone's state and not stored in a checkpoint.
#[derive(Debug)]
struct DerivedZone {
    config: Arc<zone::Config>,
    entries: Arc<ListedEntries>,
    /// When listings end, the earliest first.
    due: BTreeSet<(Timestamp, Prefix, u8)>,
}

/// One effect of a journal entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListChange {
    /// Evidence was added to a ledger.
    Counted {
        /// The relay that brought the evidence.
        relay: Relay,
    },
    /// A listing began.
    Listed {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// When the listing ends.
        until: Timestamp,
    },
    /// A listing was extended.
    Extended {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// When the listing ends.
        until: Timestamp,
    },
    /// A listing ended.
    Ended {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
        /// Why the listing ended.
        how: ListingEnd,
    },
    /// A guard or a freeze holds a new listing until the operator releases it.
    Held {
        /// The zone's origin.
        origin: String,
        /// The prefix of the ledger.
        relay: Prefix,
        /// The code of the listing.
        code: u8,
    },
    /// More listings ended within an hour than the guards expect.
    Shrinking {
        /// The zone's origin.
        origin: String,
    },
    /// A trap is burned: forged mail in its name comes from one network only, so it no longer
    /// counts.
    Burned,
    /// The traps, the donors or the donors' terms changed.
    Traps,
    /// A zone was published, changed, withdrawn, shut down or reopened.
    Zone {
        /// The zone's origin.
        origin: String,
    },
    /// A directive took effect in another way.
    Decided,
    /// The entry had no effect.
    Ignored {
        /// The reason.
        why: &'static str,
    },
}

/// All effects of one journal entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ListChanges {
    /// The effects, in order.
    pub list: Vec<ListChange>,
    /// The ledger prefixes whose ledger or records changed.
    pub relays: BTreeSet<Prefix>,
    /// The audit records of the effects.
    pub audit: Vec<AuditRecord>,
}

/// A journal entry that is being applied.
struct EntryContext<'a> {
    by: &'a str,
    why: &'a str,
    changes: ListChanges,
}

impl EntryContext<'_> {
    fn ignore(&mut self, why: &'static str) {
        self.changes.list.push(ListChange::Ignored { why });
    }

    fn change(&mut self, change: ListChange) {
        self.changes.list.push(change);
    }
}

/// A copy of the state of one relay, for readers that run while the fold continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayRecord {
    /// The counted reports.
    pub ledger: Ledger,
    /// The listings in the published zones, by origin and code.
    pub records: BTreeMap<(Arc<str>, u8), ListingRecord>,
    /// The number of wanted messages that donors received from the relay within the horizon.
    pub good_messages: u64,
    /// The last entry that was applied before the copy was made.
    pub offset: Offset,
}

/// All donors, ordered by name.
pub type Donors = BTreeMap<Donor, DonorRecord>;

/// The terms and the contribution of a donor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DonorRecord {
    /// What the donor may do.
    pub terms: DonorTerms,
    /// What the donor has contributed.
    pub contribution: Contribution,
}

/// The state of the list as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStatus {
    /// Whether new listings are frozen.
    pub frozen: bool,
    /// The number of listings that the guards hold, by origin. Zones without held listings are
    /// omitted.
    pub held: BTreeMap<String, usize>,
    /// The origins of the zones that are shut down.
    pub shut_down: Vec<String>,
    /// The exemptions, by prefix.
    pub exemptions: BTreeMap<Prefix, Exemption>,
    /// The public notes, the oldest first.
    pub notes: Vec<PublicNote>,
    /// The end of the audit chain.
    pub audit: AuditHead,
}

impl Blocklist {
    /// An empty list, before the first entry.
    pub fn new() -> Self {
        Blocklist::default()
    }

    /// The last entry that was applied.
    pub fn offset(&self) -> Offset {
        self.state.offset
    }

    /// The fold's time: the time of the last tick.
    pub fn time(&self) -> Timestamp {
        self.state.time
    }

    /// The registered traps.
    pub fn traps(&self) -> &TrapSet {
        &self.state.traps
    }

    /// A copy of the traps for the SMTP intake.
    pub fn known_traps(&self) -> KnownTraps {
        let traps = self.state.traps.clone();
        let hashing = self.state.terms.iter().filter(|(_, terms)| terms.sends_hashes && !terms.suspended);
        let hashing = hashing.map(|(donor, _)| donor.clone()).collect();
        KnownTraps { domains: traps.domains(), traps, hashing }
    }

    /// The terms and the contribution of every donor.
    pub fn donors(&self) -> Donors {
        let of = |donor: &Donor| DonorRecord {
            terms: self.state.terms.get(donor).cloned().unwrap_or_default(),
            contribution: self.state.contributions.get(donor).copied().unwrap_or_default(),
        };
        self.state.donors.iter().map(|donor| (donor.clone(), of(donor))).collect()
    }

    /// The content of a zone's file as it was adopted.
    pub fn zone_text(&self, origin: &str) -> Option<&str> {
        self.state.zones.get(origin).map(|zone| zone.text.as_str())
    }

    /// The origins of all zones, including the withdrawn ones.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.state.zones.keys().map(String::as_str)
    }

    /// Every prefix that has a ledger or a record.
    pub fn relays(&self) -> BTreeSet<Prefix> {
        let recorded =
            self.state.zones.values().flat_map(|zone| zone.records.keys().map(|(prefix, _)| *prefix));
        self.state.ledgers.keys().copied().chain(recorded).collect()
    }

    /// The number of relays that have a ledger.
    pub fn ledgers(&self) -> usize {
        self.state.ledgers.len()
    }

    /// Evidence that waits for its observation.
    pub fn pending(&self) -> impl Iterator<Item = &Evidence> {
        self.state.pending.values().map(|pending| &*pending.evidence)
    }

    /// The state of the list as a whole.
    pub fn status(&self) -> ListStatus {
        let zones = &self.state.zones;
        let held = zones.iter().filter(|(_, zone)| !zone.guard.held.is_empty());
        ListStatus {
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

    /// The zones as they are to be published now.
    pub fn snapshot(&self) -> Snapshot {
        let zones = self.state.zones.iter().filter_map(|(origin, state)| {
            let derived = self.zones.get(origin)?;
            Some(zone::JudgedZone {
                config: Arc::clone(&derived.config),
                entries: Arc::clone(&derived.entries),
                serial: serial(derived.config.serial_base, state.changed),
                shut_down: state.shut_down,
            })
        });
        Snapshot::new(zones.collect(), self.state.time)
    }

    /// A copy of the state of one relay, or `None` if there is no ledger and no record.
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

    /// Applies the next entry and returns its effects. An entry that was applied before has no
    /// effect.
    pub fn apply(&mut self, recorded: &RecordedEntry) -> ListChanges {
        let mut turn = EntryContext { by: FOLD, why: "", changes: ListChanges::default() };
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

    fn tick(&mut self, at: Timestamp, turn: &mut EntryContext<'_>) {
        let before = self.state.time;
        self.state.time = before.max(at);
        let now = self.state.time;
        self.end_waits(now, turn);
        self.expire(now, turn);
        if now.day() != before.day() {
            self.forget(now, &mut turn.changes);
        }
    }

    fn expire(&mut self, now: Timestamp, turn: &mut EntryContext<'_>) {
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
                record.expire(now).map(|_| ListingChange::Ended(ListingEnd::Expired))
            });
        }
    }

    /// Drops, once a day, the evidence and records that no longer have any effect.
    fn forget(&mut self, now: Timestamp, changes: &mut ListChanges) {
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
                // The floor is needed while the ledger contains evidence from before it.
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

    /// The origins and codes of the records for a ledger's prefix.
    fn recorded(&self, prefix: Prefix) -> Vec<(String, u8)> {
        let of = |(origin, zone): (&String, &ZoneState)| {
            records_of(&zone.records, prefix).map(|(code, _)| (origin.clone(), code)).collect::<Vec<_>>()
        };
        self.state.zones.iter().flat_map(of).collect()
    }

    /// Changes a record. Every change of a record uses this function, which also updates the
    /// published entries, the times at which listings end, and the serial.
    fn change_record(
        &mut self,
        origin: &str,
        prefix: Prefix,
        code: u8,
        turn: &mut EntryContext<'_>,
        change: impl FnOnce(&mut ListingRecord) -> Option<ListingChange>,
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
                entries.set(*gone, zone::ListedCodes::default());
            }
            let mask = |published: &BTreeMap<Prefix, zone::ListedCodes>| {
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
            ListingChange::Listed => ("listed", ListChange::Listed { origin: zone_name, relay, code, until }),
            ListingChange::Extended => {
                ("extended", ListChange::Extended { origin: zone_name, relay, code, until })
            }
            ListingChange::Ended(how) => {
                (how.name(), ListChange::Ended { origin: zone_name, relay, code, how })
            }
        };
        turn.change(change);
        if matches!(outcome, ListingChange::Ended(_))
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
    fn record(&self, turn: &EntryContext<'_>, act: &str, why: String) -> AuditRecord {
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
    fn note(&mut self, turn: &mut EntryContext<'_>, act: &str, zone: &str, about: String) {
        let why = turn.why.to_owned();
        let record = AuditRecord { zone: zone.to_owned(), about, ..self.record(turn, act, why) };
        turn.changes.audit.push(self.state.audit.link(record));
    }
}

/// The reason for an audit record: the grounds of a listing, or why it ended.
fn why(listing: &crate::listing::Listing, outcome: &ListingChange) -> String {
    let grounds = &listing.grounds;
    match outcome {
        ListingChange::Ended(ListingEnd::Expired) => "its end was reached".to_owned(),
        ListingChange::Ended(ListingEnd::Withdrawn) => "the zone was changed or withdrawn".to_owned(),
        ListingChange::Ended(ListingEnd::Voided) => "its evidence was voided".to_owned(),
        _ => format!(
            "{} points, {} trap domains, {} networks the forged mail came from, {} distinct failed recipients, {} reports",
            grounds.points,
            grounds.trap_domains,
            grounds.injector_networks,
            grounds.failed_recipients,
            grounds.reports
        ),
    }
}

enum ListingChange {
    Listed,
    Extended,
    Ended(ListingEnd),
}

impl DerivedZone {
    fn of(state: &ZoneState, config: Arc<zone::Config>) -> Self {
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

    fn read(origin: &str, state: &ZoneState) -> Result<Self, Vec<Complaint>> {
        Ok(DerivedZone::of(state, Arc::new(zone::read(origin, &state.text)?)))
    }
}

/// The published entries for one ledger: the current listings, and the codes that accompany them.
fn published(
    records: &BTreeMap<(Prefix, u8), ListingRecord>,
    prefix: Prefix,
    config: &zone::Config,
) -> BTreeMap<Prefix, zone::ListedCodes> {
    let mut published: BTreeMap<Prefix, zone::ListedCodes> = BTreeMap::new();
    for (code, record) in records_of(records, prefix) {
        let Some(listing) = &record.current else { continue };
        let entry = published.entry(listing.prefix).or_default();
        let asked = config.quorum(code).map_or(Points::default(), |(_, quorum)| quorum.points);
        let (until, confidence) = (Some(listing.until), listing.confidence(asked));
        let standing = |code| zone::ListedCode { code, confidence, until };
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
    records: &BTreeMap<(Prefix, u8), ListingRecord>,
    prefix: Prefix,
) -> impl Iterator<Item = (u8, &ListingRecord)> {
    records.range((prefix, 0)..=(prefix, u8::MAX)).map(|((_, code), record)| (*code, record))
}

/// Whether a code is judged by evidence.
fn is_judged(basis: &CodeBasis) -> bool {
    matches!(basis, CodeBasis::Kinds { .. })
}

/// The zone's serial: the low 32 bits of base + offset. Secondaries compare serials by the
/// arithmetic of RFC 1982, so the number may wrap.
fn serial(base: u32, changed: Offset) -> u32 {
    (u64::from(base).wrapping_add(changed.number()) & u64::from(u32::MAX)) as u32
}
