//! Decisions of operators and donors.

use minicbor::{Decode, Encode};

use super::Offset;
use crate::digest::{Digest, Digester};
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;
use crate::trap::{Donor, DonorTerms, Scope, TrapKey, TrapMail};

/// The maximum number of traps, or of trap domains, in one order.
pub const ORDER_TRAPS_MAX: usize = 4_096;

/// A decision of an operator or a donor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Directive {
    /// The id of the entry; a repeated append has the same id.
    #[n(0)]
    pub id: Digest,
    /// The name of the operator or donor that gave the directive.
    #[n(1)]
    pub by: String,
    /// The reason that was given.
    #[n(2)]
    pub why: String,
    /// What is to be done.
    #[n(3)]
    pub order: Order,
}

impl Directive {
    /// A directive that is given at a time, after a place in the journal. Its id is the digest of
    /// all of this, so the same order is a new directive when it is repeated.
    pub fn new(by: String, why: String, order: Order, at: Timestamp, after: Offset) -> Self {
        let order_octets = minicbor::to_vec(&order).expect("writing to memory can't fail");
        let mut digester = Digester::default();
        digester.add(b"directive").add(by.as_bytes()).add(why.as_bytes()).add(&order_octets);
        digester.add(&at.milliseconds().to_be_bytes()).add(&after.number().to_be_bytes());
        Directive { id: digester.digest(), by, why, order }
    }
}

/// The order in a [`Directive`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Order {
    /// Register a donor.
    #[n(0)]
    AddDonor {
        /// The donor.
        #[n(0)]
        donor: Donor,
    },
    /// Register one trap.
    #[n(1)]
    AddTrap {
        /// The key of the address or domain.
        #[n(0)]
        key: TrapKey,
        /// What the trap covers.
        #[n(1)]
        scope: Scope,
        /// The key of the trap's domain.
        #[n(2)]
        domain: TrapKey,
        /// The donor that gave the trap.
        #[n(3)]
        donor: Donor,
        /// Since when the trap has sent no mail and expected none. `None` stands for the time at
        /// which the trap is added.
        #[n(4)]
        silent_since: Option<Timestamp>,
    },
    /// Retire one trap, whichever donor gave it.
    #[n(2)]
    RetireTrap {
        /// The key that the trap was registered by.
        #[n(0)]
        key: TrapKey,
    },
    /// Remove a relay from every zone. Evidence recorded earlier no longer counts against it.
    #[n(3)]
    Remove {
        /// The relay.
        #[n(0)]
        relay: Relay,
    },
    /// Publish a zone as its file specifies.
    #[n(4)]
    AdoptZone {
        /// The zone's origin.
        #[n(0)]
        origin: String,
        /// The content of the zone's file, unchanged.
        #[n(1)]
        text: String,
    },
    /// Stop publishing a zone.
    #[n(5)]
    WithdrawZone {
        /// The zone's origin.
        #[n(0)]
        origin: String,
    },
    /// Never list any address in a prefix, until the exemption is ended.
    #[n(6)]
    Exempt {
        /// The exempt addresses.
        #[n(0)]
        prefix: Prefix,
        /// When the operator must review the exemption.
        #[n(1)]
        review_by: Timestamp,
    },
    /// End an exemption.
    #[n(7)]
    EndExemption {
        /// The prefix, as it was exempted.
        #[n(0)]
        prefix: Prefix,
    },
    /// List an address, or an IPv6 /64, by decision of the operator.
    #[n(8)]
    List {
        /// The zone's origin.
        #[n(0)]
        origin: String,
        /// The address or /64 to list.
        #[n(1)]
        prefix: Prefix,
        /// The code under which it is listed.
        #[n(2)]
        code: u8,
        /// When the listing ends.
        #[n(3)]
        until: Timestamp,
    },
    /// Void the evidence that a source brought since a time, and end every listing that depended on
    /// it.
    #[n(9)]
    Void {
        /// The source of the evidence.
        #[n(0)]
        source: EvidenceSource,
        /// The earliest time of receipt that is voided.
        #[n(1)]
        since: Timestamp,
    },
    /// Hold every new listing in every zone.
    #[n(10)]
    Freeze,
    /// End a freeze, and judge again what the guards or the freeze held.
    #[n(11)]
    Release,
    /// Shut down a zone: publish it empty (RFC 6471 §3.4).
    #[n(12)]
    ShutDown {
        /// The zone's origin.
        #[n(0)]
        origin: String,
    },
    /// Undo a shutdown.
    #[n(13)]
    Reopen {
        /// The zone's origin.
        #[n(0)]
        origin: String,
    },
    /// The number of wanted messages that a donor received from a relay within the horizon. The
    /// relay's points are divided by its logarithm.
    #[n(14)]
    CountGoodMail {
        /// The relay.
        #[n(0)]
        relay: Relay,
        /// The donor that counted.
        #[n(1)]
        donor: Donor,
        /// The number of messages, which replaces the donor's earlier count.
        #[n(2)]
        messages: u64,
    },
    /// Set a donor's terms. Registers the donor if it is new.
    #[n(15)]
    SetDonor {
        /// The donor.
        #[n(0)]
        donor: Donor,
        /// The terms, which replace the earlier terms.
        #[n(1)]
        terms: DonorTerms,
    },
    /// Register traps of one donor.
    #[n(16)]
    AddTraps {
        /// The donor that gives the traps.
        #[n(0)]
        donor: Donor,
        /// The traps, at most [`ORDER_TRAPS_MAX`].
        #[n(1)]
        traps: Vec<GivenTrap>,
    },
    /// Withdraw traps of one donor.
    #[n(17)]
    RetireTraps {
        /// The donor that gave the traps.
        #[n(0)]
        donor: Donor,
        /// The keys that the traps were registered by, at most [`ORDER_TRAPS_MAX`].
        #[n(1)]
        keys: Vec<TrapKey>,
    },
    /// Record where the mail for trap domains goes: what the DNS says, or what the operator decided.
    #[n(18)]
    SetTrapMail {
        /// The domains, at most [`ORDER_TRAPS_MAX`].
        #[n(0)]
        domains: Vec<TrapMail>,
    },
    /// Drop a donor with its traps, its claims, its terms and the evidence that it brought, and end
    /// every listing that depended on that evidence.
    #[n(19)]
    DismissDonor {
        /// The donor.
        #[n(0)]
        donor: Donor,
    },
    /// Remove a relay from every zone because somebody asked for it, without proof of who asks.
    /// Listings by decision of the operator stay. Evidence recorded earlier no longer counts.
    #[n(20)]
    RemoveOnRequest {
        /// The relay.
        #[n(0)]
        relay: Relay,
        /// The network of the client that asked.
        #[n(1)]
        network: Prefix,
    },
    /// Record the key under which the traps are hashed. The first one holds.
    #[n(21)]
    SetTrapKey {
        /// What tells the key from others.
        #[n(0)]
        fingerprint: Digest,
    },
}

