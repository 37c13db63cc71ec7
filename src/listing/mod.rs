//! Listings: the relay, the code, the grounds and the end of each.

mod code;
mod guards;
mod terms;

pub use code::{CodeBasis, ReturnCode, ReturnCodeSpec};
pub use guards::GuardLimits;
pub use terms::{ListingTerms, ListingTermsSpec};

use minicbor::{Decode, Encode};

use crate::classify::Kind;
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::relay::Prefix;
use crate::score::{Case, CaseWindow, Points};
use crate::time::Timestamp;

/// The maximum number of evidence entries that a listing names. The case may contain more.
const EVIDENCE_MAX: usize = 32;

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
}

/// A listing: an address that is published under a code. Every listing has an end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listing {
    /// The published address or, by decision of the operator, IPv6 /64.
    #[n(0)]
    pub prefix: Prefix,
    /// When the listing began.
    #[n(1)]
    pub since: Timestamp,
    /// When the listing ends.
    #[n(2)]
    pub until: Timestamp,
    /// The digest of the zone file whose policy was applied.
    #[n(3)]
    pub policy: Digest,
    /// What the listing is based on.
    #[n(4)]
    pub grounds: ListingGrounds,
    /// The number of listings of the relay within the repeat window, this one included.
    #[n(5)]
    pub times: u32,
}

impl Listing {
    /// The confidence of the listing in percent: 25, 50, 75 or 100, depending on how far the points
    /// exceed the `asked` ones. The steps are coarse, so that single reports cannot be observed. A
    /// listing by decision has a confidence of 100.
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

/// The grounds of a listing, or of its last extension. A listing always has grounds (RFC 6471
/// §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListingGrounds {
    /// The entry that completed the case, or the entry of the decision.
    #[n(0)]
    pub completed: Offset,
    /// The fold's time at that entry.
    #[n(1)]
    pub at: Timestamp,
    /// The points of the case.
    #[n(2)]
    pub points: Points,
    /// The number of distinct trap domains.
    #[n(3)]
    pub trap_domains: u32,
    /// The number of distinct networks the forged mail came from.
    #[n(4)]
    pub injector_networks: u32,
    /// The number of distinct failed recipients.
    #[n(5)]
    pub failed_recipients: u32,
    /// The number of reports.
    #[n(6)]
    pub reports: u32,
    /// The first entries that contain the evidence, or the entry of the decision. Never empty.
    #[n(7)]
    pub evidence: Vec<Offset>,
    /// Whether the listing is based on evidence or on a decision.
    #[n(8)]
    pub criterion: Criterion,
    /// The counted reports of the case start after this entry.
    #[n(9)]
    pub after: Offset,
    /// The share of reports whose original the SPF or DMARC record of the trap's domain forbade, in
    /// thousandths.
    #[n(10)]
    pub forbidden_thousandths: u16,
    /// The number of wanted messages that donors had received from the relay at that time.
    #[n(11)]
    pub good_messages: u64,
}

/// What a listing is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Criterion {
    /// Evidence satisfied every rule of the policy.
    #[n(0)]
    Case,
    /// The operator listed the address, with a reason and an end.
    #[n(1)]
    Decision,
}

/// A listing that ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PastListing {
    /// When the listing began.
    #[n(0)]
    pub since: Timestamp,
    /// When the listing ended.
    #[n(1)]
    pub ended: Timestamp,
    /// Why the listing ended.
    #[n(2)]
    pub how: ListingEnd,
    /// The grounds of the listing. They are kept so that the listing can be dropped from the record
    /// if its evidence is voided later.
    #[n(3)]
    pub grounds: ListingGrounds,
}

/// Why a listing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ListingEnd {
    /// Its end was reached.
    #[n(0)]
    Expired,
    /// The relay was removed.
    #[n(1)]
    Removed,
    /// The zone's file no longer permits the listing, or the zone is no longer published.
    #[n(2)]
    Withdrawn,
    /// Its evidence was voided, and the rest does not satisfy the rules.
    #[n(3)]
    Voided,
    /// The operator exempted the address.
    #[n(4)]
    Exempted,
}

impl ListingEnd {
    /// The name in JSON, in text and in audit records.
    pub const fn name(self) -> &'static str {
        match self {
            ListingEnd::Expired => "expired",
            ListingEnd::Removed => "removed",
            ListingEnd::Withdrawn => "withdrawn",
            ListingEnd::Voided => "voided",
            ListingEnd::Exempted => "exempted",
        }
    }
}

impl ListingGrounds {
    /// The grounds of a case that the entry `completed` satisfied. Its counted reports start after
    /// the entry `after`.
    pub fn of(case: &Case<'_>, after: Offset, completed: Offset, at: Timestamp) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ListingGrounds {
            completed,
            at,
            points: case.points(),
            trap_domains: count(case.trap_domains()),
            injector_networks: count(case.injector_networks()),
            failed_recipients: count(case.failed_recipients()),
            reports: u32::try_from(case.reports()).unwrap_or(u32::MAX),
            evidence: case.evidence().take(EVIDENCE_MAX).collect(),
            criterion: Criterion::Case,
            after,
            forbidden_thousandths: u16::try_from(case.forbidden_thousandths()).unwrap_or(1_000),
            good_messages: case.good_messages(),
        }
    }

    /// Selects the counted reports of the case as it was when it was completed.
    pub fn docket<'a>(&self, kinds: &'a [Kind]) -> CaseWindow<'a> {
        let ListingGrounds { after, completed: until, at: now, good_messages, .. } = *self;
        CaseWindow { kinds, after, until, now, good_messages }
    }

    /// The grounds of a listing by the directive in `entry`.
    pub fn decision(entry: Offset, at: Timestamp) -> Self {
        ListingGrounds {
            completed: entry,
            at,
            points: Points::default(),
            trap_domains: 0,
            injector_networks: 0,
            failed_recipients: 0,
            reports: 0,
            evidence: vec![entry],
            criterion: Criterion::Decision,
            after: entry,
            forbidden_thousandths: 0,
            good_messages: 0,
        }
    }
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

    /// Lists the relay by decision until a given time. It replaces an earlier decision and uses no
    /// evidence.
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

    /// Whether the current listing is a decision of the operator.
    pub fn is_decided(&self) -> bool {
        self.current.as_ref().is_some_and(|listing| listing.grounds.criterion == Criterion::Decision)
    }

    /// Ends the listing if its end is reached, and returns it.
    pub fn expire(&mut self, now: Timestamp) -> Option<Listing> {
        let due = self.current.as_ref().is_some_and(|listing| listing.until <= now);
        if due { self.end(now, ListingEnd::Expired) } else { None }
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
        // A listing based on voided evidence must not prolong later ones.
        if how != ListingEnd::Voided {
            let grounds = listing.grounds.clone();
            self.past.push(PastListing { since: listing.since, ended, how, grounds });
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
        }
    }

    fn list(record: &mut ListingRecord, at: Timestamp, offset: u64) -> Span {
        let prefix = Prefix::host("192.0.2.99".parse::<Relay>().unwrap());
        record.complete(prefix, grounds(at, offset), Digest::of(b"policy"), &terms());
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
