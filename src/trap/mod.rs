//! Traps: addresses that never send mail.
//!
//! Trap addresses are secret, so only keyed hashes of them are stored.

mod coverage;
mod donor;
pub mod feed;
mod set;
mod table;
mod tag;
mod watermark;

use std::fmt;

use minicbor::{Decode, Encode};

pub use coverage::{NamedTrap, WIDER_MAX};
pub use donor::{Contribution, DONOR_RELAYS_MAX, DONORS_MAX, Donor, DonorTerms};
pub use set::{HASHING_DONORS_MAX, KnownTraps, TrapCount, TrapDomains, TrapSet};
pub use tag::strip_rewriting;

use crate::digest::Digest;
use crate::mail::{self, Mailbox};
use crate::time::Timestamp;

/// The keyed hash that represents a trap's address or domain wherever it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TrapKey(#[n(0)] Digest);

impl TrapKey {
    /// The first four octets. A ledger holds a few hundred keys at most and saves space with them.
    pub fn short(self) -> u32 {
        (self.0.short() >> 32) as u32
    }
}

impl fmt::Display for TrapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for TrapKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(TrapKey)
    }
}

/// The secret key under which addresses are hashed. It is the same on every node that shares a
/// journal.
#[derive(Clone)]
pub struct TrapHasher([u8; 32]);

impl TrapHasher {
    /// A hasher with the given key of 32 octets.
    pub const fn new(key: [u8; 32]) -> Self {
        TrapHasher(key)
    }

    /// The key of an address.
    pub fn address(&self, mailbox: &Mailbox) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, mailbox.folded().as_bytes()))
    }

    /// The key of a domain. The leading `@` in the hashed text keeps domain keys apart from address
    /// keys.
    pub fn domain(&self, domain: &str) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, format!("@{}", mail::canonical_domain(domain)).as_bytes()))
    }

    /// The digest of a failed recipient's address: equal for equal addresses, and of no use for
    /// guessing them without the key.
    pub fn recipient(&self, mailbox: &Mailbox) -> Digest {
        Digest::keyed(&self.0, format!("recipient {}", mailbox.folded()).as_bytes())
    }
}

impl TrapHasher {
    /// The secret key of a donor that sends hashes instead of addresses. The donor hashes with
    /// BLAKE3's keyed mode and sends the first 16 octets.
    pub fn donor_key(&self, donor: &Donor) -> [u8; 32] {
        Digest::secret(&self.0, format!("donor {donor}").as_bytes())
    }

    /// The stored key for a hash that a donor sent. The hash is hashed again together with the
    /// donor's name, so that a donor can neither choose the stored key nor produce one that belongs
    /// to another donor or to a plain address.
    pub fn of_hash(&self, donor: &Donor, given: TrapKey) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, format!("hashed {donor} {given}").as_bytes()))
    }

    /// The hasher that a donor uses on its own addresses.
    pub fn for_donor(&self, donor: &Donor) -> TrapHasher {
        TrapHasher(self.donor_key(donor))
    }

    /// The digest of a transaction's reverse-path.
    pub fn reverse_path(&self, address: &str) -> Digest {
        Digest::keyed(&self.0, format!("reverse-path {}", address.to_lowercase()).as_bytes())
    }
}

impl fmt::Debug for TrapHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrapHasher(secret)")
    }
}

/// How much of a domain a trap covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Every local part of the domain is a trap.
    #[n(0)]
    Domain,
    /// This address alone is a trap. Mail for the other local parts of its domain is accepted in
    /// the same way and does not count.
    #[n(1)]
    Address,
    /// Every local part of the domain and of all its subdomains is a trap.
    #[n(2)]
    Subdomains,
    /// The local parts that begin with a given prefix are traps. Mail for the others is accepted in
    /// the same way and does not count.
    #[n(3)]
    Pattern,
    /// An address or a domain that its donor named by a hash under the donor's own key.
    #[n(4)]
    Hashed,
}

impl Scope {
    /// The scope's name in texts and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Domain => "domain",
            Scope::Address => "address",
            Scope::Subdomains => "subdomains",
            Scope::Pattern => "pattern",
            Scope::Hashed => "hashed",
        }
    }
}

/// A trap as it was registered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Trap {
    /// How much of the domain the trap covers.
    #[n(0)]
    pub scope: Scope,
    /// The key of the trap's domain. For a whole domain it is the trap's own key.
    #[n(1)]
    pub domain: TrapKey,
    /// The donor of the trap.
    #[n(2)]
    pub donor: Donor,
    /// When the trap was added.
    #[n(3)]
    pub since: Timestamp,
    /// When the trap was retired; `None` while it is active.
    #[n(4)]
    pub retired: Option<Timestamp>,
    /// Since when the trap has been known to send no mail and to expect none. Never later than the
    /// time at which it was added.
    #[n(5)]
    #[cbor(default)]
    pub silent_since: Timestamp,
    /// Whether the operator retired the trap for good, so that no donor can add it again.
    #[n(6)]
    #[cbor(default, skip_if = "is_not")]
    pub barred: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "minicbor hands out references")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_trap_by_itself_or_through_its_domain() {
        let hasher = TrapHasher::new([1; 32]);
        let key = |text: &str| hasher.address(&Mailbox::parse(text).unwrap());
        let trap = |scope, domain| Trap {
            scope,
            domain: hasher.domain(domain),
            donor: Donor::parse("own").unwrap(),
            since: Timestamp::default(),
            retired: None,
            silent_since: Timestamp::default(),
            barred: false,
        };
        let mut traps = TrapSet::default();
        traps.insert(hasher.domain("dead.example"), trap(Scope::Domain, "dead.example"));
        traps.insert(key("bait@seeded.example"), trap(Scope::Address, "seeded.example"));
        let find = |traps: &TrapSet, text: &str| {
            let mailbox = Mailbox::parse(text).unwrap();
            traps.find(hasher.address(&mailbox), hasher.domain(mailbox.domain()), &[]).is_some()
        };
        assert!(find(&traps, "anyone@DEAD.example"));
        assert!(find(&traps, "Bait@seeded.example"));
        assert!(!find(&traps, "other@seeded.example"));
        assert!(traps.domains().contains(hasher.domain("seeded.example")));
        assert!(traps.retire(hasher.domain("dead.example"), Timestamp::default(), false));
        assert!(!traps.retire(hasher.domain("dead.example"), Timestamp::default(), false));
        assert!(!find(&traps, "anyone@dead.example"));
        assert!(!format!("{hasher:?}").contains('1'));
    }

    #[test]
    fn donors_have_plain_names() {
        assert!(Donor::parse("isp-2.example").is_ok());
        for wrong in ["", "Upper", "with space", &"x".repeat(65)] {
            assert!(Donor::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
