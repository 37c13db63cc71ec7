//! What is published of a listing.

use minicbor::{Decode, Encode};

use super::{Criterion, Listing};
use crate::digest::Digest;
use crate::relay::Prefix;
use crate::time::Timestamp;

/// A listing as the public sees it. It changes only at slots, but it ends at once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublishedListing {
    /// The published address or, by decision of the operator, IPv6 /64.
    #[n(0)]
    pub prefix: Prefix,
    /// The slot at which the listing was published.
    #[n(1)]
    pub since: Timestamp,
    /// When the listing ends.
    #[n(2)]
    pub until: Timestamp,
    /// The digest of the zone file whose policy was applied.
    #[n(3)]
    pub policy: Digest,
    /// Whether the listing is based on evidence or on a decision.
    #[n(4)]
    pub criterion: Criterion,
    /// What else is shown with the listing.
    #[n(5)]
    pub shown: ShownWithListing,
}

/// What is shown with a listing besides its code and its terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ShownWithListing {
    /// The confidence, in percent.
    #[n(0)]
    pub confidence: u8,
    /// The codes that are returned with the code of the listing, as bits.
    #[n(1)]
    pub beside: u8,
    /// The months in which the first and the last report of the case were seen, if they are known. A
    /// more precise time would tell which report completed the case.
    #[n(2)]
    pub reported: Option<(Timestamp, Timestamp)>,
}

impl PublishedListing {
    /// What is published of a listing at a slot.
    pub(super) fn of(listing: &Listing, since: Timestamp, shown: ShownWithListing) -> Self {
        PublishedListing {
            prefix: listing.prefix,
            since,
            until: listing.until,
            policy: listing.policy,
            criterion: listing.grounds.criterion,
            shown,
        }
    }
}
