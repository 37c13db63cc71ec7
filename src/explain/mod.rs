//! Explanations: how the evidence against an address led to its listing, rule by rule. The figures
//! are sufficient to recompute every result by hand.

mod build;
mod letters;
mod lookup;
mod model;
mod notice;
mod text;

pub use build::explain;
pub use lookup::{hold_of, record_of};
pub use model::{
    CodeExplanation, EvidenceExplanation, Explanation, FactorExplanation, HoldExplanation,
    ListingExplanation, PastExplanation, RuleExplanation, ScoreExplanation, TrapDomainExplanation,
    ZoneExplanation,
};
pub use notice::{NoticeEnvelope, notice};
