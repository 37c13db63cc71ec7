//! The place of one inquiry in the schedule.

use super::inquiry::Inquiry;
use super::relation::organisation;
use crate::digest::Digest;
use crate::relay::Prefix;

/// By what the schedule knows an inquiry and shares its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The id of the evidence.
    pub(super) evidence: Digest,
    /// The look-up group of the relay.
    pub(super) group: Prefix,
    /// The organisation of the failed recipient's domain; empty if the report names no domain.
    pub(super) organisation: String,
    /// Whether nothing was asked about the evidence yet.
    pub(super) is_first: bool,
    /// Whether the inquiry runs in one of the slots for those behind the others.
    pub(super) is_behind: bool,
}

impl Place {
    /// The place of an inquiry. `is_first` is whether nothing was asked about the evidence yet.
    pub(super) fn of(inquiry: &Inquiry, is_first: bool) -> Self {
        let domain = inquiry.domain.as_deref().unwrap_or_default();
        let organisation = match organisation(Some(domain)) {
            // A name without a registered domain, such as a single label, stands for itself.
            none if none.is_empty() => domain.to_ascii_lowercase(),
            known => known,
        };
        Place {
            evidence: inquiry.evidence,
            group: inquiry.relay.lookup_group(),
            organisation,
            is_first,
            is_behind: false,
        }
    }
}
