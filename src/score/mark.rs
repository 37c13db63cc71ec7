//! What is kept of one piece of evidence once it is counted: as little as the rules need, for there are millions.

use minicbor::{Decode, Encode};

use crate::classify::{Cause, Kind};
use crate::evidence::{Evidence, Observation, Offset, Sender, Way};
use crate::relay::Network;
use crate::time::Timestamp;
use crate::trap::TrapKey;

/// Whether the relay is responsible for the mail that it reports on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Relation {
    /// It isn't: a forwarder, a carrier, or somebody who imitates reports.
    #[n(0)]
    Refuted,
    /// Nobody could tell.
    #[n(1)]
    Unknown,
    /// The DNS of whom it handled mail for leads to it.
    #[n(2)]
    Confirmed,
    /// There is nobody to ask about: a session without a message.
    #[n(3)]
    NotAsked,
}

/// One counted report, or a session without one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mark {
    /// The entry that holds the evidence.
    #[n(0)]
    pub offset: Offset,
    #[n(1)]
    pub seen_at: Timestamp,
    /// Short digests: of the report, so that the same one counts once; of whom it is about, zero where it names nobody.
    #[n(2)]
    pub report: u64,
    #[n(3)]
    pub party: u64,
    #[n(4)]
    pub trap_domain: u32,
    #[n(5)]
    pub trap: u32,
    #[n(6)]
    pub donor: u32,
    #[n(7)]
    pub kind: Kind,
    #[n(8)]
    pub injector: Option<Network>,
    #[n(9)]
    pub sender: Sender,
    #[n(10)]
    pub relation: Relation,
    #[n(11)]
    pub cause: Cause,
    /// The trap's domain had forbidden the original by SPF or DMARC.
    #[n(12)]
    pub forbidden: bool,
    /// Further reports that weighed nothing more: of the same kind, trap domain, network and hour.
    #[n(13)]
    pub more: u32,
    /// An automatic reply that keeps to RFC 3834.
    #[n(14)]
    pub keeps_rfc3834: bool,
    #[n(15)]
    #[cbor(default)]
    pub way: Way,
    /// What it weighs less than a whole report, in thousandths, because of who gave it.
    #[n(16)]
    #[cbor(default)]
    pub discount: u16,
}

/// What the fold knows of where a piece of evidence came from.
#[derive(Clone, Copy, Debug)]
pub struct MarkSource {
    /// The key that the trap was registered by, and the domain that it was registered in.
    pub trap: TrapKey,
    pub domain: TrapKey,
    /// `Donor::short`.
    pub donor: u32,
    pub discount: u16,
}

impl Mark {
    /// What counts of a piece of evidence, seen at a time that the fold has bounded.
    pub fn of(
        evidence: &Evidence,
        observation: Option<&Observation>,
        injector: Option<Network>,
        source: MarkSource,
        seen_at: Timestamp,
        offset: Offset,
    ) -> Self {
        let facts = &evidence.facts;
        Mark {
            offset,
            seen_at,
            // A session without a message has nothing but its own id.
            report: evidence.report.unwrap_or(evidence.id).short(),
            party: facts.party().map_or(0, |party| party.address.short()),
            trap_domain: source.domain.short(),
            // A domain's traps are told apart by address; of all others, what was registered is the trap.
            trap: if source.trap == source.domain { evidence.trap.short() } else { source.trap.short() },
            donor: source.donor,
            kind: facts.kind,
            injector,
            sender: facts.sender,
            relation: relation(evidence, observation),
            cause: facts.leading_failure().map(|failure| failure.cause).unwrap_or_default(),
            forbidden: observation.and_then(|seen| seen.original_forbidden).unwrap_or(false),
            more: 0,
            keeps_rfc3834: facts.keeps_rfc3834,
            way: evidence.way,
            discount: source.discount,
        }
    }

    /// Reports that agree in this weigh as one: a burst is one event.
    pub fn burst(&self) -> (Kind, u32, Option<Network>, u32) {
        (self.kind, self.trap_domain, self.injector, self.seen_at.hour())
    }

    /// Whether a trap, or the domain that it lies in, received it.
    pub fn came_to(&self, key: TrapKey) -> bool {
        [self.trap, self.trap_domain].contains(&key.short())
    }
}

/// Who answers for a report (PITFALLS 5 to 7).
///
/// A relay that itself failed must be shown by the DNS to handle that domain's mail. One that was refused by another host
/// may be a gateway that takes mail for names it doesn't know, or a well-run server with a user who forwards his mail: a
/// gateway is the domain's MX, and what refused it stands behind it. One that only carried a report answers for nothing:
/// whoever handed it over, a customer or a program on the same host, wrote all of it. What is unknown confirms nothing.
fn relation(evidence: &Evidence, observation: Option<&Observation>) -> Relation {
    let facts = &evidence.facts;
    if facts.kind.is_without_message() {
        return Relation::NotAsked;
    }
    // Mail for an address that it knows, and that leads on to another, is no mail for an unknown one: whose DNS would be asked is
    // chosen by whoever set up the forward.
    if facts.carried || facts.leading_failure().is_some_and(|failure| failure.expanded) {
        return Relation::Refuted;
    }
    let Some(seen) = observation else { return Relation::Unknown };
    let remote = facts.leading_failure().is_some_and(|failure| failure.remote);
    if remote {
        all([seen.mx_of_recipient, seen.refused_inside])
    } else {
        // A domain that sends by way of a provider authorises hosts that the provider's other customers use as well: SPF tells
        // whose host it is only where its name doesn't say that it is somebody else's.
        let by_spf = match (seen.spf_of_recipient, seen.named_elsewhere) {
            (Some(true), Some(true) | None) => None,
            (by_spf, _) => by_spf,
        };
        any([seen.mx_of_recipient, by_spf, seen.same_organisation])
    }
}

fn all<const N: usize>(signs: [Option<bool>; N]) -> Relation {
    if signs.contains(&Some(false)) {
        Relation::Refuted
    } else if signs.contains(&None) {
        Relation::Unknown
    } else {
        Relation::Confirmed
    }
}

fn any<const N: usize>(signs: [Option<bool>; N]) -> Relation {
    if signs.contains(&Some(true)) {
        Relation::Confirmed
    } else if signs.contains(&None) {
        Relation::Unknown
    } else {
        Relation::Refuted
    }
}
