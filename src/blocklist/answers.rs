//! The answers of relays' sides, as the fold's state keeps them.

use minicbor::{Decode, Encode};

use crate::evidence::{AskedHost, Offset, VerificationAnswer};
use crate::time::{Span, Timestamp};

/// The last answer of a relay's side about one registered domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RelayAnswer {
    /// The domain of the made-up recipients.
    #[n(0)]
    pub domain: String,
    /// The last answer that decided; [`VerificationAnswer::NoAnswer`] if there was none.
    #[n(1)]
    pub answer: VerificationAnswer,
    /// When that answer was given: when the first of its sessions ended.
    #[n(2)]
    pub answered: Timestamp,
    /// The entry with that answer.
    #[n(3)]
    pub entry: Offset,
    /// When the relay's side was last asked.
    #[n(4)]
    pub asked: Timestamp,
    /// The SMTP reply that decided.
    #[n(5)]
    pub reply: String,
    /// The sessions of the last time.
    #[n(6)]
    #[cbor(default)]
    pub sessions: Vec<AskedHost>,
}

impl RelayAnswer {
    /// Whether the answer excludes the reports about its domain at a time.
    pub fn vetoes(&self, now: Timestamp, horizon: Span) -> bool {
        self.answer.is_veto() && self.answered >= now.minus(horizon)
    }
}
