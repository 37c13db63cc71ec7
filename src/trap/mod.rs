//! Traps: addresses that never send mail. They are secrets, so they are known by keyed hashes only.

mod tag;

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use minicbor::{Decode, Encode};

pub use tag::base;

use crate::digest::Digest;
use crate::mail::Mailbox;
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
        TrapKey(Digest::keyed(&self.0, format!("@{}", domain.to_lowercase()).as_bytes()))
    }

    /// What stands for a failed recipient's address: equal for equal addresses, and no help in guessing them.
    pub fn recipient(&self, mailbox: &Mailbox) -> Digest {
        Digest::keyed(&self.0, format!("recipient {}", mailbox.folded()).as_bytes())
    }
}

impl TrapHasher {
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

/// Who gave a trap; a short name that the operator chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Donor(#[n(0)] String);

impl Donor {
    pub const NAME_OCTETS_MAX: usize = 64;

    pub fn parse(name: &str) -> Result<Self, String> {
        let fits = (1..=Self::NAME_OCTETS_MAX).contains(&name.len());
        if fits && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)) {
            Ok(Donor(name.to_owned()))
        } else {
            let max = Self::NAME_OCTETS_MAX;
            Err(format!("donor {name:?} is not 1 to {max} of the characters a-z, 0-9, '-', '_' and '.'"))
        }
    }
}

impl Donor {
    /// What stands for the name in a ledger.
    pub fn short(&self) -> u32 {
        (Digest::of(self.0.as_bytes()).short() >> 32) as u32
    }
}

impl fmt::Display for Donor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
}

/// All traps, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct TrapSet(#[n(0)] BTreeMap<TrapKey, Trap>);

impl TrapSet {
    pub fn insert(&mut self, key: TrapKey, trap: Trap) {
        self.0.insert(key, trap);
    }

    /// Marks a trap as retired; `false` where there is none that is active.
    pub fn retire(&mut self, key: TrapKey, at: Timestamp) -> bool {
        match self.0.get_mut(&key) {
            Some(trap) if trap.retired.is_none() => {
                trap.retired = Some(at);
                true
            }
            _ => false,
        }
    }

    /// Marks all active traps as retired that are meant; how many.
    pub fn retire_all(&mut self, meant: impl Fn(TrapKey, &Trap) -> bool, at: Timestamp) -> usize {
        let active = self.0.iter_mut().filter(|(key, trap)| trap.retired.is_none() && meant(**key, trap));
        active.map(|(_, trap)| trap.retired = Some(at)).count()
    }

    pub fn get(&self, key: TrapKey) -> Option<&Trap> {
        self.0.get(&key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (TrapKey, &Trap)> {
        self.0.iter().map(|(key, trap)| (*key, trap))
    }

    /// The active trap that an address is, by itself or through its domain, with the key it was registered by.
    pub fn find(&self, address: TrapKey, domain: TrapKey) -> Option<(TrapKey, &Trap)> {
        let active = |key| self.0.get(&key).filter(|trap| trap.retired.is_none());
        let by_domain = || Some((domain, active(domain).filter(|trap| trap.scope == Scope::Domain)?));
        active(address).map(|trap| (address, trap)).or_else(by_domain)
    }

    /// The domains of active traps: their mail is accepted, whatever the local part.
    pub fn domains(&self) -> TrapDomains {
        TrapDomains(self.0.values().filter(|trap| trap.retired.is_none()).map(|trap| trap.domain).collect())
    }
}

/// The domains whose mail is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrapDomains(HashSet<TrapKey>);

impl TrapDomains {
    pub fn contains(&self, domain: TrapKey) -> bool {
        self.0.contains(&domain)
    }
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
        };
        let mut traps = TrapSet::default();
        traps.insert(hasher.domain("dead.example"), trap(Scope::Domain, "dead.example"));
        traps.insert(key("bait@seeded.example"), trap(Scope::Address, "seeded.example"));
        let find = |traps: &TrapSet, text: &str| {
            let mailbox = Mailbox::parse(text).unwrap();
            traps.find(hasher.address(&mailbox), hasher.domain(mailbox.domain())).is_some()
        };
        assert!(find(&traps, "anyone@DEAD.example"));
        assert!(find(&traps, "Bait@seeded.example"));
        assert!(!find(&traps, "other@seeded.example"));
        assert!(traps.domains().contains(hasher.domain("seeded.example")));
        assert!(traps.retire(hasher.domain("dead.example"), Timestamp::default()));
        assert!(!traps.retire(hasher.domain("dead.example"), Timestamp::default()));
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
