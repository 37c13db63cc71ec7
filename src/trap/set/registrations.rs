//! Who gave which trap: the first donor, and further donors beside it.
//!
//! What a donor sees of its own registrations must not depend on other donors. So a registration
//! keeps its times and its state whether it is the trap itself or stands beside it as a claim, and
//! every question about one donor looks at both places.

use std::sync::Arc;

use super::TrapSet;
use super::row::TrapRow;
use crate::time::Timestamp;
use crate::trap::{Donor, Trap, TrapKey};

impl TrapSet {
    /// Adds a trap in the operator's name, in place of whatever trap has the key. The registration
    /// of another donor stays beside it, so that this donor sees no change.
    pub fn insert(&mut self, key: TrapKey, trap: Trap) {
        let row = self.row(&trap);
        self.put_first(key, row);
    }

    /// Adds a trap in its donor's name. When another donor holds the trap, or the operator barred
    /// it, the registration is kept in `claims` and counts for this donor's numbers only. A
    /// registration that the operator barred stays barred.
    pub fn claim(&mut self, key: TrapKey, trap: Trap) {
        let row = self.row(&trap);
        if self.registration(key, row.donor).is_some_and(|own| own.barred) {
            return;
        }
        let others = self.rows.get(key).filter(|first| first.donor != row.donor);
        if others.is_some_and(|first| first.barred || first.is_active()) {
            self.put_beside(key, row);
        } else {
            self.put_first(key, row);
        }
    }

    /// Withdraws a donor's trap or claim; `false` when the donor holds none that is active.
    pub fn withdraw(&mut self, key: TrapKey, donor: &Donor, at: Timestamp) -> bool {
        let Some(nth) = self.donors.index(donor) else { return false };
        let Some(own) = self.registration(key, nth).filter(|row| row.is_active()) else { return false };
        let retired = own.retired(at);
        if self.claims.contains_key(&(key, nth)) {
            self.put_beside(key, retired);
        } else {
            self.put(key, retired);
            self.promote(key);
        }
        true
    }

    /// Withdraws all of a donor's traps and returns how many there were.
    pub fn withdraw_all(&mut self, donor: &Donor, at: Timestamp) -> usize {
        let keys: Vec<TrapKey> =
            self.of_donor(donor).filter(|(_, trap)| trap.retired.is_none()).map(|(key, _)| key).collect();
        keys.into_iter().filter(|key| self.withdraw(*key, donor, at)).count()
    }

    /// Drops every registration of a donor. Claims of other donors take the places of its traps, and
    /// a trap that the operator barred stays barred in the name of `operator`. Returns the keys that
    /// are no trap any more.
    pub fn dismiss(&mut self, donor: &Donor, operator: &Donor) -> Vec<TrapKey> {
        let Some(nth) = self.donors.index(donor) else { return Vec::new() };
        let operator = self.donors.add(operator);
        let beside: Vec<TrapKey> =
            self.claims.keys().filter(|(_, of)| *of == nth).map(|(key, _)| *key).collect();
        beside.into_iter().for_each(|key| self.drop_claim(key, nth));
        let mut first: Vec<TrapKey> =
            self.rows.iter().filter(|(_, row)| row.donor == nth).map(|(key, _)| key).collect();
        first.retain(|&key| {
            let Some(row) = self.rows.remove(key) else { return false };
            self.uncount(row);
            if row.barred {
                self.put_first(key, TrapRow { donor: operator, ..row });
            } else {
                self.promote(key);
            }
            self.rows.get(key).is_none()
        });
        first
    }

    /// Retires a trap; with `barred`, no donor that holds it can add it again. `false` when there is
    /// no such active trap.
    pub fn retire(&mut self, key: TrapKey, at: Timestamp, barred: bool) -> bool {
        if barred {
            self.bar_claims(at, |of, _| of == key);
        }
        let Some(row) = self.rows.get(key).copied().filter(TrapRow::is_active) else { return false };
        self.put(key, TrapRow { barred, ..row.retired(at) });
        true
    }

    /// Retires and bars a trap, and every trap in the domain when `meant` is a domain's key.
    /// Returns how many traps it retired.
    pub fn bar(&mut self, meant: TrapKey, at: Timestamp) -> usize {
        let is_meant = |key: TrapKey, row: &TrapRow| key == meant || row.domain == meant;
        self.bar_claims(at, is_meant);
        let keys = self.rows.iter().filter(|(key, row)| row.is_active() && is_meant(*key, row));
        let keys: Vec<TrapKey> = keys.map(|(key, _)| key).collect();
        keys.into_iter().filter(|key| self.retire(*key, at, true)).count()
    }

    /// Retires and bars the active claims that `meant` selects. Their donors see what they would see
    /// if they were the first.
    fn bar_claims(&mut self, at: Timestamp, meant: impl Fn(TrapKey, &TrapRow) -> bool) {
        let active = self.claims.iter().filter(|((key, _), row)| row.is_active() && meant(*key, row));
        let active: Vec<(TrapKey, TrapRow)> = active.map(|((key, _), row)| (*key, *row)).collect();
        for (key, row) in active {
            self.put_beside(key, TrapRow { barred: true, ..row.retired(at) });
        }
    }

