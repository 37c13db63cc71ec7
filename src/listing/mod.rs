//! From a case that is made to a listing: who, under which code, why, and until when.

mod code;
mod guards;
mod terms;

pub use code::{Basis, Code, CodeSpec};
pub use guards::Guards;
pub use terms::{Terms, TermsSpec};

use minicbor::{Decode, Encode};

use crate::classify::Kind;
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::relay::Prefix;
use crate::score::{Case, Docket, Points};
use crate::time::Timestamp;

/// Most evidence that a listing names; the case may have held more.
const EVIDENCE_MAX: usize = 32;

/// One relay under one code, now and before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    #[n(0)]
    pub current: Option<Listing>,
    /// Listings that ended, oldest first, as far back as the terms look.
    #[n(1)]
    pub past: Vec<Past>,
    /// Evidence at or before this offset counts no more: an earlier listing used it, or a removal forgave it.
    #[n(2)]
    pub floor: Offset,
}

/// A relay's address is published under a code. Every listing ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listing {
    /// What is published: an address, or, by decision, an IPv6 /64.
    #[n(0)]
    pub prefix: Prefix,
    #[n(1)]
    pub since: Timestamp,
    #[n(2)]
    pub until: Timestamp,
    /// The digest of the zone file that it was judged by.
    #[n(3)]
    pub policy: Digest,
    #[n(4)]
    pub grounds: Grounds,
    /// How often the relay was listed within the repeat window when the case was made, this time included.
    #[n(5)]
    pub times: u32,
}

impl Listing {
    /// How far its case went beyond the points that the policy asked for, in four steps up to 100: coarse, so that nobody
    /// can watch single reports arrive. A decision is sure.
    pub fn confidence(&self, asked: Points) -> u8 {
        if self.grounds.criterion == Criterion::Decision {
            return 100;
        }
        match self.grounds.points.hundredths_of(asked) {
            0..150 => 25,
            150..200 => 50,
            200..400 => 75,
            _ => 100,
        }
    }
}

/// What made the listing, or extended it last: never nothing (RFC 6471 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Grounds {
    /// The entry that completed the case.
    #[n(0)]
    pub completed: Offset,
    #[n(1)]
    pub at: Timestamp,
    #[n(2)]
    pub points: Points,
    #[n(3)]
    pub trap_domains: u32,
    #[n(4)]
    pub injector_networks: u32,
    #[n(5)]
    pub parties: u32,
    #[n(6)]
    pub reports: u32,
    /// The entries that hold the first of the evidence, or the decision; at least one.
    #[n(7)]
    pub evidence: Vec<Offset>,
    #[n(8)]
    pub criterion: Criterion,
    /// The case's evidence lies behind this entry.
    #[n(9)]
    pub after: Offset,
    /// The share of its reports whose original the trap's domain had forbidden, in thousandths.
    #[n(10)]
    pub forbidden_thousandths: u16,
    /// Wanted mail that donors had from it then.
    #[n(11)]
    pub good_messages: u64,
}

/// By what a listing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Criterion {
    /// Every rule of the policy was met by evidence.
    #[n(0)]
    Case,
    /// An operator listed it, with a reason and an end.
    #[n(1)]
    Decision,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Past {
    #[n(0)]
    pub since: Timestamp,
    #[n(1)]
    pub ended: Timestamp,
    #[n(2)]
    pub how: Ending,
    /// What it stood on, so that it can be struck if that turns out to be worth nothing.
    #[n(3)]
    pub grounds: Grounds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    #[n(0)]
    Expired,
    #[n(1)]
    Removed,
    /// The zone's file no longer lets it be listed, or the zone is published no longer.
    #[n(2)]
    Withdrawn,
    /// What it stood on was voided.
    #[n(3)]
    Voided,
    /// The operator exempted the address.
    #[n(4)]
    Exempted,
}

impl Ending {
    pub const fn name(self) -> &'static str {
        match self {
            Ending::Expired => "expired",
            Ending::Removed => "removed",
            Ending::Withdrawn => "withdrawn",
            Ending::Voided => "voided",
            Ending::Exempted => "exempted",
        }
    }
}

impl Grounds {
    pub fn of(case: &Case<'_>, after: Offset, completed: Offset, at: Timestamp) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Grounds {
            completed,
            at,
            points: case.points(),
            trap_domains: count(case.trap_domains()),
            injector_networks: count(case.injector_networks()),
            parties: count(case.parties()),
            reports: u32::try_from(case.reports()).unwrap_or(u32::MAX),
            evidence: case.evidence().take(EVIDENCE_MAX).collect(),
            criterion: Criterion::Case,
            after,
            forbidden_thousandths: u16::try_from(case.forbidden_thousandths()).unwrap_or(1_000),
            good_messages: case.good_messages(),
        }
    }

    /// The case as it was when it was made.
    pub fn docket<'a>(&self, kinds: &'a [Kind]) -> Docket<'a> {
        let Grounds { after, completed: until, at: now, good_messages, .. } = *self;
        Docket { kinds, after, until, now, good_messages }
    }

    /// An operator's decision, which is an entry like evidence.
    pub fn decision(entry: Offset, at: Timestamp) -> Self {
        Grounds {
            completed: entry,
            at,
            points: Points::default(),
            trap_domains: 0,
            injector_networks: 0,
            parties: 0,
            reports: 0,
            evidence: vec![entry],
            criterion: Criterion::Decision,
            after: entry,
            forbidden_thousandths: 0,
            good_messages: 0,
        }
    }
}

