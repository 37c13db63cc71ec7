//! The set of all traps, stored compactly and cheap to clone.

mod domains;
mod donors;
mod encoding;
mod known;
mod registrations;
mod row;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use domains::TrapDomains;
pub use donors::TrapCount;
pub use known::{HASHING_DONORS_MAX, KnownTraps};

use super::table::TrapTable;
use super::{Donor, KnownMail, MailRoute, Scope, Trap, TrapKey, TrapMail};
use crate::time::Timestamp;
use donors::TrapDonors;
use row::TrapRow;

/// All traps by their keys.
#[derive(Clone, Debug, Default)]
pub struct TrapSet {
    rows: TrapTable<TrapRow>,
    domains: TrapDomains,
    /// Where the mail of trap domains goes, by the domain's key. A domain without active traps may stay
    /// here until `forget`.
    mail: TrapTable<KnownMail>,
    /// Registrations of further donors of traps that another donor gave first, or that the operator
    /// barred, by key and index of the donor. The API answers such a donor as if the trap were new,
    /// so that it does not learn of the other donor. When the first donor withdraws the trap, the
    /// oldest claim takes its place. A donor has one registration under a key, here or in `rows`.
    claims: Arc<BTreeMap<(TrapKey, u32), TrapRow>>,
    donors: TrapDonors,
}