    /// Whether a donor gave the trap, alone or beside others, and has not withdrawn it.
    pub fn is_given_by(&self, key: TrapKey, donor: &Donor) -> bool {
        let Some(nth) = self.donors.index(donor) else { return false };
        self.registration(key, nth).is_some_and(TrapRow::is_active)
    }

    /// The donor's own trap that covers an address, whether or not another donor gave the address
    /// before. The arguments and the choice are those of [`TrapSet::find`], as if there were no
    /// other donor.
    pub fn find_given(
        &self,
        donor: &Donor,
        address: TrapKey,
        domain: TrapKey,
        wider: &[TrapKey],
    ) -> Option<(TrapKey, Trap)> {
        let nth = self.donors.index(donor)?;
        self.covering(|key| self.registration(key, nth), address, domain, wider)
    }

    /// The traps that a donor gave, with those that it withdrew, in the order of their keys.
    pub fn of_donor(&self, donor: &Donor) -> impl Iterator<Item = (TrapKey, Trap)> {
        let nth = self.donors.index(donor);
        let is_own = move |row: &TrapRow| Some(row.donor) == nth;
        let mut first = self.rows.iter().filter(move |(_, row)| is_own(row)).peekable();
        let beside = self.claims.iter().map(|((key, _), row)| (*key, row));
        let mut beside = beside.filter(move |(_, row)| is_own(row)).peekable();
        // The order must not tell which traps another donor gave before.
        let merged = std::iter::from_fn(move || match (first.peek(), beside.peek()) {
            (Some((one, _)), Some((two, _))) if one > two => beside.next(),
            (Some(_), _) => first.next(),
            (None, _) => beside.next(),
        });
        merged.map(|(key, row)| (key, self.trap(row)))
    }

    /// A donor's registration under a key, active or not. Both places are always looked at, so that
    /// the time does not tell which of them holds it.
    fn registration(&self, key: TrapKey, donor: u32) -> Option<&TrapRow> {
        let first = self.rows.get(key).filter(|row| row.donor == donor);
        let beside = self.claims.get(&(key, donor));
        first.or(beside)
    }

    /// Makes a registration the trap. What was the trap before stays beside it.
    fn put_first(&mut self, key: TrapKey, row: TrapRow) {
        self.drop_claim(key, row.donor);
        let before = self.put(key, row);
        if let Some(before) = before.filter(|before| before.donor != row.donor) {
            self.put_beside(key, before);
        }
    }

    /// Keeps a registration beside that of another donor.
    fn put_beside(&mut self, key: TrapKey, row: TrapRow) {
        if let Some(before) = Arc::make_mut(&mut self.claims).insert((key, row.donor), row) {
            self.donors.uncount(before);
        }
        self.donors.count(row);
    }

    fn drop_claim(&mut self, key: TrapKey, donor: u32) {
        if !self.claims.contains_key(&(key, donor)) {
            return;
        }
        if let Some(before) = Arc::make_mut(&mut self.claims).remove(&(key, donor)) {
            self.donors.uncount(before);
        }
    }

