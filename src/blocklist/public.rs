//! What the public may know of a relay.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::view::RelayRecord;
use crate::evidence::VerificationAnswer;
use crate::listing::{ListingEnd, PublishedListing};
use crate::relay::Relay;
use crate::time::Timestamp;
use crate::zone;

/// What the public may know of a relay: its listings as they are published. A relay that is not listed,
/// one whose listing waits for a slot or is held, and one of which nothing is known all look alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicRelay {
    /// The published listings, by the zone's origin and the code.
    pub listings: BTreeMap<(Arc<str>, u8), PublishedListing>,
    /// The listings that were published and ended, the oldest first.
    pub past: Vec<EndedListing>,
    /// Whether the relay's side is asked once a day about made-up recipients, because a published
    /// listing stands on its answers.
    pub is_asked: bool,
    /// The last answers of the relay's side, with their times; none unless a listing is published.
    pub answers: Vec<(VerificationAnswer, Timestamp)>,
}

/// A listing that was published and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedListing {
    /// The zone's origin.
    pub origin: Arc<str>,
    /// The code.
    pub code: u8,
    /// When the listing was published.
    pub since: Timestamp,
    /// When the listing ended.
    pub ended: Timestamp,
    /// Why the listing ended.
    pub how: ListingEnd,
}

impl RelayRecord {
    /// The part of the record of `relay` that is public.
    pub fn public(&self, relay: Relay) -> PublicRelay {
        let listings = self.records.iter().filter_map(|(key, record)| {
            let published = record.published.as_ref()?;
            published.prefix.contains(relay.address()).then(|| (key.clone(), published.clone()))
        });
        let past = self.records.iter().flat_map(|((origin, code), record)| {
            record.past.iter().filter_map(|past| {
                let (origin, code) = (Arc::clone(origin), *code);
                Some(EndedListing { origin, code, since: past.published?, ended: past.ended, how: past.how })
            })
        });
        let (listings, mut past): (BTreeMap<_, _>, Vec<_>) = (listings.collect(), past.collect());
        past.sort_by_key(|past| past.since);
        let stands_on_answers = |key| {
            let current = self.records.get(key).and_then(|record| record.current.as_ref());
            let verified = current.and_then(|listing| listing.grounds.verified.as_ref());
            verified.is_some_and(|verified| !verified.domains().is_empty())
        };
        let is_asked = listings.keys().any(stands_on_answers);
        let answers = self.answers.values().filter(|_| !listings.is_empty());
        let answers = answers.map(|known| (known.answer, known.answered)).collect();
        PublicRelay { listings, past, is_asked, answers }
    }
}

impl PublicRelay {
    /// The published listing in a zone under a code.
    pub fn listing(&self, config: &zone::Config, code: u8) -> Option<&PublishedListing> {
        self.listings.get(&(config.apex.origin.to_string().into(), code))
    }

    /// The codes that the main zone returns for the relay, as a bit mask; zero if it is not listed.
    pub fn answer_mask(&self, config: &zone::Config) -> u8 {
        let listed = |code: u8| self.listing(config, code).map_or(0, |listing| code | listing.shown.beside);
        config.codes.iter().fold(0, |mask, code| mask | listed(code.value)) & config.main.mask
    }
}
