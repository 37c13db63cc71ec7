//! Listings: the relay, the code, the grounds and the end of each.

mod code;
mod grounds;
mod guards;
mod published;
mod record;
mod slots;
mod terms;

pub use code::{CodeBasis, ReturnCode, ReturnCodeSpec};
pub use grounds::{Criterion, ListingGrounds};
pub use guards::GuardLimits;
pub use published::{PublishedListing, ShownWithListing};
pub use record::ListingRecord;
pub use slots::PublicationSlots;
pub use terms::{ListingTerms, ListingTermsSpec};

use minicbor::{Decode, Encode};

use crate::digest::Digest;
use crate::relay::Prefix;
use crate::score::Points;
use crate::time::Timestamp;

/// A listing: an address that is listed under a code. Every listing has an end. What the public sees of
/// it is a [`PublishedListing`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Listing {
    /// The published address or, by decision of the operator, IPv6 /64.
    #[n(0)]
    pub prefix: Prefix,
    /// When the listing began: the slot at which it was published or, before that, when it was decided.
    #[n(1)]
    pub since: Timestamp,
    /// When the listing ends. The publication of a new listing or of an extension moves it to a slot.
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
    /// The grounds of the listing. The grounds are kept so that the listing can be dropped from the
    /// record if its evidence is voided later.
    #[n(3)]
    pub grounds: ListingGrounds,
    /// The slot at which the listing was published; `None` if it ended before.
    #[n(4)]
    pub published: Option<Timestamp>,
}

/// Why a listing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ListingEnd {
    /// The end of the listing was reached.
    #[n(0)]
    Expired,
    /// The relay was removed.
    #[n(1)]
    Removed,
    /// The zone's file no longer permits the listing, or the zone is no longer published.
    #[n(2)]
    Withdrawn,
    /// The evidence of the listing was voided, and the rest does not satisfy the rules.
    #[n(3)]
    Voided,
    /// The operator exempted the address.
    #[n(4)]
    Exempted,
    /// The relay's side has begun to refuse recipients that do not exist.
    #[n(5)]
    Repaired,
    /// The case satisfied the rules no longer when the listing was to become public.
    #[n(6)]
    Dropped,
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
            ListingEnd::Repaired => "repaired",
            ListingEnd::Dropped => "dropped",
        }
    }
}
