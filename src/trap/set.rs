//! The set of all traps, stored compactly and cheap to clone.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::data::Type;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::table::TrapTable;
use super::{Donor, Scope, Trap, TrapHasher, TrapKey, WIDER_MAX};
use crate::mail::Mailbox;
use crate::time::Timestamp;

/// A trap as stored in memory. Times are in seconds since 1970; 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TrapRow {
    domain: TrapKey,
    since: u32,
    silent_since: u32,
    retired: u32,
    /// The donor's index in `TrapSet::donors`.
    donor: u32,
    scope: Scope,
    barred: bool,
}

impl TrapRow {
    const fn is_active(&self) -> bool {
        self.retired == 0
    }
}

/// How many active traps lie in a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    all: u32,
    /// How many of them also cover the domains below.
    below: u32,
}

/// All traps by their keys.
#[derive(Clone, Debug, Default)]
pub struct TrapSet {
    rows: TrapTable<TrapRow>,
    domains: TrapTable<Uses>,
    /// Claims of further donors on traps that another donor gave first, or that the operator
    /// barred. The API answers such a donor as if the trap were new, so that it does not learn of
    /// the other donor. When the first donor withdraws the trap, the next claim takes its place.
    claims: Arc<BTreeMap<(TrapKey, u32), TrapRow>>,
    donors: Arc<Vec<Donor>>,
    /// The number of active and of all traps of each donor, by the donor's index.
    counts: Arc<Vec<TrapCount>>,
}

/// How many traps a donor gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapCount {
    /// The number of active traps.
    pub active: u64,
    /// The number of traps, with those that were retired or withdrawn.
    pub all: u64,
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.seconds()).unwrap_or(if at.seconds() < 0 { 0 } else { u32::MAX })
}

