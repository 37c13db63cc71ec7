//! The answers of a relay's side to questions about made-up recipients.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use crate::digest::{Digest, Digester};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};

/// The maximum number of octets that are kept of an SMTP reply.
pub const REPLY_OCTETS_MAX: usize = 200;
/// The maximum number of hosts that are asked about one domain, and that an entry names.
pub const ASKED_HOSTS_MAX: usize = 8;
/// A host is asked about a domain at most once in this time (RFC 6471 §3.6.3). Until then, its last
/// answer counts for every relay that it is asked about.
pub const ASK_AGAIN_AFTER: Span = Span::from_days(1);

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
    /// The sessions that gave the answer, at most [`ASKED_HOSTS_MAX`]. After a restart they tell which
    /// hosts must not be asked again yet.
    #[n(6)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub sessions: Vec<AskedHost>,
}

/// One session with one host.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AskedHost {
    /// The host.
    #[n(0)]
    pub host: IpAddr,
    /// When the session ended.
    #[n(1)]
    pub ended: Timestamp,
    /// What the host's replies showed.
    #[n(2)]
    pub answer: VerificationAnswer,
    /// Whether no connection to the host could be opened.
    #[n(3)]
    #[cbor(default)]
    pub is_unreachable: bool,
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
        Verification { id: digester.digest(), relay, domain, asked, answer, reply, sessions: Vec::new() }
    }

    /// The same answer, with the sessions that gave it.
    pub fn by_sessions(self, mut sessions: Vec<AskedHost>) -> Self {
        sessions.truncate(ASKED_HOSTS_MAX);
        Verification { sessions, ..self }
    }

    /// When the answer was given, if it is entered at a time: when the first of its sessions ended, at
    /// most [`ASK_AGAIN_AFTER`] before. Without a session, it is that time itself.
    pub fn given_at(&self, entered: Timestamp) -> Timestamp {
        let first = self.sessions.iter().map(|session| session.ended).min();
        first.map_or(entered, |first| first.clamp(entered.minus(ASK_AGAIN_AFTER), entered))
    }
}