    /// Makes the oldest active claim of other donors the trap; of several, that of the donor whose
    /// name comes first.
    fn promote(&mut self, key: TrapKey) {
        let of_key = self.claims.range((key, 0)..=(key, u32::MAX)).map(|(_, row)| *row);
        let next = of_key
            .filter(TrapRow::is_active)
            .min_by_key(|row| (row.since, self.donors.name(row.donor).clone()));
        if let Some(row) = next {
            self.put_first(key, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mailbox;
    use crate::trap::TrapHasher;

    const HASHER: TrapHasher = TrapHasher::new([1; 32]);

    fn donor(name: &str) -> Donor {
        Donor::parse(name).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_milliseconds(second * 1_000)
    }

    fn key(text: &str) -> TrapKey {
        HASHER.named(text).unwrap().key
    }

    fn give(traps: &mut TrapSet, name: &str, text: &str, since: i64) {
        let named = HASHER.named(text).unwrap();
        let trap = Trap {
            scope: named.scope,
            domain: named.domain,
            donor: donor(name),
            since: at(since),
            retired: None,
            silent_since: at(since),
            barred: false,
        };
        traps.claim(named.key, trap);
    }

    /// All that a donor can see of its traps.
    fn seen(traps: &TrapSet, name: &str) -> Vec<(TrapKey, Trap)> {
        let of: Vec<_> = traps.of_donor(&donor(name)).collect();
        let count = traps.count_of(&donor(name));
        assert_eq!((count.all, count.active), {
            let active = of.iter().filter(|(_, trap)| trap.retired.is_none()).count();
            (of.len() as u64, active as u64)
        });
        of
    }

    #[test]
    fn a_donor_sees_its_own_registrations_as_if_there_were_no_other_donor() {
        let texts = ["a@one.example", "b@one.example", "c@one.example", "two.example", "*.three.example"];
        // Alone, first, second, and between two others; every step is the donor's own.
        for (before, after) in [(&[][..], &[][..]), (&[], &["x"]), (&["x"], &[]), (&["x"], &["z"])] {
            let mut traps = TrapSet::default();
            for other in before {
                texts.iter().for_each(|text| give(&mut traps, other, text, 1));
            }
            let mut steps = Vec::new();
            let other_steps = |traps: &mut TrapSet, second: i64| {
                for other in before {
                    traps.withdraw(key(texts[0]), &donor(other), at(second));
                    give(traps, other, texts[1], second);
                }
                for other in after {
                    texts.iter().for_each(|text| give(traps, other, text, second));
                    traps.withdraw(key(texts[2]), &donor(other), at(second));
                }
            };
            texts.iter().for_each(|text| give(&mut traps, "me", text, 10));
            other_steps(&mut traps, 11);
            steps.push(seen(&traps, "me"));
            assert!(traps.withdraw(key(texts[1]), &donor("me"), at(12)));
            other_steps(&mut traps, 13);
            steps.push(seen(&traps, "me"));
            give(&mut traps, "me", texts[1], 14);
            traps.withdraw(key(texts[0]), &donor("me"), at(14));
            other_steps(&mut traps, 15);
            steps.push(seen(&traps, "me"));
            assert!(traps.retire(key(texts[3]), at(16), true));
            give(&mut traps, "me", texts[3], 17);
            other_steps(&mut traps, 18);
            steps.push(seen(&traps, "me"));
            let mailbox = Mailbox::parse("c@one.example").unwrap();
            let found = traps.find_given(
                &donor("me"),
                HASHER.address(&mailbox),
                HASHER.domain(mailbox.domain()),
                &HASHER.wider(&mailbox),
            );
            assert_eq!(found.map(|(found, trap)| (found, trap.since)), Some((key(texts[2]), at(10))));

            let expected = {
                let mut alone = TrapSet::default();
                let mut expected = Vec::new();
                texts.iter().for_each(|text| give(&mut alone, "me", text, 10));
                expected.push(seen(&alone, "me"));
                alone.withdraw(key(texts[1]), &donor("me"), at(12));
                expected.push(seen(&alone, "me"));
                give(&mut alone, "me", texts[1], 14);
                alone.withdraw(key(texts[0]), &donor("me"), at(14));
                expected.push(seen(&alone, "me"));
                alone.retire(key(texts[3]), at(16), true);
                expected.push(seen(&alone, "me"));
                expected
            };
            assert_eq!(steps, expected, "others before: {before:?}, after: {after:?}");
            let again: TrapSet = minicbor::decode(&minicbor::to_vec(&traps).unwrap()).unwrap();
            assert_eq!((&again, seen(&again, "me")), (&traps, seen(&traps, "me")));
        }
    }

    #[test]
    fn the_oldest_claim_follows_also_after_a_restart() {
        let mut traps = TrapSet::default();
        for (name, since) in [("first", 1), ("third", 3), ("b", 2), ("a", 2)] {
            give(&mut traps, name, "bait@one.example", since);
        }
        let mut again: TrapSet = minicbor::decode(&minicbor::to_vec(&traps).unwrap()).unwrap();
        for traps in [&mut traps, &mut again] {
            let mut owners = Vec::new();
            for second in 4..8 {
                let owner = traps.get(key("bait@one.example")).unwrap().donor;
                assert!(traps.withdraw(key("bait@one.example"), &owner, at(second)));
                owners.push(owner.to_string());
            }
            assert_eq!(owners, ["first", "a", "b", "third"]);
            assert!(!traps.is_active(key("bait@one.example")));
        }
    }

    #[test]
    fn a_donor_that_leaves_takes_its_traps_and_claims_and_no_others() {
        let mut traps = TrapSet::default();
        for text in ["shared.example", "alone.example", "barred.example"] {
            give(&mut traps, "leaver", text, 1);
        }
        give(&mut traps, "stays", "shared.example", 2);
        give(&mut traps, "stays", "other.example", 2);
        give(&mut traps, "leaver", "other.example", 3);
        traps.retire(key("barred.example"), at(4), true);
        let before = seen(&traps, "stays");
        assert_eq!(traps.dismiss(&donor("leaver"), &donor("own")), [key("alone.example")]);
        assert!(seen(&traps, "leaver").is_empty());
        assert_eq!(seen(&traps, "stays"), before);
        assert_eq!(traps.get(key("shared.example")).unwrap().donor, donor("stays"));
        assert!(!traps.domains().contains(HASHER.domain("alone.example")));
        give(&mut traps, "stays", "barred.example", 5);
        assert!(!traps.is_active(key("barred.example")), "what the operator barred stays barred");
        let stored = minicbor::to_vec(&traps).unwrap();
        assert!(!stored.windows(6).any(|window| window == b"leaver"));
    }
}