fn timestamp(seconds: u32) -> Timestamp {
    Timestamp::from_milliseconds(i64::from(seconds) * 1_000)
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

    /// Adds a trap in the operator's name, in place of whatever trap has the key.
    pub fn insert(&mut self, key: TrapKey, trap: Trap) {
        let row = self.row(trap);
        self.put(key, row);
    }

    fn row(&mut self, trap: Trap) -> TrapRow {
        TrapRow {
            domain: trap.domain,
            since: seconds(trap.since),
            silent_since: seconds(trap.silent_since),
            // 0 means "not retired".
            retired: trap.retired.map_or(0, |at| seconds(at).max(1)),
            donor: self.donor(trap.donor),
            scope: trap.scope,
            barred: trap.barred,
        }
    }

    fn put(&mut self, key: TrapKey, row: TrapRow) {
        if let Some(before) = self.rows.insert(key, row) {
            self.uncount(before);
        }
        self.count(row);
    }

    /// Adds a trap in its donor's name. When another donor holds the trap, or the operator barred
    /// it, the claim is kept in `claims` and counts for this donor's numbers only.
    pub fn claim(&mut self, key: TrapKey, trap: Trap) {
        let row = self.row(trap);
        match self.rows.get(key) {
            Some(first) if first.barred && first.donor == row.donor => {}
            Some(first) if first.barred || (first.is_active() && first.donor != row.donor) => {
                let beside = Arc::make_mut(&mut self.claims).insert((key, row.donor), row);
                if let Some(before) = beside {
                    self.uncount_donor(before);
                }
                self.count_donor(row);
            }
            _ => self.put(key, row),
        }
    }

    /// Withdraws a donor's trap or claim; `false` when the donor holds none that is active.
    pub fn withdraw(&mut self, key: TrapKey, donor: &Donor, at: Timestamp) -> bool {
        let Some(nth) = self.nth(donor) else { return false };
        if let Some(mut beside) = self.claims.get(&(key, nth)).copied().filter(TrapRow::is_active) {
            self.uncount_donor(beside);
            beside.retired = seconds(at).max(1);
            self.count_donor(beside);
            Arc::make_mut(&mut self.claims).insert((key, nth), beside);
            return true;
        }
        if !self.rows.get(key).is_some_and(|row| row.donor == nth && row.is_active()) {
            return false;
        }
        self.retire(key, at, false);
        self.promote(key);
        true
    }

    /// After a withdrawal, makes the next donor's active claim the trap.
    fn promote(&mut self, key: TrapKey) {
        let next = self.claims.range((key, 0)..=(key, u32::MAX)).find(|(_, row)| row.is_active());
        let Some((&place, &row)) = next else { return };
        Arc::make_mut(&mut self.claims).remove(&place);
        self.uncount_donor(row);
        self.put(key, row);
    }

    fn donor(&mut self, donor: Donor) -> u32 {
        let known = self.donors.iter().position(|known| *known == donor);
        let at = known.unwrap_or_else(|| {
            Arc::make_mut(&mut self.donors).push(donor);
            Arc::make_mut(&mut self.counts).push(TrapCount::default());
            self.donors.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn nth(&self, donor: &Donor) -> Option<u32> {
        self.donors.iter().position(|known| known == donor).and_then(|nth| u32::try_from(nth).ok())
    }

    fn counts_of(&mut self, donor: u32) -> &mut TrapCount {
        &mut Arc::make_mut(&mut self.counts)[donor as usize]
    }

    fn count_donor(&mut self, row: TrapRow) {
        let counts = self.counts_of(row.donor);
        counts.all += 1;
        counts.active += u64::from(row.is_active());
    }

    fn uncount_donor(&mut self, row: TrapRow) {
        let counts = self.counts_of(row.donor);
        counts.all = counts.all.saturating_sub(1);
        counts.active = counts.active.saturating_sub(u64::from(row.is_active()));
    }

    fn count(&mut self, row: TrapRow) {
        self.count_donor(row);
        if row.is_active() {
            let mut uses = self.domains.get(row.domain).copied().unwrap_or_default();
            uses.all += 1;
            uses.below += u32::from(row.scope == Scope::Subdomains);
            self.domains.insert(row.domain, uses);
        }
    }

    fn uncount(&mut self, row: TrapRow) {
        self.uncount_donor(row);
        if row.is_active() {
            let mut uses = self.domains.remove(row.domain).unwrap_or_default();
            uses.all = uses.all.saturating_sub(1);
            uses.below = uses.below.saturating_sub(u32::from(row.scope == Scope::Subdomains));
            if uses.all > 0 {
                self.domains.insert(row.domain, uses);
            }
        }
    }

    /// Retires a trap; with `barred`, no donor can add it again. `false` when there is no such
    /// active trap.
    pub fn retire(&mut self, key: TrapKey, at: Timestamp, barred: bool) -> bool {
        let Some(mut row) = self.rows.get(key).copied().filter(TrapRow::is_active) else { return false };
        row.retired = seconds(at).max(1);
        row.barred = barred;
        self.put(key, row);
        true
    }

    /// Withdraws all of a donor's traps and returns how many there were.
    pub fn withdraw_all(&mut self, donor: &Donor, at: Timestamp) -> usize {
        let keys: Vec<TrapKey> =
            self.of_donor(donor).filter(|(_, trap)| trap.retired.is_none()).map(|(key, _)| key).collect();
        keys.into_iter().filter(|key| self.withdraw(*key, donor, at)).count()
    }

    /// Retires and bars a trap, and every trap in the domain when `meant` is a domain's key.
    /// Returns how many traps it retired.
    pub fn bar(&mut self, meant: TrapKey, at: Timestamp) -> usize {
        let keys =
            self.rows.iter().filter(|(key, row)| row.is_active() && (*key == meant || row.domain == meant));
        let keys: Vec<TrapKey> = keys.map(|(key, _)| key).collect();
        keys.into_iter().filter(|key| self.retire(*key, at, true)).count()
    }

    /// Drops traps and claims that were retired before a time and are not barred.
    pub fn forget(&mut self, before: Timestamp) {
        let before = seconds(before);
        let is_over = |row: &TrapRow| !row.is_active() && !row.barred && row.retired < before;
        let gone: Vec<TrapKey> =
            self.rows.iter().filter(|(_, row)| is_over(row)).map(|(key, _)| key).collect();
        for key in gone {
            if let Some(row) = self.rows.remove(key) {
                self.uncount(row);
            }
        }
        let beside: Vec<((TrapKey, u32), TrapRow)> =
            self.claims.iter().filter(|(_, row)| is_over(row)).map(|(place, row)| (*place, *row)).collect();
        for (place, row) in beside {
            Arc::make_mut(&mut self.claims).remove(&place);
            self.uncount_donor(row);
        }
    }

    /// Whether there is an active trap with this key.
    pub fn is_active(&self, key: TrapKey) -> bool {
        self.rows.get(key).is_some_and(TrapRow::is_active)
    }

    /// Whether a donor gave the trap, alone or beside others, and has not withdrawn it.
    pub fn is_given_by(&self, key: TrapKey, donor: &Donor) -> bool {
        let Some(nth) = self.nth(donor) else { return false };
        let first = self.rows.get(key).filter(|row| row.donor == nth);
        [first, self.claims.get(&(key, nth))].into_iter().flatten().any(TrapRow::is_active)
    }

    /// The traps that a donor gave, with those that it withdrew.
    pub fn of_donor(&self, donor: &Donor) -> impl Iterator<Item = (TrapKey, Trap)> {
        let nth = self.nth(donor);
        let first = self.rows.iter().filter(move |(_, row)| Some(row.donor) == nth);
        let beside = self
            .claims
            .iter()
            .map(|((key, _), row)| (*key, row))
            .filter(move |(_, row)| Some(row.donor) == nth);
        first.chain(beside).map(|(key, row)| (key, self.trap(row)))
    }

    /// The trap with this key, active or not.
    pub fn get(&self, key: TrapKey) -> Option<Trap> {
        self.rows.get(key).map(|row| self.trap(row))
    }

    fn trap(&self, row: &TrapRow) -> Trap {
        Trap {
            scope: row.scope,
            domain: row.domain,
            donor: self.donors[row.donor as usize].clone(),
            since: timestamp(row.since),
            retired: (row.retired != 0).then(|| timestamp(row.retired)),
            silent_since: timestamp(row.silent_since),
            barred: row.barred,
        }
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
        let at = self.donors.iter().position(|known| known == donor);
        at.map_or_else(TrapCount::default, |at| self.counts[at])
    }

    /// The active trap that covers an address, with the key under which the trap is registered. A
    /// trap on the address itself and one on its whole domain come first, and the older of the two
    /// is chosen. After them the keys in `wider` are tried in order.
    pub fn find(&self, address: TrapKey, domain: TrapKey, wider: &[TrapKey]) -> Option<(TrapKey, Trap)> {
        let active = |key| self.rows.get(key).filter(|row| row.is_active()).map(|row| (key, row));
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

    /// The domains that hold active traps. Mail for every local part of them is accepted.
    pub fn domains(&self) -> TrapDomains {
        TrapDomains(self.domains.clone())
    }
}

impl PartialEq for TrapSet {
    /// Compares without regard to the order in which donors were added.
    fn eq(&self, other: &Self) -> bool {
        let beside = |set: &Self| -> Vec<(TrapKey, Trap)> {
            let mut claims: Vec<_> = set.claims.iter().map(|((key, _), row)| (*key, set.trap(row))).collect();
            claims.sort_by(|one, two| (one.0, &one.1.donor).cmp(&(two.0, &two.1.donor)));
            claims
        };
        self.len() == other.len() && self.iter().eq(other.iter()) && beside(self) == beside(other)
    }
}

impl Eq for TrapSet {}

/// Encodes as a map from key to trap. When there are claims, as an array of that map and a list of
/// pairs.
impl<C> Encode<C> for TrapSet {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        if !self.claims.is_empty() {
            e.array(2)?;
        }
        e.map(self.len() as u64)?;
        for (key, trap) in self.iter() {
            key.encode(e, ctx)?;
            trap.encode(e, ctx)?;
        }
        if !self.claims.is_empty() {
            let mut claims: Vec<_> =
                self.claims.iter().map(|((key, _), row)| (*key, self.trap(row))).collect();
            // The encoding must not depend on the order in which donors were added.
            claims.sort_by(|one, two| (one.0, &one.1.donor).cmp(&(two.0, &two.1.donor)));
            claims.encode(e, ctx)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for TrapSet {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut traps = TrapSet::default();
        let with_claims = d.datatype()? == Type::Array;
        if with_claims {
            d.array()?;
        }
        let entries = d.map()?.ok_or_else(|| minicbor::decode::Error::message("a map without a length"))?;
        for _ in 0..entries {
            let key = TrapKey::decode(d, ctx)?;
            traps.insert(key, Trap::decode(d, ctx)?);
        }
        if with_claims {
            for (key, trap) in Vec::<(TrapKey, Trap)>::decode(d, ctx)? {
                let row = traps.row(trap);
                Arc::make_mut(&mut traps.claims).insert((key, row.donor), row);
                traps.count_donor(row);
            }
        }
        Ok(traps)
    }
}

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

/// Maximum number of donors that send hashes. Every recipient is hashed once for each of them.
pub const HASHING_DONORS_MAX: usize = 32;

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
        let mut keys = hasher.wider(mailbox);
        for donor in &self.hashing {
            let given = hasher.for_donor(donor);
            let stored = [given.address(mailbox), given.domain(mailbox.domain())]
                .map(|key| hasher.of_hash(donor, key));
            keys.extend(stored.into_iter().filter(|key| self.traps.is_active(*key)));
        }
        keys.truncate(WIDER_MAX);
        keys
    }
}

/// Maximum number of parent domains that are checked.
const LABELS_MAX: usize = 10;

/// The domains for which mail is accepted.
#[derive(Clone, Debug, Default)]
pub struct TrapDomains(TrapTable<Uses>);

impl TrapDomains {
    fn take(&self, hasher: &TrapHasher, domain: &str) -> bool {
        let mut above = domain.match_indices('.').take(LABELS_MAX).map(|(at, _)| &domain[at + 1..]);
        self.contains(hasher.domain(domain)) || above.any(|above| self.contains_below(hasher.domain(above)))
    }

    /// Whether the domain holds an active trap.
    pub fn contains(&self, domain: TrapKey) -> bool {
        self.0.get(domain).is_some()
    }

    /// Whether mail for the domain's subdomains is accepted.
    fn contains_below(&self, domain: TrapKey) -> bool {
        self.0.get(domain).is_some_and(|uses| uses.below > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::NamedTrap;
    use super::*;

    fn trap(hasher: &TrapHasher, text: &str, donor: &str) -> (TrapKey, Trap) {
        let named = hasher.named(text).unwrap();
        let (at, donor) = (Timestamp::default(), Donor::parse(donor).unwrap());
        let NamedTrap { scope, key, domain } = named;
        (key, Trap { scope, domain, donor, since: at, retired: None, silent_since: at, barred: false })
    }

    #[test]
    fn a_donors_hash_covers_its_address_alone() {
        let hasher = TrapHasher::new([1; 32]);
        let isp = Donor::parse("isp").unwrap();
        let given = hasher.for_donor(&isp);
        let mailbox = Mailbox::parse("a@hidden.example").unwrap();
        let domain = hasher.of_hash(&isp, given.domain("hidden.example"));
        let key = hasher.of_hash(&isp, given.address(&mailbox));
        let (_, mut row) = trap(&hasher, "x@y.example", "isp");
        (row.scope, row.domain) = (Scope::Hashed, domain);
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
