//! The factors of a report's weight, one file each. The weight is their product, times the decay
//! with age.

mod authentication;
mod cause;
mod channel;
mod donor;
mod injector;
mod kind;
mod relation;
mod rfc3834;
mod sender;

use super::{CountedReport, Weights};

/// One factor of a report's weight.
pub struct WeightFactor {
    /// The name of the factor, as in the JSON form of an explanation.
    pub name: &'static str,
    /// The reason for the factor, in words.
    pub why: &'static str,
    /// The value of the factor in thousandths; at most 1,000.
    pub thousandths: fn(&CountedReport, &Weights) -> u32,
}

/// Whether a report has any weight: whether no factor is zero.
pub fn weighs(mark: &CountedReport, weights: &Weights) -> bool {
    FACTORS.iter().all(|factor| (factor.thousandths)(mark, weights) > 0)
}

/// All factors. If one of them is zero, the report does not count.
pub const FACTORS: &[WeightFactor] = &[
    kind::FACTOR,
    relation::FACTOR,
    cause::FACTOR,
    sender::FACTOR,
    injector::FACTOR,
    authentication::FACTOR,
    rfc3834::FACTOR,
    channel::FACTOR,
    donor::FACTOR,
];
