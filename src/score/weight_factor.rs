//! One factor of a report's weight.

use super::{CountedReport, Weights};

/// One factor of a report's weight.
pub struct WeightFactor {
    /// The name of the factor, as in the JSON form of an explanation. Its file has the same name.
    pub name: &'static str,
    /// What the factor judges, for text.
    pub term: &'static str,
    /// The reason for the factor, for people.
    pub why: &'static str,
    /// The value of the factor in thousandths; at most 1,000.
    pub thousandths: fn(&CountedReport, &Weights) -> u32,
    /// Why this report weighs less than a whole one, for the operator who reads an explanation.
    pub less: fn(&CountedReport) -> String,
}
