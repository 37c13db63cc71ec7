//! Causes of a failed delivery, by which a fault of the relay is distinguished from other failures.

use minicbor::{Decode, Encode};

use crate::mail::EnhancedStatus;

/// Why delivery failed, by the subject of the status code (RFC 3463 §3).
///
/// A server that accepts mail for addresses that do not exist fails because of the address. A
/// well-run server can also fail after it has accepted a message, because of a full mailbox or an
/// unreachable host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Cause {
    /// The address (x.1.x), or an unspecified cause (x.0.x).
    #[default]
    #[n(0)]
    Address,
    /// The mailbox is full or disabled (x.2.x).
    #[n(1)]
    Mailbox,
    /// The queue time expired because of the network, routing, or temporary refusals (4.x.x,
    /// x.4.x).
    #[n(2)]
    Expired,
    /// Content, security or policy (x.6.x, x.7.x).
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
            format!("{text:?} is not a cause; the causes are {}", known.map(Cause::name).join(", "))
        })
    }
}

impl Cause {
    /// The cause by the status code of the report and the reply that it quotes.
    ///
    /// A status code in the reply is used if the report's own says nothing (x.0.x). A temporary
    /// code (4xx or 4.x.x) means that the queue time expired.
    pub(super) fn of(status: Option<EnhancedStatus>, diagnostic: Option<&str>) -> Self {
        let reply = diagnostic.map(str::trim_start).unwrap_or_default();
        let code = reply.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let later = code.len() == 3 && code.starts_with('4');
        let vague = |status: &EnhancedStatus| status.subject == 0;
        let told = match status {
            Some(status) if !vague(&status) => Some(status),
            vague => EnhancedStatus::find(reply).or(vague),
        };
        match told {
            _ if later || status.is_some_and(|status| status.class == 4) => Cause::Expired,
            Some(EnhancedStatus { class: 4, .. } | EnhancedStatus { subject: 4, .. }) => Cause::Expired,
            Some(EnhancedStatus { subject: 2, .. }) => Cause::Mailbox,
            Some(EnhancedStatus { subject: 6 | 7, .. }) => Cause::Policy,
            Some(EnhancedStatus { subject: 3 | 5, .. }) => Cause::System,
            _ => Cause::Address,
        }
    }

    /// The name in policies and in JSON.
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
                Cause::of(status.and_then(EnhancedStatus::find), diagnostic),
                cause,
                "{status:?} {diagnostic:?}"
            );
        }
    }
}
