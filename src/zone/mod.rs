//! What the DNS says: listings in, answers out. Pure; the edges only put it on the wire.

mod answer;
mod entries;
mod name;
mod spec;

pub use answer::{Answer, Data, QueryType, Question, Rcode, Record, Soa};
pub use entries::{Entries, Entry};
pub use name::{Name, Reversed, reversed};
pub use spec::{Sublist, Texts, Ttls, Zone as Config, read};

use std::sync::Arc;

use crate::digest::{Digest, Digester};
use crate::time::Timestamp;

/// One zone as it stands: what is configured, what is listed, and its serial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    pub config: Arc<Config>,
    pub entries: Arc<Entries>,
    pub serial: u32,
    /// Emptied for good, the test entries included (RFC 6471 §3.4).
    pub shut_down: bool,
}

/// All zones at one moment of the fold. Replaced whole, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    zones: Vec<Zone>,
    /// The fold's time: how fresh the data is.
    pub time: Timestamp,
}

impl Snapshot {
    pub fn new(mut zones: Vec<Zone>, time: Timestamp) -> Self {
        // The most specific origin first, so that a zone below another one is found.
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.config.origin.labels().len()));
        Snapshot { zones, time }
    }

    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// The answer to a question at a time, which shortens the TTL of what is about to end.
    pub fn answer(&self, question: &Question, now: Timestamp) -> Answer {
        match self.zones.iter().find(|zone| question.name.is_under(&zone.config.origin)) {
            Some(zone) => zone.answer(question, now),
            None => Answer::refused(),
        }
    }
}

impl Zone {
    /// A digest of everything that a transfer of the zone would carry: equal digests, equal zones. Moving values
    /// (the remaining time of a listing) stay outside.
    pub fn digest(&self) -> Digest {
        let mut digester = Digester::default();
        digester.add(self.config.digest.octets()).add(&self.serial.to_be_bytes());
        digester.add(&[u8::from(self.shut_down)]);
        for (prefix, entry) in self.entries.iter() {
            digester.add(prefix.to_string().as_bytes()).add(&[entry.mask()]);
        }
        digester.digest()
    }
}
