//! Which recipients the server accepts.

use std::sync::Arc;

use crate::blocklist::Donors;
use crate::mail::Mailbox;
use crate::trap::{Donor, KnownTraps, TrapHasher};

/// Local parts of the operator's addresses (docs/STANDARDS.md S2).
const OPERATORS: [&str; 3] = ["postmaster", "abuse", "removal"];

/// The class of a recipient address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientClass {
    /// Any local part of a trap domain. All local parts are accepted alike, so that a client cannot
    /// find out which addresses were seeded.
    Trap,
    /// postmaster and abuse (RFC 5321 §4.5.1, RFC 2142) and removal (RFC 6471 §2.2.2) at a trap
    /// domain or at the server's host name. People read this mail; it is never scored.
    Operator,
    /// A donor's address at the server's host name, to which the donor forwards reports as
    /// attachments.
    Donor(Donor),
    /// Any other address, which is refused.
    Unknown,
}

/// The addresses that the server accepts: those of active traps, of the operator and of donors.
#[derive(Debug)]
pub struct RecipientDomains {
    hasher: TrapHasher,
    traps: Arc<KnownTraps>,
    donors: Arc<Donors>,
    hostname: Arc<str>,
}

impl RecipientDomains {
    /// The recipients for these traps and donors. `hostname` is the server's host name.
    pub fn new(hasher: TrapHasher, traps: Arc<KnownTraps>, donors: Arc<Donors>, hostname: Arc<str>) -> Self {
        RecipientDomains { hasher, traps, donors, hostname }
    }

    /// The class of a mailbox.
    pub fn of(&self, mailbox: &Mailbox) -> RecipientClass {
        let trap_domain = self.traps.takes_mail_for(&self.hasher, mailbox.domain());
        let operator = OPERATORS.iter().any(|name| mailbox.local().eq_ignore_ascii_case(name));
        match (operator, trap_domain || mailbox.domain().eq_ignore_ascii_case(&self.hostname)) {
            (true, true) => RecipientClass::Operator,
            (false, true) if trap_domain => RecipientClass::Trap,
            (false, true) => {
                let terms_of = |donor: &Donor| self.donors.get(donor).map(|record| record.terms.clone());
                let donor = self.hasher.forwarder(mailbox.local(), terms_of);
                donor.map_or(RecipientClass::Unknown, RecipientClass::Donor)
            }
            (_, false) => RecipientClass::Unknown,
        }
    }
}
