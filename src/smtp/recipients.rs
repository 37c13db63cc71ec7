//! Which recipients the server accepts.

use std::sync::Arc;

use ipnet::IpNet;

use crate::blocklist::Donors;
use crate::mail::Mailbox;
use crate::relay::Relay;
use crate::trap::{Donor, KnownTraps, MailRoute, TrapHasher};

/// Local parts of the operator's addresses (docs/STANDARDS.md S2).
const OPERATORS: [&str; 3] = ["postmaster", "abuse", "removal"];

/// The class of a recipient address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientClass {
    /// Any local part of a trap domain whose mail comes here. All local parts are accepted alike, so
    /// that a client cannot find out which addresses were seeded.
    Trap,
    /// postmaster and abuse (RFC 5321 §4.5.1, RFC 2142) and removal (RFC 6471 §2.2.2) at a trap
    /// domain whose mail comes here, or at the server's host name. People read this mail; it is never
    /// scored.
    Operator,
    /// A donor's address at the server's host name, to which the donor forwards reports as
    /// attachments.
    Donor(Donor),
    /// Any other address at the server's host name, which is refused.
    UnknownUser,
    /// An address of any other domain, which is refused. A trap domain whose mail does not come here is
    /// no exception, so that guessing does not find it.
    Stranger,
}

/// How mail reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSource {
    /// A host hands over only what is meant for this server: an MTA in front, or a trusted relay.
    Handover,
    /// Anyone may connect.
    Public,
}

/// The addresses that the server accepts: those of active traps, of the operator and of donors.
#[derive(Debug)]
pub struct RecipientDomains {
    hasher: TrapHasher,
    traps: Arc<KnownTraps>,
    donors: Arc<Donors>,
    hostname: Arc<str>,
    handing_over: Arc<[IpNet]>,
}

impl RecipientDomains {
    /// The recipients for these traps and donors. `hostname` is the server's host name, and
    /// `handing_over` are the networks of trusted relays.
    pub fn new(
        hasher: TrapHasher,
        traps: Arc<KnownTraps>,
        donors: Arc<Donors>,
        hostname: Arc<str>,
        handing_over: Arc<[IpNet]>,
    ) -> Self {
        RecipientDomains { hasher, traps, donors, hostname, handing_over }
    }

    /// Whether a client is a trusted relay.
    pub fn are_handed_over_by(&self, client: Relay) -> bool {
        self.handing_over.iter().any(|network| network.contains(&client.address()))
    }

    /// The class of a mailbox.
    pub fn of(&self, mailbox: &Mailbox, source: MailSource) -> RecipientClass {
        let route = self.traps.mail_route(&self.hasher, mailbox.domain());
        let trap_domain = match source {
            MailSource::Handover => route.is_some(),
            MailSource::Public => route == Some(MailRoute::Here),
        };
        let own_domain = mailbox.domain().eq_ignore_ascii_case(&self.hostname);
        if (trap_domain || own_domain)
            && OPERATORS.iter().any(|name| mailbox.local().eq_ignore_ascii_case(name))
        {
            return RecipientClass::Operator;
        }
        match (trap_domain, own_domain) {
            (true, _) => RecipientClass::Trap,
            (false, true) => {
                let terms_of = |donor: &Donor| self.donors.get(donor).map(|record| record.terms.clone());
                let donor = self.hasher.forwarder(mailbox.local(), terms_of);
                donor.map_or(RecipientClass::UnknownUser, RecipientClass::Donor)
            }
            (false, false) => RecipientClass::Stranger,
        }
    }
}
