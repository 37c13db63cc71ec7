//! Where the mail for a trap domain goes. A donor may hand on what comes to its domains, so that their mail
//! never comes to this server.

use minicbor::{Decode, Encode};

use super::key::TrapKey;

/// Where the mail for a domain goes, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum MailRoute {
    /// The domain was not looked up, or the DNS gave no answer.
    #[default]
    #[n(0)]
    Unknown,
    /// It goes elsewhere.
    #[n(1)]
    Elsewhere,
    /// It comes to this server.
    #[n(2)]
    Here,
}

impl MailRoute {
    /// The route's name in texts and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            MailRoute::Unknown => "unknown",
            MailRoute::Elsewhere => "elsewhere",
            MailRoute::Here => "here",
        }
    }
}

/// The name of a trap domain, sealed under a key that is derived from the traps' key. Look-ups need the
/// name, and a copy of the journal must not reveal it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SealedName(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// What is said of the mail of one trap domain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TrapMail {
    /// The key of the domain.
    #[n(0)]
    pub domain: TrapKey,
    /// Where the mail goes. `Unknown` says nothing, except for a decision.
    #[n(1)]
    pub route: MailRoute,
    /// Whether the operator decided the route. Look-ups do not change such a route; the decision
    /// `Unknown` lets them change it again.
    #[n(2)]
    pub decided: bool,
    /// The domain's name, if it is not known yet. A donor that sends hashes does not give it.
    #[n(3)]
    pub name: Option<SealedName>,
}

/// What is known of the mail of a trap domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct KnownMail {
    /// Where the mail goes.
    #[n(0)]
    pub route: MailRoute,
    /// Whether the operator decided it.
    #[n(1)]
    pub decided: bool,
    /// The domain's name, if it was given.
    #[n(2)]
    pub name: Option<SealedName>,
}

impl KnownMail {
    /// Adds what is said.
    pub(super) fn take(&mut self, said: &TrapMail) {
        match (said.decided, said.route) {
            (true, route) => (self.route, self.decided) = (route, route != MailRoute::Unknown),
            (false, MailRoute::Unknown) => {}
            (false, route) if !self.decided => self.route = route,
            (false, _) => {}
        }
        if self.name.is_none() {
            self.name.clone_from(&said.name);
        }
    }
}