impl TrapSet {
    /// The number of traps, active or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no trap at all.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    fn row(&mut self, trap: &Trap) -> TrapRow {
        TrapRow::of(trap, self.donors.add(&trap.donor))
    }

    /// Sets the trap of a key, and returns what it was before.
    fn put(&mut self, key: TrapKey, row: TrapRow) -> Option<TrapRow> {
        let before = self.rows.insert(key, row);
        if let Some(before) = before {
            self.uncount(before);
        }
        self.count(row);
        before
    }

    fn count(&mut self, row: TrapRow) {
        self.donors.count(row);
        self.domains.count(row);
    }

    fn uncount(&mut self, row: TrapRow) {
        self.donors.uncount(row);
        self.domains.uncount(row);
    }

    /// Takes what is said of the mail of a trap domain; `false` when no active trap lies in the domain.
    pub fn set_mail(&mut self, said: &TrapMail) -> bool {
        if !self.domains.contains(said.domain) {
            return false;
        }
        let mut known = self.mail_of(said.domain);
        known.take(said);
        self.mail.insert(said.domain, known);
        true
    }

    /// What is known of the mail of a trap domain.
    pub fn mail_of(&self, domain: TrapKey) -> KnownMail {
        self.mail.get(domain).cloned().unwrap_or_default()
    }

    /// Where the mail of a domain goes, as far as it is known.
    pub(super) fn route_of(&self, domain: TrapKey) -> MailRoute {
        self.mail.get(domain).map_or(MailRoute::Unknown, |known| known.route)
    }

    /// What is known of the mail of the trap domains whose keys have first four octets from `first` to
    /// `last`, in the order of their keys.
    pub fn mail_between(&self, first: u32, last: u32) -> impl Iterator<Item = (TrapKey, &KnownMail)> {
        self.mail.between(first, last).filter(|(domain, _)| self.domains.contains(*domain))
    }

    /// Drops traps and claims that were retired before a time and are not barred, and what is known of
    /// the mail of domains without active traps.
    pub fn forget(&mut self, before: Timestamp) {
        let unused: Vec<TrapKey> = self
            .mail
            .iter()
            .map(|(domain, _)| domain)
            .filter(|domain| !self.domains.contains(*domain))
            .collect();
        for domain in unused {
            self.mail.remove(domain);
        }
        let gone: Vec<TrapKey> =
            self.rows.iter().filter(|(_, row)| row.is_over(before)).map(|(key, _)| key).collect();
        for key in gone {
            if let Some(row) = self.rows.remove(key) {
                self.uncount(row);
            }
        }
        let beside: Vec<((TrapKey, u32), TrapRow)> = self
            .claims
            .iter()
            .filter(|(_, row)| row.is_over(before))
            .map(|(place, row)| (*place, *row))
            .collect();
        for (place, row) in beside {
            Arc::make_mut(&mut self.claims).remove(&place);
            self.donors.uncount(row);
        }
    }

    /// Whether there is an active trap with this key.
    pub fn is_active(&self, key: TrapKey) -> bool {
        self.rows.get(key).is_some_and(TrapRow::is_active)
    }

    /// The trap with this key, active or not.
    pub fn get(&self, key: TrapKey) -> Option<Trap> {
        self.rows.get(key).map(|row| self.trap(row))
    }

    fn trap(&self, row: &TrapRow) -> Trap {
        row.trap(self.donors.name(row.donor))
    }

    /// The keys of all traps, in order.
    pub fn keys(&self) -> impl Iterator<Item = TrapKey> {
        self.rows.iter().map(|(key, _)| key)
    }

    /// All traps, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (TrapKey, Trap)> {
        self.rows.iter().map(|(key, row)| (key, self.trap(row)))
    }

    /// How many traps a donor gave, claims included.
    pub fn count_of(&self, donor: &Donor) -> TrapCount {
        self.donors.count_of(donor)
    }

    /// The active trap that covers an address, with the key under which the trap is registered. A
    /// trap on the address itself and one on its whole domain come first, and the older of the two
    /// is chosen. After them the keys in `wider` are tried in order.
    pub fn find(&self, address: TrapKey, domain: TrapKey, wider: &[TrapKey]) -> Option<(TrapKey, Trap)> {
        self.covering(|key| self.rows.get(key), address, domain, wider)
    }

    /// The choice of [`TrapSet::find`] among the traps that `at` yields.
    fn covering<'s>(
        &'s self,
        at: impl Fn(TrapKey) -> Option<&'s TrapRow>,
        address: TrapKey,
        domain: TrapKey,
        wider: &[TrapKey],
    ) -> Option<(TrapKey, Trap)> {
        let active = |key| at(key).filter(|row| row.is_active()).map(|row| (key, row));
        let own = active(address).filter(|(_, row)| row.scope == Scope::Address);
        let whole = active(domain).filter(|(_, row)| matches!(row.scope, Scope::Domain | Scope::Subdomains));
        let nearest = match (own, whole) {
            // A later donor cannot take over one address of another donor's trap domain.
            (Some(own), Some(whole)) => Some(if own.1.since <= whole.1.since { own } else { whole }),
            (own, whole) => own.or(whole),
        };
        // A trap on a parent domain covers subdomains only when its scope is not `Domain`.
        let covering =
            || wider.iter().find_map(|&key| active(key).filter(|(_, row)| row.scope != Scope::Domain));
        nearest.or_else(covering).map(|(key, row)| (key, self.trap(row)))
    }

    /// The domains that hold active traps.
    pub fn domains(&self) -> TrapDomains {
        self.domains.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mailbox;
    use crate::trap::{NamedTrap, TrapHasher};

    fn trap(hasher: &TrapHasher, text: &str, donor: &str) -> (TrapKey, Trap) {
        let named = hasher.named(text).unwrap();
        let (at, donor) = (Timestamp::default(), Donor::parse(donor).unwrap());
        let NamedTrap { scope, key, domain } = named;
        (key, Trap { scope, domain, donor, since: at, retired: None, silent_since: at, barred: false })
    }

    #[test]
    fn a_domain_stands_for_those_below_only_where_it_says_so_and_the_older_trap_keeps_an_address() {
        let hasher = TrapHasher::new([1; 32]);
        let mut traps = TrapSet::default();
        let (key, whole) = trap(&hasher, "three.example", "own");
        traps.claim(key, whole);
        let (seeded, mut bait) = trap(&hasher, "bait@three.example", "isp");
        bait.since = Timestamp::from_milliseconds(5_000);
        traps.claim(seeded, bait);
        let find = |traps: &TrapSet, text: &str| {
            let mailbox = Mailbox::parse(text).unwrap();
            let (address, domain) = (hasher.address(&mailbox), hasher.domain(mailbox.domain()));
            traps.find(address, domain, &hasher.wider(&mailbox)).map(|(_, trap)| trap.donor.to_string())
        };
        assert_eq!(find(&traps, "user@sub.three.example"), None);
        assert_eq!(
            find(&traps, "bait@three.example").as_deref(),
            Some("own"),
            "a later donor takes over no part of it"
        );
        let (_, below) = trap(&hasher, "*.three.example", "own");
        traps.insert(key, below);
        assert_eq!(find(&traps, "user@sub.three.example").as_deref(), Some("own"));
    }

    #[test]
    fn what_two_donors_give_stands_until_both_have_taken_it_back() {
        let hasher = TrapHasher::new([1; 32]);
        let mut traps = TrapSet::default();
        let at = Timestamp::from_milliseconds(9_000);
        let (isp, other) = (Donor::parse("isp").unwrap(), Donor::parse("other").unwrap());
        for donor in ["isp", "other"] {
            let (key, row) = trap(&hasher, "bait@three.example", donor);
            traps.claim(key, row);
        }
        let key = hasher.named("bait@three.example").unwrap().key;
        let both = |traps: &TrapSet| {
            [&isp, &other].map(|donor| (traps.is_given_by(key, donor), traps.count_of(donor).active))
        };
        assert_eq!(both(&traps), [(true, 1), (true, 1)]);
        let again: TrapSet = minicbor::decode(&minicbor::to_vec(&traps).unwrap()).unwrap();
        assert_eq!((&again, both(&again)), (&traps, both(&traps)));
        assert!(traps.withdraw(key, &isp, at) && !traps.withdraw(key, &isp, at));
        assert_eq!(both(&traps), [(false, 0), (true, 1)]);
        assert_eq!(traps.get(key).unwrap().donor, other);
        // A barred trap stays retired when a donor gives it again.
        assert!(traps.retire(key, at, true));
        for donor in ["isp", "other"] {
            let (key, row) = trap(&hasher, "bait@three.example", donor);
            traps.claim(key, row);
        }
        assert!(!traps.is_active(key));
        traps.forget(at.plus(crate::time::Span::from_days(400)));
        assert!(traps.get(key).unwrap().barred, "a barred trap is not forgotten");
        assert!(!traps.domains().contains(hasher.domain("three.example")));
    }
}
