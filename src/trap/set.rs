//! All traps, as small as they can be and cheap to hand out.

use std::sync::Arc;

use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::table::Table;
use super::{Donor, Scope, Trap, TrapHasher, TrapKey, WIDER_MAX};
use crate::mail::Mailbox;
use crate::time::Timestamp;

/// A trap as it lies in memory. Times are in seconds since 1970, 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    domain: TrapKey,
    since: u32,
    silent_since: u32,
    retired: u32,
    /// Its place in the list of donors.
    donor: u32,
    scope: Scope,
}

/// Active traps by the domain that they lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    all: u32,
    /// Of these, those that take the domains below as well.
    below: u32,
}

/// All traps, by their keys.
#[derive(Clone, Debug, Default)]
pub struct TrapSet {
    rows: Table<Row>,
    domains: Table<Uses>,
    donors: Arc<Vec<Donor>>,
    /// Active and all traps of each donor.
    counts: Arc<Vec<TrapCount>>,
}

/// How many traps a donor gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapCount {
    pub active: u64,
    pub all: u64,
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.seconds()).unwrap_or(if at.seconds() < 0 { 0 } else { u32::MAX })
}

fn timestamp(seconds: u32) -> Timestamp {
    Timestamp::from_milliseconds(i64::from(seconds) * 1_000)
}

impl TrapSet {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    pub fn insert(&mut self, key: TrapKey, trap: Trap) {
        let donor = self.donor(trap.donor);
        let row = Row {
            domain: trap.domain,
            since: seconds(trap.since),
            silent_since: seconds(trap.silent_since),
            // The first second of 1970 is none.
            retired: trap.retired.map_or(0, |at| seconds(at).max(1)),
            donor,
            scope: trap.scope,
        };
        if let Some(before) = self.rows.insert(key, row) {
            if before.retired == 0 {
                self.count_out(before);
            }
            self.counts_of(before.donor).all -= 1;
        }
        if row.retired == 0 {
            self.count_in(row);
        }
        self.counts_of(donor).all += 1;
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

    fn counts_of(&mut self, donor: u32) -> &mut TrapCount {
        &mut Arc::make_mut(&mut self.counts)[donor as usize]
    }

    fn count_in(&mut self, row: Row) {
        self.counts_of(row.donor).active += 1;
        let mut uses = self.domains.get(row.domain).copied().unwrap_or_default();
        uses.all += 1;
        uses.below += u32::from(row.scope == Scope::Subdomains);
        self.domains.insert(row.domain, uses);
    }

    fn count_out(&mut self, row: Row) {
        self.counts_of(row.donor).active -= 1;
        let mut uses = self.domains.remove(row.domain).unwrap_or_default();
        uses.all = uses.all.saturating_sub(1);
        uses.below = uses.below.saturating_sub(u32::from(row.scope == Scope::Subdomains));
        if uses.all > 0 {
            self.domains.insert(row.domain, uses);
        }
    }

    /// Marks a trap as retired; `false` where there is none that is active.
    pub fn retire(&mut self, key: TrapKey, at: Timestamp) -> bool {
        let Some(row) = self.rows.get(key).filter(|row| row.retired == 0).copied() else { return false };
        self.count_out(row);
        if let Some(row) = self.rows.get_mut(key) {
            row.retired = seconds(at).max(1);
        }
        true
    }

    /// Marks all active traps as retired that are meant; how many.
    pub fn retire_all(&mut self, meant: impl Fn(TrapKey, &Trap) -> bool, at: Timestamp) -> usize {
        let active: Vec<TrapKey> = self
            .iter()
            .filter(|(key, trap)| trap.retired.is_none() && meant(*key, trap))
            .map(|(key, _)| key)
            .collect();
        active.into_iter().filter(|key| self.retire(*key, at)).count()
    }

    pub fn is_active(&self, key: TrapKey) -> bool {
        self.rows.get(key).is_some_and(|row| row.retired == 0)
    }

    /// Whether a donor gave it.
    pub fn is_of(&self, key: TrapKey, donor: &Donor) -> bool {
        self.rows.get(key).is_some_and(|row| self.donors[row.donor as usize] == *donor)
    }

    pub fn get(&self, key: TrapKey) -> Option<Trap> {
        self.rows.get(key).map(|row| self.trap(row))
    }

