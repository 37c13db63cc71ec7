//! What the replies of a host show, and what the findings about several hosts show together.
//!
//! Both functions are tables; docs/JUDGING.md ("Verification") has them row by row. A doubt is
//! decided for the relay: it is no answer, or a veto that shows no repair.

use std::net::IpAddr;

use super::stance::RecipientStance;
use crate::relay::Relay;

/// How many made-up names are asked about.
pub(super) const NAMES: usize = 2;

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
    /// Verification has no address of its own to ask from, for the host's address family.
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
}

/// What a host replied in one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostReplies {
    /// The reply about postmaster, the control.
    pub control: Option<RecipientStance>,
    /// The replies about the made-up names.
    pub names: [Option<RecipientStance>; NAMES],
    /// Why the dialogue ended before its last question.
    pub ended: Option<Unanswered>,
}

/// What was found about a relay's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
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
            Unanswered::NotConfigured => "verify.addresses has no address of this family",
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
        }
    }
}

impl HostReplies {
    /// A host that was not asked, or that gave no reply.
    pub fn none(ended: Unanswered) -> Self {
        HostReplies { ended: Some(ended), ..HostReplies::default() }
    }

    /// What the replies show.
    pub fn finding(&self) -> Finding {
        use RecipientStance::{Forbidden, Refused, RelayDenied, Taken, Unknown};
        let any = |stance| self.names.contains(&Some(stance));
        let is_control_taken = self.control == Some(Taken);
        if any(Unknown) && !any(Taken) && is_control_taken {
            return Finding::RefusesUnknown;
        }
        if any(Unknown) || any(RelayDenied) || any(Refused) || (any(Forbidden) && is_control_taken) {
            return Finding::Refuses;
        }
        if self.names == [Some(Taken); NAMES] {
            let why = Finding::NoAnswer(Unanswered::Contradiction);
            return if is_control_taken { Finding::TakesAll } else { why };
        }
        if self.control == Some(RelayDenied) && !any(Taken) {
            return Finding::Refuses;
        }
        Finding::NoAnswer(self.unanswered())
    }

    /// Why the replies say nothing.
    fn unanswered(&self) -> Unanswered {
        use RecipientStance::{AboutUs, Deferred, Forbidden, Nonsense};
        let any = |stance| self.control == Some(stance) || self.names.contains(&Some(stance));
        if any(AboutUs) || any(Forbidden) {
            Unanswered::AboutUs
        } else if any(Deferred) {
            Unanswered::Deferred
        } else if any(Nonsense) {
            Unanswered::Nonsense
        } else {
            self.ended.unwrap_or(Unanswered::Closed)
        }
    }
}

/// Whether the findings so far decide, so that no further host need be asked: one is about the relay
/// itself, or one host takes every recipient.
pub(super) fn is_decided(relay: Relay, hosts: &[HostFinding]) -> bool {
    hosts.iter().any(|host| is_own(relay, host.host) || host.finding == Finding::TakesAll)
}

/// What the findings about the hosts of a domain show together.
pub(super) fn together(relay: Relay, hosts: &[HostFinding]) -> Finding {
    if let Some(own) = hosts.iter().find(|host| is_own(relay, host.host)) {
        return own.finding;
    }
    let any = |finding| hosts.iter().any(|host| host.finding == finding);
    if any(Finding::TakesAll) {
        return Finding::TakesAll;
    }
    // Nobody can deliver anything through a host that nobody can connect to.
    let is_closed =
        |finding| matches!(finding, Finding::RefusesUnknown | Finding::NoAnswer(Unanswered::Unreachable));
    if any(Finding::RefusesUnknown) && hosts.iter().all(|host| is_closed(host.finding)) {
        return Finding::RefusesUnknown;
    }
    if hosts.iter().any(|host| host.finding.is_veto()) {
        return Finding::Refuses;
    }
    hosts.first().map_or(Finding::NoAnswer(Unanswered::NoExchanger), |host| host.finding)
}

fn is_own(relay: Relay, host: IpAddr) -> bool {
    Relay::new(host) == relay
}

#[cfg(test)]
mod tests {
    use super::RecipientStance::{
        AboutUs, Deferred, Forbidden, Nonsense, Refused, RelayDenied, Taken, Unknown,
    };
    use super::*;

