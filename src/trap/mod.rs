//! Traps: addresses that never send mail. They are secrets, so they are known by keyed hashes only.

mod donor;
pub mod feed;
mod set;
mod table;
mod tag;
mod watermark;
mod wider;

use std::fmt;

use minicbor::{Decode, Encode};

pub use donor::{Contribution, DONOR_RELAYS_MAX, DONORS_MAX, Donor, DonorTerms};
pub use set::{HASHING_DONORS_MAX, KnownTraps, TrapCount, TrapDomains, TrapSet};
pub use tag::base;
pub use wider::{Named, WIDER_MAX};

use crate::digest::Digest;
use crate::mail::{self, Mailbox};
use crate::time::Timestamp;

/// What stands for a trap's address or domain wherever it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TrapKey(#[n(0)] Digest);

impl TrapKey {
    /// The first four octets, where a ledger tells a few hundred apart and space counts.
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

/// The secret under which addresses are hashed; the same on every node that shares a journal.
#[derive(Clone)]
pub struct TrapHasher([u8; 32]);

impl TrapHasher {
    pub const fn new(key: [u8; 32]) -> Self {
        TrapHasher(key)
    }

    pub fn address(&self, mailbox: &Mailbox) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, mailbox.folded().as_bytes()))
    }

    /// The leading `@` keeps a domain's key apart from every address's.
    pub fn domain(&self, domain: &str) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, format!("@{}", mail::canonical_domain(domain)).as_bytes()))
    }

    /// What stands for a failed recipient's address: equal for equal addresses, and no help in guessing them.
    pub fn recipient(&self, mailbox: &Mailbox) -> Digest {
        Digest::keyed(&self.0, format!("recipient {}", mailbox.folded()).as_bytes())
    }
}

impl TrapHasher {
    /// The secret that a donor hashes its addresses with who doesn't want to send them: BLAKE3's keyed mode, the first 16 octets.
    pub fn donor_key(&self, donor: &Donor) -> [u8; 32] {
        Digest::secret(&self.0, format!("donor {donor}").as_bytes())
    }

    /// What stands for a hash of a donor's: nobody chooses where it lies, or whose it could be besides.
    pub fn of_hash(&self, donor: &Donor, given: TrapKey) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, format!("hashed {donor} {given}").as_bytes()))
    }

    /// What a donor makes of addresses.
    pub fn for_donor(&self, donor: &Donor) -> TrapHasher {
        TrapHasher(self.donor_key(donor))
    }

    /// What stands for the reverse-path of a transaction.
    pub fn reverse_path(&self, address: &str) -> Digest {
        Digest::keyed(&self.0, format!("reverse-path {}", address.to_lowercase()).as_bytes())
    }
}

impl fmt::Debug for TrapHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrapHasher(secret)")
    }
}

/// How much of a domain is a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// Every local part weighs.
    #[n(0)]
    Domain,
    /// This address weighs; the other local parts of its domain are accepted alike and weigh nothing.
    #[n(1)]
    Address,
    /// Every local part weighs, of the domain and of all domains below it.
    #[n(2)]
    Subdomains,
    /// The local parts weigh that begin with something; the others of the domain are accepted alike and weigh nothing.
    #[n(3)]
    Pattern,
    /// An address or a domain that its donor names by a hash of its own.
    #[n(4)]
    Hashed,
}

impl Scope {
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

/// One trap, as it was registered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Trap {
    #[n(0)]
    pub scope: Scope,
    /// The key of the trap's domain; for a whole domain, its own key.
    #[n(1)]
    pub domain: TrapKey,
    #[n(2)]
    pub donor: Donor,
    #[n(3)]
    pub since: Timestamp,
    #[n(4)]
    pub retired: Option<Timestamp>,
    /// Since when it has been known to send no mail and to expect none; never later than it was added.
    #[n(5)]
    #[cbor(default)]
    pub silent_since: Timestamp,
    /// The operator retired it: no donor brings it back.
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
