//! Whose mail is taken.

use std::sync::Arc;

use crate::blocklist::Donors;
use crate::mail::Mailbox;
use crate::trap::{Donor, KnownTraps, TrapHasher};

const OPERATORS: [&str; 3] = ["postmaster", "abuse", "removal"];

/// What a recipient is to the trap's host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Any local part of a trap domain: whether it was ever seeded does not show.
    Trap,
    /// postmaster, abuse (RFC 5321 §4.5.1, RFC 2142) and removal (RFC 6471 §2.2.2): read by people, never scored.
    Operator,
    /// A donor's own address for reports that are forwarded as attachments.
    Donor(Donor),
    Unknown,
}

/// The domains of active traps and the host's own name.
#[derive(Debug)]
pub struct Recipients {
    hasher: TrapHasher,
    traps: Arc<KnownTraps>,
    donors: Arc<Donors>,
    hostname: Arc<str>,
}

impl Recipients {
    pub fn new(hasher: TrapHasher, traps: Arc<KnownTraps>, donors: Arc<Donors>, hostname: Arc<str>) -> Self {
        Recipients { hasher, traps, donors, hostname }
    }

    pub fn of(&self, mailbox: &Mailbox) -> Recipient {
        let trap_domain = self.traps.takes_mail_for(&self.hasher, mailbox.domain());
        let operator = OPERATORS.iter().any(|name| mailbox.local().eq_ignore_ascii_case(name));
        match (operator, trap_domain || mailbox.domain().eq_ignore_ascii_case(&self.hostname)) {
            (true, true) => Recipient::Operator,
            (false, true) if trap_domain => Recipient::Trap,
            (false, true) => {
                let terms_of = |donor: &Donor| self.donors.get(donor).map(|record| record.terms.clone());
                let donor = self.hasher.forwarder(mailbox.local(), terms_of);
                donor.map_or(Recipient::Unknown, Recipient::Donor)
            }
            (_, false) => Recipient::Unknown,
        }
    }
}
