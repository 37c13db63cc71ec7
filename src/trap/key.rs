//! The secret key under which addresses are hashed, and the hashes.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::digest::Digest;
use crate::mail::{self, Mailbox};

/// The keyed hash that represents a trap's address or domain wherever it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TrapKey(#[n(0)] pub(super) Digest);

impl TrapKey {
    /// The first four octets. A ledger holds a few hundred keys at most and saves space with them.
    pub fn short(self) -> u32 {
        (self.0.short() >> 32) as u32
    }
}

impl fmt::Display for TrapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for TrapKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(TrapKey)
    }
}

/// The secret key under which addresses are hashed. It is the same on every node that shares a
/// journal.
#[derive(Clone)]
pub struct TrapHasher(pub(super) [u8; 32]);

impl TrapHasher {
    /// A hasher with the given key of 32 octets.
    pub const fn new(key: [u8; 32]) -> Self {
        TrapHasher(key)
    }

    /// The key of an address.
    pub fn address(&self, mailbox: &Mailbox) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, mailbox.folded().as_bytes()))
    }

    /// The key of a domain. The leading `@` in the hashed text keeps domain keys apart from address
    /// keys.
    pub fn domain(&self, domain: &str) -> TrapKey {
        TrapKey(Digest::keyed(&self.0, format!("@{}", mail::canonical_domain(domain)).as_bytes()))
    }

    /// The digest of a failed recipient's address: equal for equal addresses, and of no use for
    /// guessing them without the key.
    pub fn recipient(&self, mailbox: &Mailbox) -> Digest {
        Digest::keyed(&self.0, format!("recipient {}", mailbox.folded()).as_bytes())
    }

    /// A number that is the same for the same octets, and that nobody without the key can guess.
    pub fn seed(&self, octets: &[u8]) -> Digest {
        Digest::keyed(&self.0, &[b"seed ", octets].concat())
    }

    /// What tells this key from others, and nothing about the key.
    pub fn fingerprint(&self) -> Digest {
        Digest::keyed(&self.0, b"fingerprint")
    }

    /// The secret under which the names of trap domains are sealed.
    pub fn names_secret(&self) -> [u8; 32] {
        Digest::secret(&self.0, b"names of trap domains")
    }

    /// The digest of a transaction's reverse-path.
    pub fn reverse_path(&self, address: &str) -> Digest {
        Digest::keyed(&self.0, format!("reverse-path {}", address.to_lowercase()).as_bytes())
    }
}

impl fmt::Debug for TrapHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrapHasher(secret)")
    }
}
