//! The relays' look-up groups and the domains' organisations about which the DNS gave no answer a short time
//! ago.

use std::collections::HashSet;
use std::hash::Hash;

use crate::relay::Prefix;

/// The maximum number of groups, and of organisations, that one generation remembers. When it is
/// full, the older generation is forgotten early, so more of the inquiries wait among the others.
const SILENT_MAX: usize = 10_000;

/// What was silent. It has no clock: [`DnsSilence::age`] is called at regular times, and the second
/// call after a silence forgets it.
#[derive(Debug, Default)]
pub(super) struct DnsSilence {
    groups: Generations<Prefix>,
    organisations: Generations<String>,
}

#[derive(Debug)]
struct Generations<K> {
    recent: HashSet<K>,
    older: HashSet<K>,
}

impl DnsSilence {
    /// Remembers that an inquiry got an incomplete answer.
    pub(super) fn remember(&mut self, group: Prefix, organisation: &str) {
        self.groups.insert(group);
        if !organisation.is_empty() {
            self.organisations.insert(organisation.to_owned());
        }
    }

    /// Forgets a silence, because there was an answer.
    pub(super) fn answered(&mut self, group: Prefix, organisation: &str) {
        self.groups.remove(&group);
        self.organisations.remove(organisation);
    }

    /// Whether the group or the organisation was silent.
    pub(super) fn covers(&self, group: Prefix, organisation: &str) -> bool {
        self.groups.contains(&group) || self.organisations.contains(organisation)
    }

    /// Lets one generation pass. Returns whether anything is still remembered.
    pub(super) fn age(&mut self) -> bool {
        self.groups.age() | self.organisations.age()
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.organisations.is_empty()
    }
}

impl<K> Default for Generations<K> {
    fn default() -> Self {
        Generations { recent: HashSet::new(), older: HashSet::new() }
    }
}

impl<K: Eq + Hash> Generations<K> {
    fn insert(&mut self, key: K) {
        if self.recent.len() >= SILENT_MAX {
            self.age();
        }
        self.recent.insert(key);
    }

    fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        self.recent.remove(key);
        self.older.remove(key);
    }

    fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        self.recent.contains(key) || self.older.contains(key)
    }

    fn age(&mut self) -> bool {
        self.older = std::mem::take(&mut self.recent);
        !self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.older.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(nth: u32) -> Prefix {
        Prefix::host(crate::relay::Relay::new(std::net::Ipv4Addr::from(nth).into()))
    }

    #[test]
    fn a_silence_is_forgotten_after_two_generations_or_an_answer() {
        let mut silence = DnsSilence::default();
        silence.remember(group(1), "silent.example");
        assert!(silence.covers(group(1), "other.example") && silence.covers(group(2), "silent.example"));
        assert!(!silence.covers(group(2), "other.example"));
        assert!(silence.age() && silence.covers(group(1), ""));
        assert!(!silence.age() && !silence.covers(group(1), "silent.example"));

        silence.remember(group(1), "silent.example");
        silence.answered(group(1), "silent.example");
        assert!(silence.is_empty());
    }

    #[test]
    fn an_inquiry_without_a_domain_makes_no_other_silent() {
        let mut silence = DnsSilence::default();
        silence.remember(group(1), "");
        assert!(!silence.covers(group(2), ""));
    }

    #[test]
    fn no_flood_of_silent_names_takes_more_than_its_memory() {
        let mut silence = DnsSilence::default();
        for nth in 0..5 * SILENT_MAX as u32 {
            silence.remember(group(nth), &format!("{nth}.example"));
        }
        let known = |of: &Generations<_>| of.recent.len() + of.older.len();
        assert!(known(&silence.groups) <= 2 * SILENT_MAX);
        assert!(silence.organisations.recent.len() + silence.organisations.older.len() <= 2 * SILENT_MAX);
    }
}
