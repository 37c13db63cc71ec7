//! The factors of a report's weight, one file each. The weight is their product, times the decay
//! with age. Every text about a factor comes from its row in [`FACTORS`].

mod authentication;
mod author;
mod cause;
mod channel;
mod donor;
mod injector;
mod kind;
mod original_sender;
mod relation;
mod rfc3834;

use super::{CountedReport, WeightFactor, Weights};

/// All factors. If one of them is zero, the report does not count.
pub const FACTORS: &[WeightFactor] = &[
    kind::FACTOR,
    author::FACTOR,
    relation::FACTOR,
    cause::FACTOR,
    original_sender::FACTOR,
    injector::FACTOR,
    authentication::FACTOR,
    rfc3834::FACTOR,
    channel::FACTOR,
    donor::FACTOR,
];

/// Whether a report has any weight: whether no factor is zero.
pub fn weighs(mark: &CountedReport, weights: &Weights) -> bool {
    FACTORS.iter().all(|factor| (factor.thousandths)(mark, weights) > 0)
}
