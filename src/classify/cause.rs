//! Why delivery failed, as far as it tells who is to blame.

use minicbor::{Decode, Encode};

use crate::mail::Status;

/// What a failure was about (RFC 3463 §3).
///
/// A server that takes mail for names it doesn't know fails for the address. A well-run one fails too, for a full mailbox
/// or for a host that is down, after it took the mail in good faith.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Cause {
    /// The address (x.1.x), or nothing is told (x.0.x).
    #[default]
    #[n(0)]
    Address,
    /// A mailbox that is full or disabled (x.2.x).
    #[n(1)]
    Mailbox,
    /// It was tried until the time was up: the network, routing, or a host that kept saying "later" (4.x.x, x.4.x).
    #[n(2)]
    Expired,
    /// Content or policy (x.6.x, x.7.x).
    #[n(3)]
    Policy,
    /// The mail system or the protocol (x.3.x, x.5.x).
    #[n(4)]
    System,
}

impl std::str::FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Cause::Address, Cause::Mailbox, Cause::Expired, Cause::Policy, Cause::System];
        known.into_iter().find(|cause| cause.name() == text).ok_or_else(|| {
            format!("{text:?} is no cause; the causes are {}", known.map(Cause::name).join(", "))
        })
    }
}

impl Cause {
    /// From a status, and the reply that was quoted beside it, which knows better where the status says nothing.
    pub(super) fn of(status: Option<Status>, diagnostic: Option<&str>) -> Self {
        let reply = diagnostic.map(str::trim_start).unwrap_or_default();
        let code = reply.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let later = code.len() == 3 && code.starts_with('4');
        let vague = |status: &Status| status.subject == 0;
        let told = match status {
            Some(status) if !vague(&status) => Some(status),
            vague => Status::find(reply).or(vague),
        };
        match told {
            _ if later || status.is_some_and(|status| status.class == 4) => Cause::Expired,
            Some(Status { class: 4, .. } | Status { subject: 4, .. }) => Cause::Expired,
            Some(Status { subject: 2, .. }) => Cause::Mailbox,
            Some(Status { subject: 6 | 7, .. }) => Cause::Policy,
            Some(Status { subject: 3 | 5, .. }) => Cause::System,
            _ => Cause::Address,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Cause::Address => "address",
            Cause::Mailbox => "mailbox",
            Cause::Expired => "expired",
            Cause::Policy => "policy",
            Cause::System => "system",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3463_a_cause_is_read_from_status_and_reply() {
        for (status, diagnostic, cause) in [
            (Some("5.1.1"), None, Cause::Address),
            (None, None, Cause::Address),
            (Some("5.0.0"), Some("550 5.1.1 no such user here"), Cause::Address),
            (Some("5.0.0"), Some("450 4.2.0 try again later: retry timeout exceeded"), Cause::Expired),
            (Some("4.2.0"), Some("450 4.2.0 try again later"), Cause::Expired),
            (Some("4.4.7"), None, Cause::Expired),
            (Some("5.4.7"), Some("delivery time expired"), Cause::Expired),
            (Some("5.2.2"), None, Cause::Mailbox),
            (Some("5.0.0"), Some("552 5.2.2 mailbox full"), Cause::Mailbox),
            (Some("5.7.0"), None, Cause::Policy),
            (Some("5.3.4"), None, Cause::System),
            (None, Some("4711 widgets"), Cause::Address),
        ] {
            assert_eq!(
                Cause::of(status.and_then(Status::find), diagnostic),
                cause,
                "{status:?} {diagnostic:?}"
            );
        }
    }
}
