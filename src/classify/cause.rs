//! Causes of a failed delivery, by which a fault of the relay is distinguished from other failures.

use minicbor::{Decode, Encode};

/// Why delivery failed.
///
/// A server that accepts mail for addresses that do not exist fails because of the address. A
/// well-run server can also fail after it has accepted a message, because of a full mailbox or an
/// unreachable host. A cause is only what a report says; nothing is assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Cause {
    /// The recipient's address does not exist.
    #[n(0)]
    Address,
    /// The mailbox is full or disabled.
    #[n(1)]
    Mailbox,
    /// A host could not be found or reached, the time for delivery was over, or the refusal was
    /// temporary.
    #[n(2)]
    Expired,
    /// Content, security or policy.
    #[n(3)]
    Policy,
    /// The mail system or the protocol.
    #[n(4)]
    System,
    /// The report does not say it, or says it in a way that the classifier does not read.
    #[default]
    #[n(5)]
    Unknown,
}

impl Cause {
    /// All causes, in the order of their numbers.
    pub const ALL: [Cause; 6] =
        [Cause::Address, Cause::Mailbox, Cause::Expired, Cause::Policy, Cause::System, Cause::Unknown];

    /// The name in policies and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Address => "address",
            Cause::Mailbox => "mailbox",
            Cause::Expired => "expired",
            Cause::Policy => "policy",
            Cause::System => "system",
            Cause::Unknown => "unknown",
        }
    }

    /// Whether a policy may let a failure with this cause score. Well-run servers also return mail
    /// for the other causes, and an unknown cause may be any of them.
    pub const fn may_score(self) -> bool {
        matches!(self, Cause::Address | Cause::Policy)
    }
}

impl std::str::FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Cause::ALL.into_iter().find(|cause| cause.name() == text).ok_or_else(|| {
            format!("{text:?} is not a cause; the causes are {}", Cause::ALL.map(Cause::name).join(", "))
        })
    }
}