impl Record {
    /// A case was made: lists the relay, or extends its listing. The evidence is used up by it.
    pub fn complete(&mut self, prefix: Prefix, grounds: Grounds, policy: Digest, terms: &Terms) {
        let now = grounds.at;
        let duration = terms.duration(&self.past, now);
        self.floor = grounds.completed;
        let since = self.current.as_ref().map_or(now, |listing| listing.since);
        let until = now.plus(duration).max(self.current.as_ref().map_or(now, |listing| listing.until));
        let times = terms.repeats(&self.past, now).saturating_add(1);
        self.current = Some(Listing { prefix, since, until, policy, grounds, times });
    }

    /// Lists by decision until a moment; a decision that stands is replaced. No evidence is used up.
    pub fn decide(
        &mut self,
        prefix: Prefix,
        grounds: Grounds,
        until: Timestamp,
        policy: Digest,
        terms: &Terms,
    ) {
        let now = grounds.at;
        let since = self.current.as_ref().map_or(now, |listing| listing.since);
        let times = terms.repeats(&self.past, now).saturating_add(1);
        self.current = Some(Listing { prefix, since, until, policy, grounds, times });
    }

    /// Whether it is listed by decision, and not by its evidence.
    pub fn is_decided(&self) -> bool {
        self.current.as_ref().is_some_and(|listing| listing.grounds.criterion == Criterion::Decision)
    }

    /// Ends the listing if its time has come; the listing that ended.
    pub fn expire(&mut self, now: Timestamp) -> Option<Listing> {
        let due = self.current.as_ref().is_some_and(|listing| listing.until <= now);
        if due { self.end(now, Ending::Expired) } else { None }
    }

    /// Takes the relay off and forgives what came before; the listing that ended, if there was one.
    pub fn remove(&mut self, now: Timestamp, at: Offset) -> Option<Listing> {
        self.floor = at;
        self.end(now, Ending::Removed)
    }

    /// Ends the listing before its time. Its evidence stays used up.
    pub fn end(&mut self, ended: Timestamp, how: Ending) -> Option<Listing> {
        let listing = self.current.take()?;
        // What should not have been is no precedent.
        if how != Ending::Voided {
            let grounds = listing.grounds.clone();
            self.past.push(Past { since: listing.since, ended, how, grounds });
        }
        Some(listing)
    }

    /// Drops what the terms no longer look back to; `false` where nothing is left but the floor.
    pub fn forget(&mut self, now: Timestamp, terms: &Terms) -> bool {
        let oldest = now.minus(terms.repeat_window);
        self.past.retain(|past| past.ended >= oldest);
        self.current.is_some() || !self.past.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Relay;
    use crate::time::Span;

    fn terms() -> Terms {
        Terms { durations: [3, 7, 14, 28].map(Span::from_days).to_vec(), repeat_window: Span::from_days(90) }
    }

    fn grounds(at: Timestamp, offset: u64) -> Grounds {
        Grounds {
            completed: Offset::from_number(offset),
            at,
            points: Points::ONE,
            trap_domains: 2,
            injector_networks: 2,
            parties: 3,
            reports: 5,
            evidence: vec![Offset::from_number(offset)],
            criterion: Criterion::Case,
            after: Offset::START,
            forbidden_thousandths: 0,
            good_messages: 0,
        }
    }

    fn list(record: &mut Record, at: Timestamp, offset: u64) -> Span {
        let prefix = Prefix::host("192.0.2.99".parse::<Relay>().unwrap());
        record.complete(prefix, grounds(at, offset), Digest::of(b"policy"), &terms());
        record.current.as_ref().unwrap().until.since(at)
    }

    #[test]
    fn each_listing_within_the_window_lasts_longer_up_to_the_longest() {
        let (mut record, mut now) = (Record::default(), Timestamp::from_milliseconds(0));
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
        let (mut record, now) = (Record::default(), Timestamp::from_milliseconds(0));
        list(&mut record, now, 1);
        assert!(record.remove(now, Offset::from_number(5)).is_some());
        assert_eq!(record.floor, Offset::from_number(5));
        assert!(record.remove(now, Offset::from_number(7)).is_none());
        assert_eq!(
            record.floor,
            Offset::from_number(7),
            "a removal forgives whether or not there was a listing"
        );
        assert_eq!(list(&mut record, now, 9), Span::from_days(14));
    }

    #[test]
    fn an_extension_never_shortens_and_counts_as_the_same_listing() {
        let (mut record, now) = (Record::default(), Timestamp::from_milliseconds(0));
        list(&mut record, now, 1);
        let later = now.plus(Span::from_days(1));
        assert_eq!(list(&mut record, later, 2), Span::from_days(3));
        let listing = record.current.unwrap();
        assert_eq!((listing.times, listing.since), (1, now));
    }
}
