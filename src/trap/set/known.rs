//! The traps as those who take mail in see them.

use super::TrapSet;
use super::domains::TrapDomains;
use crate::mail::Mailbox;
use crate::trap::{Donor, Trap, TrapHasher, TrapKey, WIDER_MAX};

/// Maximum number of donors that send hashes. Every recipient is hashed once for each of them.
pub const HASHING_DONORS_MAX: usize = 32;
/// Maximum number of keys of hashed traps among the wider keys of an address.
const WIDER_HASHED_MAX: usize = WIDER_MAX / 2;

/// The traps as SMTP and the API see them.
#[derive(Clone, Debug, Default)]
pub struct KnownTraps {
    /// All traps.
    pub traps: TrapSet,
    /// The domains for which mail is accepted.
    pub domains: TrapDomains,
    /// Donors that send hashes instead of addresses.
    pub hashing: Vec<Donor>,
}

impl KnownTraps {
    /// Whether mail for a domain is accepted: it is a trap domain, or lies below one whose
    /// subdomains are covered, or matches a hashing donor's hash.
    pub fn takes_mail_for(&self, hasher: &TrapHasher, domain: &str) -> bool {
        self.domains.take(hasher, domain)
            || self.hashing.iter().any(|donor| {
                let given = hasher.for_donor(donor).domain(domain);
                self.domains.contains(hasher.of_hash(donor, given))
            })
    }

    /// The keys under which an address may be a trap, other than its own key and its domain's.
    /// Empty when those two already match a trap.
    pub fn wider(&self, hasher: &TrapHasher, mailbox: &Mailbox) -> Vec<TrapKey> {
        let (address, domain) = (hasher.address(mailbox), hasher.domain(mailbox.domain()));
        if self.traps.find(address, domain, &[]).is_some() {
            return Vec::new();
        }
        self.every_wider(hasher, mailbox)
    }

    /// The same keys, also if the first two match a trap. The trap of the donor that hands on a
    /// message may lie behind the trap of another donor.
    pub fn every_wider(&self, hasher: &TrapHasher, mailbox: &Mailbox) -> Vec<TrapKey> {
        let hashed = self.hashing.iter().flat_map(|donor| {
            let given = hasher.for_donor(donor);
            [given.address(mailbox), given.domain(mailbox.domain())].map(|key| hasher.of_hash(donor, key))
        });
        let hashed: Vec<TrapKey> =
            hashed.filter(|key| self.traps.is_active(*key)).take(WIDER_HASHED_MAX).collect();
        let mut keys = hasher.wider(mailbox);
        // The writer of the address decides how many other keys there are.
        keys.truncate(WIDER_MAX - hashed.len());
        keys.extend(hashed);
        keys
    }

    /// The donor's own trap that covers an address, whether or not another donor gave it before.
    pub fn find_given(&self, hasher: &TrapHasher, donor: &Donor, mailbox: &Mailbox) -> Option<Trap> {
        let (address, domain) = (hasher.address(mailbox), hasher.domain(mailbox.domain()));
        let wider = self.every_wider(hasher, mailbox);
        self.traps.find_given(donor, address, domain, &wider).map(|(_, trap)| trap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use crate::trap::Scope;

    #[test]
    fn a_donors_hash_covers_its_address_alone() {
        let hasher = TrapHasher::new([1; 32]);
        let isp = Donor::parse("isp").unwrap();
        let given = hasher.for_donor(&isp);
        let mailbox = Mailbox::parse("a@hidden.example").unwrap();
        let domain = hasher.of_hash(&isp, given.domain("hidden.example"));
        let key = hasher.of_hash(&isp, given.address(&mailbox));
        let at = Timestamp::default();
        let row = Trap {
            scope: Scope::Hashed,
            domain,
            donor: isp.clone(),
            since: at,
            retired: None,
            silent_since: at,
            barred: false,
        };
        let mut traps = TrapSet::default();
        traps.claim(key, row);
        let known = KnownTraps { domains: traps.domains(), traps, hashing: vec![isp] };
        let found = |text: &str| {
            let mailbox = Mailbox::parse(text).unwrap();
            let wider = known.wider(&hasher, &mailbox);
            known
                .traps
                .find(hasher.address(&mailbox), hasher.domain(mailbox.domain()), &wider)
                .map(|(key, _)| key)
        };
        assert_eq!(found("A@hidden.example"), Some(key));
        assert_eq!(found("b@hidden.example"), None);
        assert!(
            known.takes_mail_for(&hasher, "hidden.example")
                && !known.takes_mail_for(&hasher, "other.example")
        );
    }
}
