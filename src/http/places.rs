//! Limits on costly requests that are served at one time.

use std::sync::Arc;

use dashmap::DashSet;
use tokio::sync::Semaphore;

use crate::trap::Donor;

/// Maximum number of messages that are classified at one time; 503 beyond.
pub(super) const CLASSIFIED_AT_ONCE_MAX: usize = 8;
/// Maximum number of submitted messages that are received at one time; 503 beyond.
const REPORTS_AT_ONCE_MAX: usize = 16;
/// Maximum number of donors' trap lists that are imported at one time; 503 beyond.
const DONORS_LISTS_AT_ONCE_MAX: usize = 4;
/// The operator imports one trap list at a time, independent of donors.
const OPERATORS_LISTS_AT_ONCE_MAX: usize = 1;
/// Maximum number of trap listings that are sent at one time; 503 beyond.
const LISTINGS_AT_ONCE_MAX: usize = 8;

/// The places for costly requests. A request that finds no free place is refused.
pub struct RequestPlaces {
    /// For messages that are classified.
    pub(super) classified: Semaphore,
    /// For messages that donors submit.
    pub(super) reports: Semaphore,
    /// For trap lists that donors send.
    pub(super) donors_lists: Semaphore,
    /// For trap lists that the operator sends.
    pub(super) operators_lists: Semaphore,
    /// For trap listings that are sent.
    pub(super) listings: Arc<Semaphore>,
    /// Donors with a trap list that is being imported.
    feeding: DashSet<Donor>,
}

impl RequestPlaces {
    /// The turn of a donor, as long as the result is kept; `None` if it is the donor's turn
    /// already. Two concurrent trap lists of a donor would both be checked against the same
    /// remaining quota.
    pub(super) fn turn_of(&self, donor: &Donor) -> Option<DonorTurn<'_>> {
        let begun = self.feeding.insert(donor.clone());
        begun.then(|| DonorTurn { feeding: &self.feeding, donor: donor.clone() })
    }
}

impl Default for RequestPlaces {
    fn default() -> Self {
        RequestPlaces {
            classified: Semaphore::new(CLASSIFIED_AT_ONCE_MAX),
            reports: Semaphore::new(REPORTS_AT_ONCE_MAX),
            donors_lists: Semaphore::new(DONORS_LISTS_AT_ONCE_MAX),
            operators_lists: Semaphore::new(OPERATORS_LISTS_AT_ONCE_MAX),
            listings: Arc::new(Semaphore::new(LISTINGS_AT_ONCE_MAX)),
            feeding: DashSet::new(),
        }
    }
}

/// The turn of one donor to have a trap list imported. It ends when this is dropped.
pub(super) struct DonorTurn<'a> {
    feeding: &'a DashSet<Donor>,
    donor: Donor,
}

impl Drop for DonorTurn<'_> {
    fn drop(&mut self) {
        self.feeding.remove(&self.donor);
    }
}
