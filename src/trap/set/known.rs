//! The traps as those who take mail in see them.

use super::TrapSet;
use super::domains::TrapDomains;
use crate::mail::Mailbox;
use crate::trap::{Donor, MailRoute, Trap, TrapHasher, TrapKey, WIDER_MAX};

/// Maximum number of donors that send hashes. Every recipient is hashed once for each of them.
pub const HASHING_DONORS_MAX: usize = 32;
/// Maximum number of keys of hashed traps among the wider keys of an address.
const WIDER_HASHED_MAX: usize = WIDER_MAX / 2;

/// The traps as SMTP and the API see them.
#[derive(Clone, Debug, Default)]
pub struct KnownTraps {
    /// All traps.
    pub traps: TrapSet,
    /// The domains that hold active traps.
    pub domains: TrapDomains,
    /// Donors that send hashes instead of addresses.
    pub hashing: Vec<Donor>,
}

impl KnownTraps {
    /// Where the mail of a trap domain goes; `None` if no active trap lies in the domain, nor in one above
    /// it whose subdomains are covered, nor under a hashing donor's hash of it.
    ///
    /// All keys are computed and looked up for every domain, so that the time does not tell trap domains
    /// from others.
    pub fn mail_route(&self, hasher: &TrapHasher, domain: &str) -> Option<MailRoute> {
        let mut around = self.domains.around(hasher, domain);
        for donor in &self.hashing {
            let given = hasher.for_donor(donor).domain(domain);
            let stored = hasher.of_hash(donor, given);
            around.push((stored, self.domains.contains(stored)));
        }
        let routes = around.into_iter().map(|(key, covers)| (self.traps.route_of(key), covers));
        routes.fold(None, |known, (route, covers)| if covers { known.max(Some(route)) } else { known })
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
    use crate::trap::{KnownMail, Scope, SealedName, TrapMail};

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
        assert_eq!(known.mail_route(&hasher, "hidden.example"), Some(MailRoute::Unknown));
        assert_eq!(known.mail_route(&hasher, "other.example"), None);
    }
    #[test]
    fn look_ups_and_decisions_say_where_the_mail_of_a_domain_goes() {
        use MailRoute::{Elsewhere, Here, Unknown};
        let hasher = TrapHasher::new([1; 32]);
        let (at, mut traps) = (Timestamp::default(), TrapSet::default());
        let named = hasher.named("*.three.example").unwrap();
        let row = Trap {
            scope: named.scope,
            domain: named.domain,
            donor: Donor::parse("own").unwrap(),
            since: at,
            retired: None,
            silent_since: at,
            barred: false,
        };
        let name = SealedName(vec![1, 2, 3]);
        let mut said =
            TrapMail { domain: named.domain, route: Here, decided: false, name: Some(name.clone()) };
        assert!(!traps.set_mail(&said), "nothing is kept of a domain without traps");
        traps.claim(named.key, row.clone());
        let known = |traps: &TrapSet| KnownTraps {
            domains: traps.domains(),
            traps: traps.clone(),
            hashing: Vec::new(),
        };
        let routes = |traps: &TrapSet| {
            ["three.example", "deep.below.three.example", "example"]
                .map(|domain| known(traps).mail_route(&hasher, domain))
        };
        assert_eq!(routes(&traps), [Some(Unknown), Some(Unknown), None]);
        for (route, decided, then) in [
            (Unknown, false, Unknown),
            (Here, false, Here),
            (Unknown, false, Here),
            (Elsewhere, false, Elsewhere),
            (Here, true, Here),
            (Elsewhere, false, Here),
            (Elsewhere, true, Elsewhere),
            (Here, false, Elsewhere),
            (Unknown, true, Unknown),
            (Here, false, Here),
        ] {
            (said.route, said.decided) = (route, decided);
            assert!(traps.set_mail(&said));
            assert_eq!(routes(&traps), [Some(then), Some(then), None], "{route:?} {decided}");
        }
        assert_eq!(traps.mail_of(named.domain).name, Some(name));
        let again: TrapSet = minicbor::decode(&minicbor::to_vec(&traps).unwrap()).unwrap();
        assert_eq!((&again, routes(&again)), (&traps, routes(&traps)));
        assert_eq!(traps.mail_between(0, u32::MAX).count(), 1);
        // What is known outlives an exchange of the trap, and goes with the last one.
        traps.insert(named.key, row);
        assert_eq!(routes(&traps)[0], Some(Here));
        traps.retire(named.key, at, true);
        assert_eq!((routes(&traps)[0], traps.mail_between(0, u32::MAX).count()), (None, 0));
        traps.forget(at);
        assert_eq!(traps.mail_of(named.domain), KnownMail::default());
    }
}
