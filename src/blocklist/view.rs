//! What readers get from the fold: zones, records of relays, traps, donors and the state of the
//! list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Blocklist;
use super::answers::RelayAnswer;
use super::audit::AuditHead;
use super::holds::{HeldListings, HoldingGuard, ListingHold, WAITING_SITES_MAX};
use super::published::records_of;
use super::state::{Exemption, PublicNote, ZoneState};
use crate::digest::Digest;
use crate::evidence::{Evidence, Offset};
use crate::listing::ListingRecord;
use crate::relay::Prefix;
use crate::score::Ledger;
use crate::time::Timestamp;
use crate::trap::{Contribution, Donor, DonorTerms, KnownTraps, TrapSet};
use crate::zone::{self, Snapshot};

/// A copy of the state of one relay, for readers that run while the fold continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayRecord {
    /// The counted reports.
    pub ledger: Ledger,
    /// The listings in the published zones, by origin and code.
    pub records: BTreeMap<(Arc<str>, u8), ListingRecord>,
    /// The number of wanted messages that donors received from the relay within the horizon.
    pub good_messages: u64,
    /// The last answers of the relay's side about made-up recipients, by short digest of the domain.
    pub answers: BTreeMap<u64, RelayAnswer>,
    /// The held listings in the published zones: origin, code and hold. It takes little room while
    /// it is empty, as it is for nearly all relays.
    pub held: Box<[(Arc<str>, u8, ListingHold)]>,
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
    /// When a donor of this name left for the last time. What was handed on before is not this
    /// donor's.
    pub departed: Option<Timestamp>,
}

/// How many listings of a zone are held, by what holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldCounts {
    /// Listings that a freeze holds.
    pub freeze: usize,
    /// Listings that the zone's limit on additions in an hour holds.
    pub zone: usize,
    /// Listings that the share of their site holds.
    pub site: usize,
    /// The number of sites whose share holds listings.
    pub sites: usize,
}

impl HeldCounts {
    fn of(held: &HeldListings) -> Self {
        let mut counts = HeldCounts { sites: held.sites().count(), ..HeldCounts::default() };
        for (_, _, hold) in held.iter() {
            match hold.guard {
                HoldingGuard::Freeze => counts.freeze += 1,
                HoldingGuard::Zone => counts.zone += 1,
                HoldingGuard::Site(_) => counts.site += 1,
            }
        }
        counts
    }

    /// The number of all held listings.
    pub const fn total(self) -> usize {
        self.freeze + self.zone + self.site
    }

    /// Whether so many sites wait that only a release lets their listings in.
    pub const fn is_crowded(self) -> bool {
        self.sites > WAITING_SITES_MAX
    }
}

/// The state of the list as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStatus {
    /// Whether new listings are frozen.
    pub frozen: bool,
    /// The numbers of held listings, by origin. Zones without held listings are omitted.
    pub held: BTreeMap<String, HeldCounts>,
    /// The numbers of complete cases that wait for the answer of the relay's side, by origin.
    pub unverified: BTreeMap<String, usize>,
    /// The numbers of listings and changes of listings that wait for a slot, by origin. Zones in which
    /// nothing waits are omitted.
    pub unpublished: BTreeMap<String, usize>,
    /// The origins of the zones that are shut down.
    pub shut_down: Vec<String>,
    /// The exemptions, by prefix.
    pub exemptions: BTreeMap<Prefix, Exemption>,
    /// The public notes, the oldest first.
    pub notes: Vec<PublicNote>,
    /// The end of the audit chain.
    pub audit: AuditHead,
    /// The fingerprint of the key under which the journal's traps are hashed, once it is recorded.
    pub trap_key: Option<Digest>,
}

impl Blocklist {
    /// The last entry that was applied.
    pub fn offset(&self) -> Offset {
        self.state.offset
    }

    /// The fold's time: the time of the last tick.
    pub fn time(&self) -> Timestamp {
        self.state.time
    }

    /// The fingerprint of the key under which the journal's traps are hashed, once it is recorded.
    pub fn trap_key(&self) -> Option<Digest> {
        self.state.trap_key
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
            departed: self.departed(donor),
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
        let held = zones.iter().map(|(origin, zone)| (origin.clone(), HeldCounts::of(&zone.guard.held)));
        ListStatus {
            frozen: self.state.frozen,
            held: held.filter(|(_, counts)| counts.total() > 0).collect(),
            unverified: zones
                .iter()
                .filter(|(_, zone)| !zone.unverified.is_empty())
                .map(|(origin, zone)| (origin.clone(), zone.unverified.len()))
                .collect(),
            unpublished: zones
                .iter()
                .filter(|(_, zone)| zone.publication.len() > 0)
                .map(|(origin, zone)| (origin.clone(), zone.publication.len()))
                .collect(),
            shut_down: zones
                .iter()
                .filter(|(_, zone)| zone.shut_down)
                .map(|(origin, _)| origin.clone())
                .collect(),
            exemptions: self.state.exemptions.clone(),
            notes: self.state.notes.clone(),
            audit: self.state.audit.clone(),
            trap_key: self.state.trap_key,
        }
    }

    /// The zones as they are to be published now.
    pub fn snapshot(&self) -> Snapshot {
        let zones = self.state.zones.iter().filter_map(|(origin, state)| {
            let derived = self.zones.get(origin)?;
            Some(zone::JudgedZone {
                config: Arc::clone(&derived.config),
                entries: Arc::clone(&derived.entries),
                serial: state.serial,
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
        let records: BTreeMap<_, _> = published.clone().flat_map(of_zone).collect();
        let held = published.flat_map(|(origin, zone)| {
            let holds = zone.guard.held.of(prefix);
            holds.map(|(code, hold)| (Arc::from(origin.as_str()), code, hold))
        });
        let ledger = self.state.ledgers.get(&prefix).cloned();
        if ledger.is_none() && records.is_empty() {
            return None;
        }
        Some(RelayRecord {
            ledger: ledger.unwrap_or_default(),
            records,
            good_messages: self.good_messages(prefix),
            answers: self.answers_of(prefix).map(|(domain, known)| (domain, known.clone())).collect(),
            held: held.collect(),
            offset: self.state.offset,
        })
    }
}
