//! The fold's state, as a checkpoint contains it.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::answers::RelayAnswer;
use super::audit::AuditHead;
use super::guard::HourlyGuard;
use super::publication_queue::PublicationQueue;
use super::question_domains::QuestionDomains;
use crate::digest::Digest;
use crate::evidence::{Evidence, Offset};
use crate::listing::ListingRecord;
use crate::relay::{InjectorNetwork, Prefix, Relay};
use crate::score::Ledger;
use crate::time::Timestamp;
use crate::trap::{Contribution, Donor, DonorTerms, TrapKey, TrapSet};

/// The state that a checkpoint contains. The numbers on the fields are the checkpoint's format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct FoldState {
    #[n(0)]
    pub(super) offset: Offset,
    #[n(1)]
    pub(super) time: Timestamp,
    #[n(2)]
    pub(super) donors: BTreeSet<Donor>,
    #[n(3)]
    pub(super) traps: TrapSet,
    /// By address. Each IPv6 address has a ledger of its own, also within one /64.
    #[n(4)]
    pub(super) ledgers: BTreeMap<Prefix, Ledger>,
    /// Evidence that waits for its observation, by id.
    #[n(5)]
    pub(super) pending: BTreeMap<Digest, PendingEvidence>,
    /// By origin.
    #[n(6)]
    pub(super) zones: BTreeMap<String, ZoneState>,
    /// The injector networks and relays seen for each trap, by the key that the trap was registered
    /// by.
    #[n(7)]
    pub(super) sightings: BTreeMap<TrapKey, Sighting>,
    #[n(8)]
    pub(super) exemptions: BTreeMap<Prefix, Exemption>,
    #[n(9)]
    pub(super) frozen: bool,
    #[n(10)]
    pub(super) notes: Vec<PublicNote>,
    /// By ledger prefix and [`Donor::short`].
    #[n(11)]
    pub(super) good_mail: BTreeMap<(Prefix, u32), WantedMail>,
    #[n(12)]
    pub(super) audit: AuditHead,
    /// The terms of those donors for which they were set.
    #[n(13)]
    #[cbor(default)]
    pub(super) terms: BTreeMap<Donor, DonorTerms>,
    #[n(14)]
    #[cbor(default)]
    pub(super) contributions: BTreeMap<Donor, Contribution>,
    /// The last answers of relays' sides, by ledger prefix and short digest of the domain.
    #[n(15)]
    #[cbor(default)]
    pub(super) answers: BTreeMap<(Prefix, u64), RelayAnswer>,
    /// When donors left, by the digest of their names. Evidence from before does not count, even if
    /// the operator gives the name again.
    #[n(19)]
    #[cbor(default)]
    pub(super) departures: BTreeMap<Digest, Timestamp>,
    /// The fingerprint of the key under which the traps are hashed.
    #[n(21)]
    #[cbor(default)]
    pub(super) trap_key: Option<Digest>,
}

/// The state of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct ZoneState {
    /// The content of the zone's file.
    #[n(0)]
    pub(super) text: String,
    /// By ledger prefix and code.
    #[n(1)]
    pub(super) records: BTreeMap<(Prefix, u8), ListingRecord>,
    /// The serial of the published zone (RFC 1035 §3.3.13).
    #[n(2)]
    pub(super) serial: u32,
    /// Whether the zone is published. A withdrawn zone keeps its records.
    #[n(3)]
    pub(super) published: bool,
    /// Whether the zone is shut down, that is published empty (RFC 6471 §3.4).
    #[n(4)]
    pub(super) shut_down: bool,
    #[n(5)]
    pub(super) guard: HourlyGuard,
    /// What was decided and waits for a slot to become public.
    #[n(7)]
    #[cbor(default)]
    pub(super) publication: PublicationQueue,
    /// Complete cases that wait for the answer of the relay's side, each with the domains that its side
    /// is asked about. Number 6 was used before.
    #[n(8)]
    #[cbor(default)]
    pub(super) unverified: BTreeMap<(Prefix, u8), QuestionDomains>,
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

/// The wanted mail that one donor received from one relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct WantedMail {
    #[n(0)]
    pub(super) messages: u64,
    #[n(1)]
    pub(super) at: Timestamp,
}

/// Evidence that waits for its observation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct PendingEvidence {
    /// When the evidence counts without an observation.
    #[n(0)]
    pub(super) deadline: Timestamp,
    /// The entry that contains the evidence.
    #[n(1)]
    pub(super) offset: Offset,
    /// When the trap node received it, after the check of that time.
    #[n(2)]
    pub(super) seen_at: Timestamp,
    /// The evidence.
    #[n(3)]
    pub(super) evidence: Box<Evidence>,
    /// The key that the trap was registered by.
    #[n(4)]
    pub(super) trap: TrapKey,
    /// The donor that gave the trap, or that handed on the evidence.
    #[n(5)]
    pub(super) donor: Donor,
    /// Another donor gave the trap before the donor that handed on the evidence, so it has no
    /// weight.
    #[n(6)]
    #[cbor(default)]
    pub(super) outranked: bool,
}

/// The injector networks and relays seen for one trap. They show whether the trap is burned, that
/// is known to an attacker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Sighting {
    /// The first injector networks, at most two.
    #[n(0)]
    pub(super) networks: Vec<InjectorNetwork>,
    /// The first relays that reported, at most `burned_after_relays`.
    #[n(1)]
    pub(super) relays: Vec<Relay>,
    /// The time of the last report with a known injector.
    #[n(2)]
    pub(super) last: Timestamp,
}
