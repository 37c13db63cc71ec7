//! Intake: turns mail transactions, and what donors hand on, into durable evidence. Intake judges
//! the message, seals the reduced report, appends both to the journal, and only then acknowledges.

pub mod feed;
mod judging;
mod logs;
mod operator_mail;
mod settings;
mod submissions;
mod transactions;
mod wrong_recipients;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use ipnet::IpNet;

pub use settings::IntakeSettings;
pub use submissions::{Submission, SubmissionOutcome};
pub use wrong_recipients::{WRONG_RECIPIENTS_PER_DAY_MAX, WrongRecipients};

use crate::blocklist::Donors;
use crate::classify::Kind;
use crate::digest::Digest;
use crate::journal::{Append, DiskReserve, Journal};
use crate::keys::Keys;
use crate::mail::Mailbox;
use crate::metrics::Metrics;
use crate::observe::Observer;
use crate::transaction::IntakeOutcome;
use crate::trap::{self, Donor, KnownTraps, TrapKey};

/// The intake of one trap node.
pub struct Intake {
    /// Where evidence is appended.
    pub journal: Arc<dyn Journal>,
    /// The keys for hashes and reports.
    pub keys: Arc<Keys>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Makes the inquiries about evidence.
    pub observer: Arc<Observer>,
    /// The newest traps.
    pub traps: Arc<ArcSwap<KnownTraps>>,
    /// The disk space that is reserved for decisions and ticks.
    pub room: Option<DiskReserve>,
    /// The newest donors.
    pub donors: Arc<ArcSwap<Donors>>,
    /// The networks of hosts whose Received lines are believed and which are never judged.
    pub trusted_relays: Vec<IpNet>,
    /// The name of this trap node.
    pub node: String,
    /// The Maildir for the operator's mail.
    pub operator_maildir: PathBuf,
    /// Random octets that distinguish this start of the node from others at the same time of the
    /// clock.
    pub start: [u8; 16],
    /// The messages that donors handed on to recipients that are no traps of theirs.
    pub wrong_recipients: WrongRecipients,
    /// A counter that distinguishes the transactions of this node within one millisecond.
    pub transactions: AtomicU64,
}

impl Intake {
    async fn append(&self, append: Append, kind: Kind, id: Digest) -> IntakeOutcome {
        match self.journal.append(append).await {
            Ok(_) => {
                self.metrics.evidence(kind);
                IntakeOutcome::Durable { id: id.to_string() }
            }
            Err(error) => {
                tracing::error!(%error, "cannot make evidence durable; the client must send the message again");
                IntakeOutcome::Later
            }
        }
    }

    /// The donor of the trap that an address is.
    fn trap_donor(&self, mailbox: &Mailbox) -> Option<Donor> {
        let (hasher, known) = (self.keys.hasher(), self.traps.load());
        let trap = trap_named(mailbox);
        let (address, domain) = (hasher.address(&trap), hasher.domain(trap.domain()));
        known.traps.find(address, domain, &known.wider(hasher, &trap)).map(|(_, trap)| trap.donor)
    }

    /// Whether a donor gave the trap that an address is, whether or not another donor gave it before.
    /// A donor must not learn of traps of others, so the answer and its time depend on the donor's
    /// own traps alone.
    fn is_trap_of(&self, donor: &Donor, mailbox: &Mailbox) -> bool {
        let known = self.traps.load();
        known.find_given(self.keys.hasher(), donor, &trap_named(mailbox)).is_some()
    }

    /// The keys of the other traps that may cover an address. If a donor hands on the message, its
    /// own trap may lie behind one of another donor.
    fn wider(&self, trap: &Mailbox, forwarded_by: Option<&Donor>) -> Vec<TrapKey> {
        let (hasher, known) = (self.keys.hasher(), self.traps.load());
        if forwarded_by.is_some() { known.every_wider(hasher, trap) } else { known.wider(hasher, trap) }
    }
}

/// The trap that an address names. A forwarder's or a sender's rewriting is not part of it.
fn trap_named(addressed: &Mailbox) -> Mailbox {
    trap::strip_rewriting(addressed).unwrap_or_else(|| addressed.clone())
}
