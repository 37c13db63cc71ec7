//! The `[listing]` table of a zone's file: the duration of listings.

use serde::{Deserialize, Serialize};

use super::{ListingEnd, PastListing};
use crate::complaint::Complaints;
use crate::time::{Span, Timestamp};

/// The maximum duration of a listing without new evidence.
const DURATION_MAX: Span = Span::from_days(28);

/// The `[listing]` table as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingTermsSpec {
    /// The duration of the first listing, the second one, and so on. The last value applies to
    /// every further listing.
    pub durations: Vec<Span>,
    /// How far back earlier listings count.
    pub repeat_window: Span,
}

/// A checked [`ListingTermsSpec`]. The fields have the same meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingTerms {
    /// See [`ListingTermsSpec::durations`].
    pub durations: Vec<Span>,
    /// See [`ListingTermsSpec::repeat_window`].
    pub repeat_window: Span,
}

impl ListingTermsSpec {
    /// Checks the table and converts it. Problems are added to `complaints`.
    pub fn check(&self, complaints: &mut Complaints) -> ListingTerms {
        let sound = !self.durations.is_empty()
            && self.durations.is_sorted()
            && self.durations.iter().all(|&d| d > Span::ZERO && d <= DURATION_MAX);
        complaints.require(
            sound,
            "listing.durations",
            "the durations must be in ascending order and none may exceed 28d",
            "write for example [\"3d\", \"7d\", \"14d\", \"28d\"]",
        );
        ListingTerms { durations: self.durations.clone(), repeat_window: self.repeat_window }
    }
}

impl ListingTerms {
    /// The duration of a listing that starts now. The duration depends on the number of listings
    /// within the repeat window. The duration is doubled if the last listing ended by removal, but
    /// never exceeds the longest duration.
    pub fn duration(&self, past: &[PastListing], now: Timestamp) -> Span {
        let oldest = now.minus(self.repeat_window);
        let times = self.repeats(past, now) as usize;
        let longest = self.durations.last().copied().unwrap_or(DURATION_MAX);
        let span = self.durations.get(times).copied().unwrap_or(longest);
        // What was never public prolongs nothing.
        let last = past.iter().rfind(|past| past.published.is_some());
        let removed = last.is_some_and(|last| last.how == ListingEnd::Removed && last.ended >= oldest);
        if removed { span.doubled().min(longest) } else { span }
    }

    /// The number of past listings that were public, began within the repeat window, and expired or ended
    /// by removal. Listings that ended because of an exemption, a changed zone or voided evidence do
    /// not count.
    pub fn repeats(&self, past: &[PastListing], now: Timestamp) -> u32 {
        let oldest = now.minus(self.repeat_window);
        let counts = |past: &&PastListing| {
            past.published.is_some()
                && past.since >= oldest
                && matches!(past.how, ListingEnd::Expired | ListingEnd::Removed)
        };
        u32::try_from(past.iter().filter(counts).count()).unwrap_or(u32::MAX)
    }
}
