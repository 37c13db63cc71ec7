//! Digests, which represent values that are not stored: reports, recipients, policies and zones.

use std::fmt;

use minicbor::{Decode, Encode};

/// The first 16 octets of a BLAKE3 hash.
///
/// The hash is keyed where a reader of the digest must not be able to find the value by guessing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Digest(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl Digest {
    /// The digest with these octets.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        Digest(octets)
    }

    /// The octets of the digest.
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first eight octets, for tables that must be small and hold few enough values not to
    /// collide.
    pub fn short(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The digest of `octets`, without a key.
    pub fn of(octets: &[u8]) -> Self {
        Digest::finish(blake3::Hasher::new().update(octets))
    }

    /// The digest of `octets` under `key`. Without the key, a guess at the value cannot be
    /// verified.
    pub fn keyed(key: &[u8; 32], octets: &[u8]) -> Self {
        Digest::finish(blake3::Hasher::new_keyed(key).update(octets))
    }

    /// A secret of 32 octets that is derived from `key` and `octets`.
    pub fn secret(key: &[u8; 32], octets: &[u8]) -> [u8; 32] {
        *blake3::Hasher::new_keyed(key).update(octets).finalize().as_bytes()
    }

    fn finish(hasher: &blake3::Hasher) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Digest(first)
    }
}

/// Computes one digest of several values.
///
/// The length of each value is hashed before it, so `ab`, `c` and `a`, `bc` have different digests.
#[derive(Default)]
pub struct Digester(blake3::Hasher);

impl Digester {
    /// Adds a value.
    pub fn add(&mut self, octets: &[u8]) -> &mut Self {
        self.0.update(&(octets.len() as u64).to_be_bytes());
        self.0.update(octets);
        self
    }

    /// The digest of the values added so far.
    pub fn digest(&self) -> Digest {
        Digest::finish(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a digest of 32 hexadecimal digits");
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut octets = [0; 16];
        for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Digest(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_writes() {
        let digest = Digest::of(b"a report");
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!("0g".repeat(16).parse::<Digest>().is_err());
        assert_ne!(digest, Digest::keyed(&[7; 32], b"a report"));
        let (mut one, mut other) = (Digester::default(), Digester::default());
        assert_ne!(one.add(b"ab").add(b"c").digest(), other.add(b"a").add(b"bc").digest());
    }
}