    fn trap(&self, row: &Row) -> Trap {
        Trap {
            scope: row.scope,
            domain: row.domain,
            donor: self.donors[row.donor as usize].clone(),
            since: timestamp(row.since),
            retired: (row.retired != 0).then(|| timestamp(row.retired)),
            silent_since: timestamp(row.silent_since),
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = TrapKey> {
        self.rows.iter().map(|(key, _)| key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (TrapKey, Trap)> {
        self.rows.iter().map(|(key, row)| (key, self.trap(row)))
    }

    /// How many traps a donor gave.
    pub fn count_of(&self, donor: &Donor) -> TrapCount {
        let at = self.donors.iter().position(|known| known == donor);
        at.map_or_else(TrapCount::default, |at| self.counts[at])
    }

    /// The active trap that an address is: by itself, through its domain, or through one of its wider keys, with the key it
    /// was registered by.
    pub fn find(&self, address: TrapKey, domain: TrapKey, wider: &[TrapKey]) -> Option<(TrapKey, Trap)> {
        let active = |key| self.rows.get(key).filter(|row| row.retired == 0).map(|row| (key, row));
        let by_domain = || active(domain).filter(|(_, row)| row.scope != Scope::Address);
        let found = active(address).or_else(by_domain).or_else(|| wider.iter().find_map(|&key| active(key)));
        found.map(|(key, row)| (key, self.trap(row)))
    }

    /// The domains of active traps: their mail is accepted, whatever the local part.
    pub fn domains(&self) -> TrapDomains {
        TrapDomains(self.domains.clone())
    }
}

impl PartialEq for TrapSet {
    /// Whatever the order in which donors came.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for TrapSet {}

/// As a map from key to trap.
impl<C> Encode<C> for TrapSet {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.map(self.len() as u64)?;
        for (key, trap) in self.iter() {
            key.encode(e, ctx)?;
            trap.encode(e, ctx)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for TrapSet {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut traps = TrapSet::default();
        let entries = d.map()?.ok_or_else(|| minicbor::decode::Error::message("a map without a length"))?;
        for _ in 0..entries {
            let key = TrapKey::decode(d, ctx)?;
            traps.insert(key, Trap::decode(d, ctx)?);
        }
        Ok(traps)
    }
}

/// Traps as those see them who take mail in.
#[derive(Clone, Debug, Default)]
pub struct KnownTraps {
    pub traps: TrapSet,
    pub domains: TrapDomains,
    /// Donors who send hashes of their own instead of addresses.
    pub hashing: Vec<Donor>,
}

/// Most donors who send hashes: every recipient is hashed for each of them.
pub const HASHING_DONORS_MAX: usize = 32;

impl KnownTraps {
    /// Whether a domain's mail is taken: it is a trap domain, or lies below one that takes such mail, by our own hashes or a donor's.
    pub fn takes_mail_for(&self, hasher: &TrapHasher, domain: &str) -> bool {
        self.domains.take(hasher, domain)
            || self.hashing.iter().any(|donor| self.domains.take(&hasher.for_donor(donor), domain))
    }

    /// The keys by which an address may be a trap that is none by its own name or its domain's.
    pub fn wider(&self, hasher: &TrapHasher, mailbox: &Mailbox) -> Vec<TrapKey> {
        let (address, domain) = (hasher.address(mailbox), hasher.domain(mailbox.domain()));
        if self.traps.find(address, domain, &[]).is_some() {
            return Vec::new();
        }
        let mut keys = hasher.wider(mailbox);
        for donor in &self.hashing {
            let hasher = hasher.for_donor(donor);
            let all = [hasher.address(mailbox), hasher.domain(mailbox.domain())]
                .into_iter()
                .chain(hasher.wider(mailbox));
            keys.extend(all.filter(|key| self.traps.is_active(*key)));
        }
        keys.truncate(WIDER_MAX);
        keys
    }
}

/// Labels of a domain that are looked at.
const LABELS_MAX: usize = 10;

/// The domains whose mail is taken.
#[derive(Clone, Debug, Default)]
pub struct TrapDomains(Table<Uses>);

impl TrapDomains {
    fn take(&self, hasher: &TrapHasher, domain: &str) -> bool {
        let mut above = domain.match_indices('.').take(LABELS_MAX).map(|(at, _)| &domain[at + 1..]);
        self.contains(hasher.domain(domain)) || above.any(|above| self.contains_below(hasher.domain(above)))
    }

    pub fn contains(&self, domain: TrapKey) -> bool {
        self.0.get(domain).is_some()
    }

    /// Whether the domains below are taken, too.
    fn contains_below(&self, domain: TrapKey) -> bool {
        self.0.get(domain).is_some_and(|uses| uses.below > 0)
    }
}
