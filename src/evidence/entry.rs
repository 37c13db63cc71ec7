//! One entry of the journal, of every kind.

use minicbor::{Decode, Encode};

use super::{Directive, Evidence, Observation, Offset, Verification};
use crate::digest::{Digest, Digester};
use crate::time::Timestamp;

/// One journal entry. The published zones depend on the entries and on nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// One transaction at one trap.
    #[n(0)]
    Evidence(#[n(0)] Box<Evidence>),
    /// The result of the DNS queries about a relay.
    #[n(1)]
    Observation(#[n(0)] Observation),
    /// A decision of an operator or a donor.
    #[n(2)]
    Directive(#[n(0)] Directive),
    /// Advances the fold's time to the time at which the journal accepted the tick. The number is
    /// the number of the interval, so the ticks of several nodes for one interval have the same id.
    #[n(3)]
    Tick(#[n(0)] u64),
    /// The answer of a relay's side to a question about made-up recipients.
    #[n(4)]
    Verification(#[n(0)] Box<Verification>),
}

impl Entry {
    /// The id by which the journal recognises a second append of the same entry.
    pub fn id(&self) -> Digest {
        let derived = |label: &[u8], octets: &[u8]| Digester::default().add(label).add(octets).digest();
        match self {
            Entry::Evidence(evidence) => evidence.id,
            Entry::Observation(Observation { evidence, attempt, .. }) => {
                derived(b"observation", &[&evidence.octets()[..], &attempt.to_be_bytes()].concat())
            }
            Entry::Directive(directive) => directive.id,
            Entry::Verification(verification) => verification.id,
            Entry::Tick(number) => derived(b"tick", &number.to_be_bytes()),
        }
    }
}

/// An entry as read from the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEntry {
    /// The position of the entry.
    pub offset: Offset,
    /// When the journal accepted the entry, by the journal's clock. Never earlier than the previous
    /// entry's time.
    pub at: Timestamp,
    /// The entry itself.
    pub entry: Entry,
}
