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
    /// The keys of the trap domains in which a domain lies: the domain itself, and those above it whose
    /// subdomains are covered. Every key is computed, whatever was found before.
    pub(super) fn around(&self, hasher: &TrapHasher, domain: &str) -> Vec<TrapKey> {
        let own = hasher.domain(domain);
        let own = self.contains(own).then_some(own);
        let above = domains_above(domain).filter_map(|above| {
            let above = hasher.domain(above);
            self.contains_below(above).then_some(above)
        });
        own.into_iter().chain(above).collect()
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
