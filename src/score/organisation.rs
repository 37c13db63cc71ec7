//! Domains, as ledgers store them.

use crate::digest::Digest;

/// The short digest of a registered domain, as ledgers store it. It is never zero.
pub fn short_organisation(name: &str) -> u32 {
    ((Digest::of(name.as_bytes()).short() >> 32) as u32).max(1)
}

/// The short digest of a failed recipient's domain, as ledgers and answers store it. It is never zero.
pub fn short_domain(name: &str) -> u64 {
    Digest::of(name.to_ascii_lowercase().as_bytes()).short().max(1)
}
