//! What a verification finds out.

use std::net::IpAddr;

use crate::time::Timestamp;

/// What a host, or the hosts of a domain, do with recipients that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// They refuse them and take postmaster. It is a veto, and a sign that a relay was repaired.
    RefusesUnknown,
    /// They refuse them, but it is not clear that the address is the reason. It is a veto.
    Refuses,
    /// They take every recipient. It is no veto, and no evidence either.
    TakesAll,
    /// They were not asked, or their answer says nothing. They may be asked again on another day.
    NoAnswer(Unanswered),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unanswered {
    /// This machine has no usable address to ask from, for the host's address family.
    NotConfigured,
    /// The operator of the list was asked not to ask this network, or the host is our own.
    OptedOut,
    /// The host's address is special-purpose (RFC 6890).
    SpecialPurpose,
    /// The DNS gave no answer about the mail exchangers.
    NoDns,
    /// The domain has no mail exchanger.
    NoExchanger,
    /// The host cannot be connected to.
    Unreachable,
    /// A reply, or the whole session, took too long.
    TimedOut,
    /// The host closed the connection too early.
    Closed,
    /// The host puts the decision off, as greylisting does.
    Deferred,
    /// The host refuses the client or the null reverse-path.
    AboutUs,
    /// The host's replies make no sense, or exceed a limit.
    Nonsense,
    /// The host takes made-up names and does not take postmaster.
    Contradiction,
    /// The session was given up, because nobody waited for its result.
    GivenUp,
    /// The host gave no answer that decides earlier within the day, before this process began.
    Earlier,
}

/// What was found about a relay's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFinding {
    /// What the hosts show together.
    pub finding: Finding,
    /// The hosts that were asked, in this order.
    pub hosts: Vec<HostFinding>,
}

/// What was found about one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFinding {
    /// The host.
    pub host: IpAddr,
    /// What its replies show.
    pub finding: Finding,
    /// The replies about recipients, and the reply that ended the dialogue. The host wrote them.
    pub replies: Vec<String>,
    /// When the session with the host ended; `None` if there was none.
    pub ended: Option<Timestamp>,
}

impl HostFinding {
    /// A host with which there was no session.
    pub const fn not_asked(host: IpAddr, finding: Finding) -> Self {
        HostFinding { host, finding, replies: Vec::new(), ended: None }
    }
}

impl Finding {
    /// Whether the finding forbids to list the relay.
    pub const fn is_veto(self) -> bool {
        matches!(self, Finding::RefusesUnknown | Finding::Refuses)
    }

    /// Whether the finding shows that a listed relay was repaired.
    pub const fn shows_repair(self) -> bool {
        matches!(self, Finding::RefusesUnknown)
    }

    /// The name in JSON and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Finding::RefusesUnknown => "refuses-unknown",
            Finding::Refuses => "refuses",
            Finding::TakesAll => "takes-all",
            Finding::NoAnswer(_) => "no-answer",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Finding::RefusesUnknown => "it refuses recipients that do not exist",
            Finding::Refuses => "it refuses the recipients that were asked about",
            Finding::TakesAll => "it takes recipients that do not exist",
            Finding::NoAnswer(why) => return write!(f, "no answer: {}", why.text()),
        })
    }
}

impl Unanswered {
    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Unanswered::NotConfigured => "verify.addresses has no usable address of this family",
            Unanswered::OptedOut => "the host must not be asked (verify.opt_out), or it is this server",
            Unanswered::SpecialPurpose => "the host has a special-purpose address (RFC 6890)",
            Unanswered::NoDns => "the DNS did not answer",
            Unanswered::NoExchanger => "the domain has no mail exchanger",
            Unanswered::Unreachable => "the host cannot be connected to",
            Unanswered::TimedOut => "the host took too long",
            Unanswered::Closed => "the host closed the connection",
            Unanswered::Deferred => "the host puts the decision off",
            Unanswered::AboutUs => "the host refuses our client",
            Unanswered::Nonsense => "the replies of the host make no sense",
            Unanswered::Contradiction => "the host takes made-up names and refuses postmaster",
            Unanswered::GivenUp => "the session was given up",
            Unanswered::Earlier => "the host gave no answer earlier within the day",
        }
    }
}
