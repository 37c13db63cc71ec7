//! The wire format of an entry: one octet of version, then CBOR (RFC 8949) with numbered fields.
//!
//! The field numbers are given on the types in `evidence/`. `tests/journal.rs` holds encoded
//! entries of every version that was ever written; all of them must stay readable.

use minicbor::{Decode, Encode};

use crate::evidence::{Entry, Offset, RecordedEntry};
use crate::journal::JournalError;
use crate::time::Timestamp;

/// The version that is written.
pub const VERSION: u8 = 1;
/// Initial capacity of the buffer for an entry, in octets.
const ENTRY_OCTETS_USUAL: usize = 512;

#[derive(Decode)]
struct WireRead {
    #[n(0)]
    at: Timestamp,
    #[n(1)]
    entry: Entry,
}

#[derive(Encode)]
struct WireWrite<'a> {
    #[n(0)]
    at: Timestamp,
    #[n(1)]
    entry: &'a Entry,
}

/// Encodes an entry with its time.
pub fn to_octets(at: Timestamp, entry: &Entry) -> Vec<u8> {
    let mut octets = Vec::with_capacity(ENTRY_OCTETS_USUAL);
    octets.push(VERSION);
    minicbor::encode(WireWrite { at, entry }, &mut octets).expect("writing to memory can't fail");
    octets
}

/// Decodes an entry.
///
/// # Errors
/// `Entry` when the octets are empty, of another version, or damaged.
pub fn from_octets(offset: Offset, octets: &[u8]) -> Result<RecordedEntry, JournalError> {
    let damaged = |problem: String| JournalError::Entry { offset, problem };
    match octets.split_first() {
        Some((&VERSION, rest)) => {
            let WireRead { at, entry } =
                minicbor::decode(rest).map_err(|error| damaged(error.to_string()))?;
            Ok(RecordedEntry { offset, at, entry })
        }
        Some((&version, _)) => Err(damaged(format!("it has version {version} of the wire format"))),
        None => Err(damaged("it is empty".to_owned())),
    }
}
