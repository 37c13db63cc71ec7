//! Journal entries: evidence, observations, directives and ticks.
//!
//! The numbers on the fields are the wire format. A number is never reused for another field. A new
//! field gets a new number, and the decoder accepts older records that lack it.

mod directive;
mod entry;
mod facts;
mod observation;
mod offset;
mod verification;

use minicbor::{Decode, Encode};

pub use directive::{Directive, EvidenceSource, GivenTrap, ORDER_TRAPS_MAX, Order};
pub use entry::{Entry, RecordedEntry};
pub use facts::{EvidenceFacts, FAILURES_MAX, FailedRecipient, OriginalSender, RecipientFailure};
pub use observation::Observation;
pub use offset::Offset;
pub use verification::{
    ASK_AGAIN_AFTER, ASKED_HOSTS_MAX, AskedHost, AskedSide, REPLY_OCTETS_MAX, Verification,
    VerificationAnswer,
};

use crate::classify::Verdict;
use crate::digest::Digest;
use crate::mail::{Mailbox, ReversePath};
use crate::relay::Relay;
use crate::time::Timestamp;
use crate::transaction::Transaction;
use crate::trap::{Donor, TrapHasher, TrapKey};

/// One transaction at one trap.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// The id of the entry; a repeated append has the same id.
    #[n(0)]
    pub id: Digest,
    /// When the trap node received it. The fold replaces an implausible time by its own.
    #[n(1)]
    pub seen_at: Timestamp,
    /// The address of the SMTP client that brought the report.
    #[n(2)]
    pub relay: Relay,
    /// The argument of the client's HELO or EHLO.
    #[n(3)]
    pub helo: String,
    /// The reverse-path of the transaction.
    #[n(4)]
    pub reverse_path: SentFrom,
    /// The key of the recipient's address.
    #[n(5)]
    pub trap: TrapKey,
    /// The key of the recipient's domain.
    #[n(6)]
    pub trap_domain: TrapKey,
    /// The number of recipients of the transaction. A report has one (RFC 3464 §2).
    #[n(7)]
    pub recipients: u16,
    /// How far the SMTP transaction went.
    #[n(8)]
    pub reach: SessionReach,
    /// The digest of the message. The same report sent again has the same digest.
    #[n(9)]
    pub report: Option<Digest>,
    /// The facts that the classifier found.
    #[n(10)]
    pub facts: EvidenceFacts,
    /// The name of the trap node that received it.
    #[n(11)]
    pub node: String,
    /// If neither the address nor its domain is a trap: the keys of the other traps that may cover
    /// it (patterns, parent domains, donors' hashes), the nearest first.
    #[n(12)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub wider: Vec<TrapKey>,
    /// The channel by which the evidence arrived.
    #[n(13)]
    #[cbor(default, skip_if = "Channel::is_direct")]
    pub channel: Channel,
    /// The donor that forwarded the evidence, if the relay did not bring it itself.
    #[n(14)]
    pub forwarded_by: Option<Donor>,
}

impl Evidence {
    /// Whether it came from the null reverse-path.
    pub fn is_from_null(&self) -> bool {
        self.reverse_path == SentFrom::FromNull
    }

    /// Makes the evidence of one transaction. `hasher` hashes the addresses.
    pub fn of(parts: EvidenceParts<'_>, hasher: &TrapHasher) -> Self {
        let EvidenceParts { id, transaction, relay, trap, wider, verdict, report, forwarded_by, node } =
            parts;
        // The tag is part of the rewriting that the trap's own address lacks.
        let is_ours = |addressed: &Mailbox| hasher.is_ours(addressed, transaction.seen_at);
        let mut facts = EvidenceFacts::of(verdict, trap, hasher);
        facts.solicited = report.is_some() && transaction.traps.first().is_some_and(is_ours);
        Evidence {
            id,
            seen_at: transaction.seen_at,
            relay,
            helo: transaction.helo.clone(),
            reverse_path: SentFrom::of(&transaction.reverse_path, hasher),
            trap: hasher.address(trap),
            trap_domain: hasher.domain(trap.domain()),
            recipients: u16::try_from(transaction.recipients()).unwrap_or(u16::MAX),
            reach: if report.is_some() { SessionReach::Data } else { SessionReach::Recipient },
            report,
            facts,
            node: node.to_owned(),
            wider,
            // A donor hands on either a message or a line of a log.
            channel: match (&forwarded_by, report) {
                (None, _) => Channel::Direct,
                (Some(_), Some(_)) => Channel::Submitted,
                (Some(_), None) => Channel::Logged,
            },
            forwarded_by,
        }
    }
}

/// The parts of which evidence is made.
#[derive(Clone, Debug)]
pub struct EvidenceParts<'a> {
    /// The id of the entry; a repeated append has the same id.
    pub id: Digest,
    /// The transaction. Its message is not read, because the verdict and the digest stand for it.
    pub transaction: &'a Transaction,
    /// The relay that the transaction is attributed to.
    pub relay: Relay,
    /// The trap: the recipient's address, without a rewriting (SRS, BATV) that is not part of it.
    pub trap: &'a Mailbox,
    /// The keys of the other traps that may cover the address.
    pub wider: Vec<TrapKey>,
    /// The verdict on the message, or on a transaction without one.
    pub verdict: &'a Verdict,
    /// The digest of the message; `None` if the client sent none.
    pub report: Option<Digest>,
    /// The donor that handed on the message or the line of a log, if the relay did not come here.
    pub forwarded_by: Option<Donor>,
    /// The name of the trap node.
    pub node: &'a str,
}

/// The channel by which evidence arrived. It determines how reliable the relay's address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Channel {
    /// The relay connected to this server, or to an MTA of the operator.
    #[default]
    #[n(0)]
    Direct,
    /// A donor forwarded the message. The relay is taken from the Received lines that the donor's
    /// own hosts added.
    #[n(1)]
    Submitted,
    /// A donor's MTA logged that it rejected the relay. The message is not known.
    #[n(2)]
    Logged,
}

impl Channel {
    const fn is_direct(&self) -> bool {
        matches!(self, Channel::Direct)
    }

    /// The name of the channel in JSON and in text.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Direct => "direct",
            Channel::Submitted => "submitted",
            Channel::Logged => "logged",
        }
    }
}

/// The reverse-path of a transaction (RFC 5321 §4.1.1.2). It may contain a trap's address, so it is
/// stored as a keyed digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SentFrom {
    /// The null reverse-path, `<>`.
    #[n(0)]
    FromNull,
    /// A mailbox, as a keyed digest.
    #[n(1)]
    FromAddress(#[n(0)] Digest),
}

impl SentFrom {
    /// Converts a reverse-path, hashing its mailbox with `hasher`.
    pub fn of(reverse_path: &ReversePath, hasher: &TrapHasher) -> Self {
        match reverse_path {
            ReversePath::Null => SentFrom::FromNull,
            ReversePath::Address(address) => SentFrom::FromAddress(hasher.reverse_path(address)),
        }
    }
}

/// How far an SMTP transaction went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SessionReach {
    /// The client named a recipient and sent no message.
    #[n(0)]
    Recipient,
    /// The client sent a message.
    #[n(1)]
    Data,
}
