//! The record of one relay under one code: how listings begin, are extended and end.

use minicbor::{Decode, Encode};

use super::{
    Criterion, Listing, ListingEnd, ListingGrounds, ListingTerms, PastListing, PublicationSlots,
    PublishedListing, ShownWithListing,
};
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// The current and past listings of one relay under one code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ListingRecord {
    /// The current listing, if the relay is listed.
    #[n(0)]
    pub current: Option<Listing>,
    /// Past listings within the repeat window, the oldest first.
    #[n(1)]
    pub past: Vec<PastListing>,
    /// Counted reports start after this entry. A listing, an extension or a removal sets it to the
    /// entry that caused it.
    #[n(2)]
    pub floor: Offset,
    /// What is published of the current listing.
    #[n(3)]
    pub published: Option<PublishedListing>,
}

impl ListingRecord {
    /// Lists the relay because a case is complete, or extends its listing. Evidence up to the entry
    /// that completed the case no longer counts.
    pub fn complete(
        &mut self,
        prefix: Prefix,
        grounds: ListingGrounds,
        policy: Digest,
        terms: &ListingTerms,
    ) {
        let now = grounds.at;
        let duration = terms.duration(&self.past, now);
        self.floor = grounds.completed;
        let since = self.current.as_ref().map_or(now, |listing| listing.since);
        let until = now.plus(duration).max(self.current.as_ref().map_or(now, |listing| listing.until));
        let times = terms.repeats(&self.past, now).saturating_add(1);
        self.current = Some(Listing { prefix, since, until, policy, grounds, times });
    }

    /// Lists the relay by decision until a given time. The decision replaces an earlier decision
    /// and uses no evidence.
    pub fn decide(
        &mut self,
        prefix: Prefix,
        grounds: ListingGrounds,
        until: Timestamp,
        policy: Digest,
        terms: &ListingTerms,
    ) {
        let now = grounds.at;
        let since = self.current.as_ref().map_or(now, |listing| listing.since);
        let times = terms.repeats(&self.past, now).saturating_add(1);
        self.current = Some(Listing { prefix, since, until, policy, grounds, times });
    }

    /// Whether what is published differs from the current listing.
    pub fn is_unpublished(&self, shown: ShownWithListing) -> bool {
        let published = |listing: &Listing| {
            self.published
                .as_ref()
                .map(|published| published.since)
                .map(|since| PublishedListing::of(listing, since, shown))
        };
        self.current
            .as_ref()
            .is_some_and(|listing| published(listing) != self.published || self.published.is_none())
    }

    /// Publishes the current listing at a slot. The time that evidence adds to a listing counts from
    /// the slot, and ends on a slot, so that neither tells when the case was complete.
    pub fn publish(&mut self, at: Timestamp, slots: PublicationSlots, shown: ShownWithListing) {
        let Some(listing) = &mut self.current else { return };
        let before = self.published.as_ref();
        let is_longer = before.is_none_or(|published| listing.until > published.until);
        if is_longer && listing.grounds.criterion == Criterion::Case {
            let term = listing.until.since(listing.grounds.at);
            listing.until = slots.first(at.plus(term));
        }
        let since = before.map_or(at, |published| published.since);
        listing.since = since;
        self.published = Some(PublishedListing::of(listing, since, shown));
    }

    /// Shortens what is published to the end of the current listing. An earlier end is public at once.
    pub fn shorten(&mut self) {
        if let (Some(listing), Some(published)) = (&self.current, &mut self.published) {
            published.until = published.until.min(listing.until);
        }
    }

    /// Whether the current listing is a decision of the operator.
    pub fn is_decided(&self) -> bool {
        self.current.as_ref().is_some_and(|listing| listing.grounds.criterion == Criterion::Decision)
    }

    /// Ends a published listing if its published end is reached, and returns it. If an extension waits for
    /// a slot, it waits on as a new listing. The term of a listing that is not published has not begun.
    pub fn expire(&mut self, now: Timestamp) -> Option<Listing> {
        let published = self.published.as_ref().filter(|published| published.until <= now)?;
        let since = published.since;
        let listing = self.current.as_mut()?;
        if listing.until <= now {
            return self.end(now, ListingEnd::Expired);
        }
        let (ended, how, grounds) = (now, ListingEnd::Expired, listing.grounds.clone());
        self.past.push(PastListing { since, ended, how, grounds, published: Some(since) });
        self.published = None;
        listing.since = now;
        Some(listing.clone())
    }

