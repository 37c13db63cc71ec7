//! Scoring: the counted reports against each relay, their weights, and the rules for a listing.
//!
//! A [`Ledger`] contains the counted reports against one relay within the horizon, each as a
//! [`CountedReport`]. A [`Case`] is the part of a ledger that may count towards the next listing. The
//! [`FACTORS`] determine the weight of each counted report, and the reports of one burst weigh as
//! one. The [`RULES`] judge the case.

mod case;
mod counted_report;
mod factors;
mod ledger;
mod organisation;
mod points;
mod policy;
mod power;
mod quorum;
mod quorum_rule;
mod relation;
mod rules;
mod verification_mode;
mod verified;
mod weight_factor;
mod weights;

pub use case::{Case, CaseWindow, TrapDomainSum};
pub use counted_report::{CountedReport, ReportSource};
pub use factors::{FACTORS, weighs};
pub use ledger::{BURST_MARKS_MAX, Ledger, LedgerAddition, MARKS_MAX};
pub use organisation::{short_domain, short_organisation};
pub use points::Points;
pub use policy::{Policy, PolicySpec};
pub use power::decay;
pub use quorum::{Quorum, QuorumWithoutInjector};
pub use quorum_rule::{QuorumRule, RuleFinding};
pub use relation::{DnsRelation, FailedAt, Relation, relation_of};
pub use rules::{RULES, findings, is_made};
pub use verification_mode::VerificationMode;
pub use verified::VerifiedDomains;
pub use weight_factor::WeightFactor;
pub use weights::{Weights, WeightsSpec};
