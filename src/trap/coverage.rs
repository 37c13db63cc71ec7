//! The wider keys of an address: under what it may be a trap besides its own name and its domain's.
//!
//! Stored traps are keyed hashes and can be compared only with other hashes. The keys that could
//! cover an address are therefore computed where the address itself is known.

use super::key::{TrapHasher, TrapKey};
use super::registered::Scope;
use crate::mail::{Mailbox, canonical_domain};

/// Maximum number of keys of one address besides its own and its domain's.
pub const WIDER_MAX: usize = 16;
/// How many of them may be keys of patterns.
const PATTERNS_MAX: usize = 6;
/// Characters that may precede the asterisk of a pattern, or separate a tag from the rest of a
/// local part.
const SEPARATORS: [char; 5] = ['-', '+', '.', '_', '='];
/// Maximum number of parent domains that are checked.
const LABELS_MAX: usize = 10;

/// A trap as given: `local@domain`, `prefix-*@domain`, `domain`, or `*.domain` for a domain with
/// all its subdomains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedTrap {
    /// How much of the domain the trap covers.
    pub scope: Scope,
    /// The key of the trap.
    pub key: TrapKey,
    /// The key of the trap's domain.
    pub domain: TrapKey,
}

impl TrapHasher {
    /// Reads a trap as an operator or a donor writes it.
    ///
    /// # Errors
    /// When the text is not an address, pattern or domain, or names a domain of one label.
    pub fn named(&self, text: &str) -> Result<NamedTrap, String> {
        if text.contains('@') {
            let mailbox = Mailbox::parse(text).ok_or_else(|| format!("{text:?} is not an address"))?;
            domain_of_its_own(mailbox.domain())?;
            let scope = match mailbox.local().split_once('*') {
                None => Scope::Address,
                Some((prefix, "")) if prefix.len() > 1 && prefix.ends_with(SEPARATORS) => Scope::Pattern,
                Some(_) => {
                    return Err(format!(
                        "{text:?} is not a pattern: one asterisk, at the end of the local part, after one of - + . _ ="
                    ));
                }
            };
            return Ok(NamedTrap {
                scope,
                key: self.address(&mailbox),
                domain: self.domain(mailbox.domain()),
            });
        }
        let (scope, domain) = match text.strip_prefix("*.") {
            Some(domain) => (Scope::Subdomains, domain),
            None => (Scope::Domain, text),
        };
        let domain = domain_of_its_own(domain.trim_end_matches('.'))?;
        let key = self.domain(&domain);
        Ok(NamedTrap { scope, key, domain: key })
    }

    /// The keys by which an address may be a trap: that of its name without a plus or VERP tag,
    /// those of the patterns that it could match, and those of the parent domains.
    pub fn wider(&self, mailbox: &Mailbox) -> Vec<TrapKey> {
        let (local, domain) = (mailbox.local().to_lowercase(), mailbox.domain());
        let address = |local: &str| {
            Mailbox::unquoted(&format!("{local}@{domain}")).map(|mailbox| self.address(&mailbox))
        };
        let mut keys: Vec<TrapKey> = Vec::new();
        // name+tag, and name-user=host.example or name+user=host.example (VERP).
        let plus = local.split_once('+').map(|(name, _)| name);
        let verp = local
            .split_once('=')
            .and_then(|(before, _)| before.rsplit_once(['-', '+']).map(|(name, _)| name));
        keys.extend([plus, verp].into_iter().flatten().filter(|name| !name.is_empty()).filter_map(address));
        let patterns = local.match_indices(SEPARATORS).filter(|(at, _)| *at > 0).take(PATTERNS_MAX);
        keys.extend(patterns.filter_map(|(at, _)| address(&format!("{}*", &local[..=at]))));
        keys.extend(
            domains_above(domain).filter(|above| above.contains('.')).map(|above| self.domain(above)),
        );
        keys.truncate(WIDER_MAX);
        keys
    }
}

/// The domain that the text of a trap names, in canonical form. The text must be one that
/// [`TrapHasher::named`] reads.
pub fn named_domain(text: &str) -> String {
    let domain = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
    canonical_domain(domain.strip_prefix("*.").unwrap_or(domain).trim_end_matches('.'))
}

/// The parent domains of a domain, the nearest first, as far as they are checked.
pub(super) fn domains_above(domain: &str) -> impl Iterator<Item = &str> {
    domain.match_indices('.').take(LABELS_MAX).map(|(at, _)| &domain[at + 1..])
}

/// Checks a domain name of at least two labels and returns its canonical form.
fn domain_of_its_own(text: &str) -> Result<String, String> {
    let domain = canonical_domain(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        return Err(format!("{text:?} is not a domain"));
    }
    if !domain.contains('.') {
        return Err(format!("{text:?} has fewer than two labels"));
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_named_in_four_ways() {
        let hasher = TrapHasher::new([1; 32]);
        let scope = |text: &str| hasher.named(text).map(|named| named.scope);
        assert_eq!(scope("bait@trap.example"), Ok(Scope::Address));
        assert_eq!(scope("bait-*@trap.example"), Ok(Scope::Pattern));
        assert_eq!(scope("trap.example."), Ok(Scope::Domain));
        assert_eq!(scope("*.trap.example"), Ok(Scope::Subdomains));
        assert_eq!(hasher.named("*.trap.example").unwrap().key, hasher.named("TRAP.example").unwrap().key);
        for text in ["bait@trap.example", "bait-*@Trap.Example", "trap.example.", "*.TRAP.example"] {
            assert_eq!(named_domain(text), "trap.example");
            assert_eq!(hasher.domain(&named_domain(text)), hasher.named(text).unwrap().domain, "{text}");
        }
        for wrong in [
            "",
            "trap",
            "*.com",
            "bait*@trap.example",
            "*@trap.example",
            "a-*b@trap.example",
            "a b.example",
            "x@com",
            "a..b",
            "bait@",
        ] {
            assert!(scope(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_found_by_what_covers_it() {
        let hasher = TrapHasher::new([1; 32]);
        let covered = |address: &str, by: &str| {
            let wider = hasher.wider(&Mailbox::parse(address).unwrap());
            assert!(wider.len() <= WIDER_MAX);
            wider.contains(&hasher.named(by).unwrap().key)
        };
        for (address, by) in [
            ("bait+list@trap.example", "bait@trap.example"),
            ("Bait-user=remote.example@trap.example", "bait@trap.example"),
            ("bait+user=remote.example@trap.example", "bait@trap.example"),
            ("bait-1-2@trap.example", "bait-*@trap.example"),
            ("bait.one@trap.example", "bait.*@trap.example"),
            ("anyone@deep.below.trap.example", "*.trap.example"),
        ] {
            assert!(covered(address, by), "{address} by {by}");
        }
        for (address, by) in [
            ("bait@trap.example", "bait@trap.example"),
            ("baiting@trap.example", "bait-*@trap.example"),
            ("bait-1@other.example", "bait-*@trap.example"),
            ("x@nottrap.example", "*.trap.example"),
        ] {
            assert!(!covered(address, by), "{address} by {by}");
        }
        let long = format!("{}@{}example", "a-".repeat(30), "b.".repeat(60));
        assert_eq!(hasher.wider(&Mailbox::parse(&long).unwrap()).len(), WIDER_MAX);
    }
}