    /// Removes the relay: evidence up to the entry `at` no longer counts. Returns the listing that
    /// ended, if any.
    pub fn remove(&mut self, now: Timestamp, at: Offset) -> Option<Listing> {
        self.floor = at;
        self.end(now, ListingEnd::Removed)
    }

    /// Ends the listing early and returns it. Its evidence does not count again.
    pub fn end(&mut self, ended: Timestamp, how: ListingEnd) -> Option<Listing> {
        let listing = self.current.take()?;
        let published = self.published.take().map(|published| published.since);
        if how == ListingEnd::Dropped {
            // Its evidence was not used.
            self.floor = listing.grounds.after;
        }
        // A listing based on voided evidence must not prolong later ones.
        if !matches!(how, ListingEnd::Voided | ListingEnd::Dropped) {
            let grounds = listing.grounds.clone();
            self.past.push(PastListing { since: listing.since, ended, how, grounds, published });
        }
        Some(listing)
    }

    /// Drops past listings that ended before the repeat window. Returns `false` if no listing
    /// remains.
    pub fn forget(&mut self, now: Timestamp, terms: &ListingTerms) -> bool {
        let oldest = now.minus(terms.repeat_window);
        self.past.retain(|past| past.ended >= oldest);
        self.current.is_some() || !self.past.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Relay;
    use crate::score::Points;
    use crate::time::Span;

    fn terms() -> ListingTerms {
        ListingTerms {
            durations: [3, 7, 14, 28].map(Span::from_days).to_vec(),
            repeat_window: Span::from_days(90),
        }
    }

    fn grounds(at: Timestamp, offset: u64) -> ListingGrounds {
        ListingGrounds {
            completed: Offset::from_number(offset),
            at,
            points: Points::ONE,
            trap_domains: 2,
            injector_networks: 2,
            failed_recipients: 3,
            reports: 5,
            evidence: vec![Offset::from_number(offset)],
            criterion: Criterion::Case,
            after: Offset::START,
            forbidden_thousandths: 0,
            good_messages: 0,
            verified: None,
        }
    }

    fn list(record: &mut ListingRecord, at: Timestamp, offset: u64) -> Span {
        let prefix = Prefix::host("192.0.2.99".parse::<Relay>().unwrap());
        record.complete(prefix, grounds(at, offset), Digest::of(b"policy"), &terms());
        record.publish(at, PublicationSlots::none(), ShownWithListing::default());
        record.current.as_ref().unwrap().until.since(at)
    }

    #[test]
    fn each_listing_within_the_window_lasts_longer_up_to_the_longest() {
        let (mut record, mut now) = (ListingRecord::default(), Timestamp::from_milliseconds(0));
        for (nth, days) in [3, 7, 14, 28, 28].into_iter().enumerate() {
            assert_eq!(list(&mut record, now, nth as u64), Span::from_days(days), "listing {nth}");
            assert_eq!(record.current.as_ref().unwrap().times as usize, nth + 1);
            now = now.plus(Span::from_days(days));
            assert!(record.expire(now).is_some());
            assert!(record.expire(now).is_none());
        }
        now = now.plus(Span::from_days(91));
        assert!(!record.forget(now, &terms()));
        assert_eq!(list(&mut record, now, 9), Span::from_days(3));
    }

    #[test]
    fn relisting_after_a_removal_doubles_the_time_and_the_floor_rises() {
        let (mut record, now) = (ListingRecord::default(), Timestamp::from_milliseconds(0));
        list(&mut record, now, 1);
        assert!(record.remove(now, Offset::from_number(5)).is_some());
        assert_eq!(record.floor, Offset::from_number(5));
        assert!(record.remove(now, Offset::from_number(7)).is_none());
        assert_eq!(
            record.floor,
            Offset::from_number(7),
            "a removal raises the floor whether or not there was a listing"
        );
        assert_eq!(list(&mut record, now, 9), Span::from_days(14));
    }

    #[test]
    fn an_extension_never_shortens_and_counts_as_the_same_listing() {
        let (mut record, now) = (ListingRecord::default(), Timestamp::from_milliseconds(0));
        list(&mut record, now, 1);
        let later = now.plus(Span::from_days(1));
        assert_eq!(list(&mut record, later, 2), Span::from_days(3));
        let listing = record.current.unwrap();
        assert_eq!((listing.times, listing.since), (1, now));
    }
}