    #[test]
    fn the_table_of_one_host() {
        let no = Finding::NoAnswer;
        for (control, names, expected) in [
            (Some(Taken), [Some(Unknown), Some(Unknown)], Finding::RefusesUnknown),
            (Some(Taken), [Some(Unknown), Some(Deferred)], Finding::RefusesUnknown),
            (Some(Taken), [Some(Deferred), Some(Unknown)], Finding::RefusesUnknown),
            (Some(Taken), [Some(Unknown), None], Finding::RefusesUnknown),
            (Some(Taken), [Some(Unknown), Some(RelayDenied)], Finding::RefusesUnknown),
            (Some(Taken), [Some(Unknown), Some(Taken)], Finding::Refuses),
            (Some(Taken), [Some(Taken), Some(Unknown)], Finding::Refuses),
            (Some(Taken), [Some(Refused), Some(Refused)], Finding::Refuses),
            (Some(Taken), [Some(RelayDenied), Some(RelayDenied)], Finding::Refuses),
            (Some(Taken), [Some(Forbidden), Some(Forbidden)], Finding::Refuses),
            (Some(Unknown), [Some(Unknown), Some(Unknown)], Finding::Refuses),
            (Some(Deferred), [Some(Unknown), Some(Unknown)], Finding::Refuses),
            (Some(RelayDenied), [Some(RelayDenied), Some(RelayDenied)], Finding::Refuses),
            (Some(RelayDenied), [None, None], Finding::Refuses),
            (Some(Refused), [Some(Refused), Some(Refused)], Finding::Refuses),
            (Some(Taken), [Some(Taken), Some(Taken)], Finding::TakesAll),
            (Some(Unknown), [Some(Taken), Some(Taken)], no(Unanswered::Contradiction)),
            (Some(RelayDenied), [Some(Taken), Some(Taken)], no(Unanswered::Contradiction)),
            (Some(Deferred), [Some(Taken), Some(Taken)], no(Unanswered::Contradiction)),
            (Some(Taken), [Some(Taken), Some(Deferred)], no(Unanswered::Deferred)),
            (Some(Taken), [Some(Deferred), Some(Deferred)], no(Unanswered::Deferred)),
            (Some(Deferred), [Some(Deferred), Some(Deferred)], no(Unanswered::Deferred)),
            (Some(AboutUs), [None, None], no(Unanswered::AboutUs)),
            (Some(Taken), [Some(AboutUs), Some(AboutUs)], no(Unanswered::AboutUs)),
            (Some(Taken), [Some(Taken), Some(AboutUs)], no(Unanswered::AboutUs)),
            (Some(Forbidden), [Some(Forbidden), Some(Forbidden)], no(Unanswered::AboutUs)),
            (Some(Taken), [Some(Nonsense), Some(Taken)], no(Unanswered::Nonsense)),
            (Some(Taken), [Some(Taken), None], no(Unanswered::Closed)),
            (Some(Unknown), [None, None], no(Unanswered::Closed)),
            (None, [None, None], no(Unanswered::Closed)),
        ] {
            let replies = HostReplies { control, names, ended: None };
            assert_eq!(replies.finding(), expected, "{control:?} {names:?}");
        }
        assert_eq!(HostReplies::none(Unanswered::TimedOut).finding(), no(Unanswered::TimedOut));
    }

    /// However the rest of a session goes: a name that was refused as unknown is a veto.
    #[test]
    fn what_refuses_a_made_up_name_is_never_without_a_veto() {
        let all = [Taken, Unknown, RelayDenied, Refused, Forbidden, AboutUs, Deferred, Nonsense];
        let all = || all.map(Some).into_iter().chain([None]);
        for control in all() {
            for other in all() {
                for names in [[Some(Unknown), other], [other, Some(Unknown)]] {
                    for ended in [None, Some(Unanswered::Closed), Some(Unanswered::Deferred)] {
                        let finding = HostReplies { control, names, ended }.finding();
                        assert!(finding.is_veto(), "{control:?} {names:?} {ended:?}");
                        assert!(!finding.shows_repair() || (control == Some(Taken) && other != Some(Taken)));
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_of_several_hosts() {
        let relay: Relay = "9.9.8.25".parse().unwrap();
        let (own, first, second) = ("9.9.8.25", "9.9.8.1", "9.9.8.2");
        let (down, later) =
            (Finding::NoAnswer(Unanswered::Unreachable), Finding::NoAnswer(Unanswered::Deferred));
        let (refuses, unclear, takes) = (Finding::RefusesUnknown, Finding::Refuses, Finding::TakesAll);
        for (hosts, expected) in [
            (vec![(own, refuses)], refuses),
            (vec![(own, refuses), (first, takes)], refuses),
            (vec![(own, takes), (first, refuses)], takes),
            (vec![(own, later), (first, takes)], later),
            (vec![(first, refuses), (second, refuses)], refuses),
            (vec![(first, refuses), (second, takes)], takes),
            (vec![(first, later), (second, takes)], takes),
            (vec![(first, refuses), (second, down)], refuses),
            (vec![(first, down), (second, refuses)], refuses),
            (vec![(first, refuses), (second, later)], unclear),
            (vec![(first, refuses), (second, unclear)], unclear),
            (vec![(first, unclear), (second, down)], unclear),
            (vec![(first, later), (second, unclear)], unclear),
            (vec![(first, later), (second, down)], later),
            (vec![], Finding::NoAnswer(Unanswered::NoExchanger)),
        ] {
            let found: Vec<HostFinding> = hosts
                .iter()
                .map(|&(host, finding)| HostFinding {
                    host: host.parse().unwrap(),
                    finding,
                    replies: Vec::new(),
                })
                .collect();
            assert_eq!(together(relay, &found), expected, "{hosts:?}");
            let decided = hosts.iter().any(|&(host, finding)| host == own || finding == takes);
            assert_eq!(is_decided(relay, &found), decided, "{hosts:?}");
        }
    }
}
