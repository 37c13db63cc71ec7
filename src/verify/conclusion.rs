//! What the replies of a host show, and what the findings about several hosts show together.
//!
//! Both functions are tables; docs/JUDGING.md ("Verification") has them row by row. A doubt is
//! decided for the relay: it is no answer, or a veto that shows no repair.

use std::net::IpAddr;

use super::finding::{Finding, HostFinding, Unanswered};
use super::stance::RecipientStance;
use crate::relay::Relay;

/// How many made-up names are asked about.
pub(super) const NAMES: usize = 2;

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
    // Nobody can deliver anything through a host that nobody can connect to. A host of an address
    // family that this machine lacks is mostly the same server as one that was asked.
    let is_closed = |finding| {
        use Unanswered::{NotConfigured, SpecialPurpose, Unreachable};
        matches!(
            finding,
            Finding::RefusesUnknown | Finding::NoAnswer(Unreachable | SpecialPurpose | NotConfigured)
        )
    };
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
        let (private, other_family, opted_out) = (
            Finding::NoAnswer(Unanswered::SpecialPurpose),
            Finding::NoAnswer(Unanswered::NotConfigured),
            Finding::NoAnswer(Unanswered::OptedOut),
        );
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
            (vec![(first, refuses), (second, private)], refuses),
            (vec![(first, refuses), (second, other_family)], refuses),
            (vec![(first, refuses), (second, opted_out)], unclear),
            (vec![(first, refuses), (second, later)], unclear),
            (vec![(first, refuses), (second, unclear)], unclear),
            (vec![(first, unclear), (second, down)], unclear),
            (vec![(first, later), (second, unclear)], unclear),
            (vec![(first, later), (second, down)], later),
            (vec![], Finding::NoAnswer(Unanswered::NoExchanger)),
        ] {
            let found: Vec<HostFinding> = hosts
                .iter()
                .map(|&(host, finding)| HostFinding::not_asked(host.parse().unwrap(), finding))
                .collect();
            assert_eq!(together(relay, &found), expected, "{hosts:?}");
            let decided = hosts.iter().any(|&(host, finding)| host == own || finding == takes);
            assert_eq!(is_decided(relay, &found), decided, "{hosts:?}");
        }
    }
}
