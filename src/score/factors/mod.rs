//! What one report weighs: a product of factors, one file each.

mod authentication;
mod cause;
mod donor;
mod injector;
mod kind;
mod manners;
mod relation;
mod sender;
mod way;

use super::{Mark, Weights};

/// One reason to weigh a report more or less.
pub struct Factor {
    pub name: &'static str,
    /// What it guards against, for whoever reads an explanation.
    pub why: &'static str,
    /// At most 1,000.
    pub thousandths: fn(&Mark, &Weights) -> u32,
}

/// Whether a report weighs anything.
pub fn weighs(mark: &Mark, weights: &Weights) -> bool {
    FACTORS.iter().all(|factor| (factor.thousandths)(mark, weights) > 0)
}

/// A report weighs the product; one of nothing makes it count for nothing.
pub const FACTORS: &[Factor] = &[
    kind::FACTOR,
    relation::FACTOR,
    cause::FACTOR,
    sender::FACTOR,
    injector::FACTOR,
    authentication::FACTOR,
    manners::FACTOR,
    way::FACTOR,
    donor::FACTOR,
];
