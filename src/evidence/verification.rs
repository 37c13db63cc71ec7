//! The answers of a relay's side to questions about made-up recipients.

use minicbor::{Decode, Encode};

use crate::digest::{Digest, Digester};
use crate::relay::Relay;
use crate::time::Timestamp;

/// The maximum number of octets that are kept of an SMTP reply.
pub const REPLY_OCTETS_MAX: usize = 200;

/// What the relay's side said when it was asked about made-up recipients in one domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Verification {
    /// The id of the entry; a repeated append has the same id.
    #[n(0)]
    pub id: Digest,
    /// The relay that is to be listed, or is listed.
    #[n(1)]
    pub relay: Relay,
    /// The domain of the made-up recipients.
    #[n(2)]
    pub domain: String,
    /// The hosts that were asked.
    #[n(3)]
    pub asked: AskedSide,
    /// What they answered.
    #[n(4)]
    pub answer: VerificationAnswer,
    /// The SMTP reply that decided, cut at [`REPLY_OCTETS_MAX`].
    #[n(5)]
    pub reply: String,
}

/// The hosts that are asked about a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AskedSide {
    /// The mail exchangers of the domain. The relay's own name lies in the organisation of that
    /// domain, so the exchangers are of the same organisation.
    #[n(0)]
    Exchangers,
    /// The relay itself, because only records of the domain lead to it.
    #[n(1)]
    Relay,
}

/// The answer about the made-up recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum VerificationAnswer {
    /// No host gave an answer that decides. The question is asked again on a later day.
    #[n(0)]
    NoAnswer,
    /// A host takes mail for recipients that do not exist.
    #[n(1)]
    TakesAll,
    /// The hosts take mail for the domain, and refuse recipients that do not exist.
    #[n(2)]
    RefusesUnknown,
    /// The hosts refuse the recipients, and it is not clear that they do so because these do not exist.
    #[n(3)]
    RefusesAll,
    /// The operators of the relay asked not to be asked. Only a confirmed relation counts then.
    #[n(4)]
    OptedOut,
}

impl VerificationAnswer {
    /// Whether the answer is a veto: the relay is not listed for failures in this domain.
    pub const fn is_veto(self) -> bool {
        matches!(self, VerificationAnswer::RefusesUnknown | VerificationAnswer::RefusesAll)
    }

    /// The name in JSON and in text.
    pub const fn name(self) -> &'static str {
        match self {
            VerificationAnswer::NoAnswer => "no answer",
            VerificationAnswer::TakesAll => "takes all recipients",
            VerificationAnswer::RefusesUnknown => "refuses unknown recipients",
            VerificationAnswer::RefusesAll => "refuses the recipients that were asked about",
            VerificationAnswer::OptedOut => "must not be asked",
        }
    }
}

impl Verification {
    /// The answer that a relay's side gave at a time.
    pub fn new(
        relay: Relay,
        domain: String,
        asked: AskedSide,
        (answer, reply): (VerificationAnswer, &str),
        at: Timestamp,
    ) -> Self {
        let mut digester = Digester::default();
        digester.add(b"verification").add(relay.to_string().as_bytes()).add(domain.as_bytes());
        digester.add(&at.milliseconds().to_be_bytes());
        let reply = reply[..reply.floor_char_boundary(REPLY_OCTETS_MAX)].to_owned();
        Verification { id: digester.digest(), relay, domain, asked, answer, reply }
    }
}