/// A trap in [`Order::AddTraps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GivenTrap {
    /// The key of the address or domain.
    #[n(0)]
    pub key: TrapKey,
    /// What the trap covers.
    #[n(1)]
    pub scope: Scope,
    /// The key of the trap's domain.
    #[n(2)]
    pub domain: TrapKey,
    /// Since when, according to the donor, the trap has sent no mail and expected none.
    #[n(3)]
    pub silent_since: Option<Timestamp>,
}

/// A source of evidence, for [`Order::Void`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EvidenceSource {
    /// A donor: all evidence that reached its traps.
    #[n(0)]
    Donor(#[n(0)] Donor),
    /// A trap, or a trap domain with every address in it and below it.
    #[n(1)]
    Trap(#[n(0)] TrapKey),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_differs_by_all_that_it_says_and_by_its_time_and_place() {
        let given = |by: &str, why: &str, order, at, after| {
            let (at, after) = (Timestamp::from_milliseconds(at), Offset::from_number(after));
            Directive::new(by.to_owned(), why.to_owned(), order, at, after).id
        };
        let ids = [
            given("op", "why", Order::Freeze, 1, 1),
            given("other", "why", Order::Freeze, 1, 1),
            given("op", "other", Order::Freeze, 1, 1),
            given("op", "why", Order::Release, 1, 1),
            given("op", "why", Order::Freeze, 2, 1),
            given("op", "why", Order::Freeze, 1, 2),
        ];
        for (nth, id) in ids.iter().enumerate() {
            assert!(!ids[..nth].contains(id), "directive {nth}");
        }
        assert_eq!(ids[0], given("op", "why", Order::Freeze, 1, 1));
    }
}
