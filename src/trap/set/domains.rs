//! The domains that hold active traps.

use super::row::TrapRow;
use crate::trap::coverage::domains_above;
use crate::trap::table::TrapTable;
use crate::trap::{Scope, TrapHasher, TrapKey};

/// The domains that hold active traps.
#[derive(Clone, Debug, Default)]
pub struct TrapDomains(TrapTable<Uses>);

/// How many active traps lie in a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    all: u32,
    /// How many of them also cover the domains below.
    below: u32,
}

impl TrapDomains {
    /// The keys of a domain and of those above it, each with whether mail for the domain is mail for a trap
    /// domain by this key: the domain is one, or lies below one whose subdomains are covered.
    pub(super) fn around(&self, hasher: &TrapHasher, domain: &str) -> Vec<(TrapKey, bool)> {
        let own = hasher.domain(domain);
        let above = domains_above(domain).map(|above| hasher.domain(above));
        let above = above.map(|above| (above, self.contains_below(above)));
        std::iter::once((own, self.contains(own))).chain(above).collect()
    }

    /// Whether the domain holds an active trap.
    pub fn contains(&self, domain: TrapKey) -> bool {
        self.0.get(domain).is_some()
    }

    /// Whether the domain's subdomains are covered.
    fn contains_below(&self, domain: TrapKey) -> bool {
        self.0.get(domain).is_some_and(|uses| uses.below > 0)
    }

    /// Adds a trap, unless it is retired.
    pub(super) fn count(&mut self, row: TrapRow) {
        if row.is_active() {
            let mut uses = self.0.get(row.domain).copied().unwrap_or_default();
            uses.all += 1;
            uses.below += u32::from(row.scope == Scope::Subdomains);
            self.0.insert(row.domain, uses);
        }
    }

    /// Takes a trap away, unless it was retired.
    pub(super) fn uncount(&mut self, row: TrapRow) {
        if row.is_active() {
            let mut uses = self.0.remove(row.domain).unwrap_or_default();
            uses.all = uses.all.saturating_sub(1);
            uses.below = uses.below.saturating_sub(u32::from(row.scope == Scope::Subdomains));
            if uses.all > 0 {
                self.0.insert(row.domain, uses);
            }
        }
    }
}
