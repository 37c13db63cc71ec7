//! Journal entries: evidence, observations, directives and ticks.
//!
//! The numbers on the fields are the wire format. A number is never reused for another field. A new
//! field gets a new number, and the decoder accepts older records that lack it.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::classify::{Cause, Kind, Verdict};
use crate::digest::{Digest, Digester};
use crate::mail::{DsnAction, EnhancedStatus, Mailbox, ReversePath};
use crate::relay::{Prefix, Relay};
use crate::time::Timestamp;
use crate::trap::{self, Donor, DonorTerms, Scope, TrapHasher, TrapKey};

/// The place of an entry in the journal. Places are ordered and otherwise opaque: only a journal
/// knows which place follows which, so nothing else may count with them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Offset(#[n(0)] u64);

impl Offset {
    /// The place before the first entry.
    pub const START: Offset = Offset(0);

    /// The place that a journal knows by a number.
    pub const fn from_number(number: u64) -> Self {
        Offset(number)
    }

    /// The number by which a journal, and a person who reads its entries, knows the place.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// An entry as read from the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEntry {
    /// The position of the entry.
    pub offset: Offset,
    /// When the journal accepted the entry, by the journal's clock. Never earlier than the previous
    /// entry's time.
    pub at: Timestamp,
    /// The entry itself.
    pub entry: Entry,
}

/// One journal entry. The published zones depend on the entries and on nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// One transaction at one trap.
    #[n(0)]
    Evidence(#[n(0)] Box<Evidence>),
    /// The result of the DNS queries about a relay.
    #[n(1)]
    Observation(#[n(0)] Observation),
    /// A decision of an operator or a donor.
    #[n(2)]
    Directive(#[n(0)] Directive),
    /// Advances the fold's time to the time at which the journal accepted the tick. The number is
    /// the number of the interval, so the ticks of several nodes for one interval have the same id.
    #[n(3)]
    Tick(#[n(0)] u64),
}

impl Entry {
    /// The id by which the journal recognises a second append of the same entry.
    pub fn id(&self) -> Digest {
        let derived = |label: &[u8], octets: &[u8]| Digester::default().add(label).add(octets).digest();
        match self {
            Entry::Evidence(evidence) => evidence.id,
            Entry::Observation(observation) => derived(b"observation", observation.evidence.octets()),
            Entry::Directive(directive) => directive.id,
            Entry::Tick(number) => derived(b"tick", &number.to_be_bytes()),
        }
    }
}

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

/// The part of a verdict that the fold needs. It contains no address of a trap or of a recipient in
/// clear text.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EvidenceFacts {
    /// The kind of message.
    #[n(0)]
    pub kind: Kind,
    /// The name of the recognised format, such as that of an MTA.
    #[n(1)]
    pub format: String,
    /// The classifier's version.
    #[n(2)]
    pub classifier: u32,
    /// The reporting MTA (RFC 3464 §2.2.2), if the report names one.
    #[n(3)]
    pub reporting_mta: Option<String>,
    /// The sender of the returned original, compared with the trap.
    #[n(4)]
    pub sender: OriginalSender,
    /// The host that handed the forged original to the relay, if the report shows it.
    #[n(5)]
    pub injector: Option<IpAddr>,
    /// The failed recipients, at most [`FAILURES_MAX`].
    #[n(6)]
    pub failures: Vec<RecipientFailure>,
    /// The classifier's reasons for its verdict, in words.
    #[n(7)]
    pub reasons: Vec<String>,
    /// Whether another host handed the report to the relay, so that the relay only transported it.
    #[n(8)]
    #[cbor(default)]
    pub carried: bool,
    /// The responder: the address in whose name an automatic reply was written. Used if the message
    /// names no failed recipient.
    #[n(9)]
    pub writer: Option<FailedRecipient>,
    /// Whether the recipient address contained a valid BATV tag of this server: the original was
    /// really sent from here.
    #[n(10)]
    #[cbor(default)]
    pub solicited: bool,
    /// Whether the message is an automatic reply that complies with RFC 3834. Users of a well-run
    /// server may send these.
    #[n(11)]
    #[cbor(default)]
    pub follows_rfc3834: bool,
}

/// A failed recipient, or the responder of an automatic reply.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FailedRecipient {
    /// The keyed digest of the address.
    #[n(0)]
    pub address: Digest,
    /// The domain of the address. Omitted if it is the trap's own domain.
    #[n(1)]
    pub domain: Option<String>,
}

/// The sender of the returned original. The variants are in ascending order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum OriginalSender {
    /// An address other than that of the trap that received the report.
    #[n(0)]
    Other,
    /// The report does not show the sender of the original.
    #[n(1)]
    Unknown,
    /// The trap that received the report, as in true backscatter.
    #[n(2)]
    Trap,
}

/// One failed recipient of a report.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RecipientFailure {
    /// The keyed digest of the address.
    #[n(0)]
    pub recipient: Digest,
    /// The domain of the address. Omitted if it is the trap's own domain.
    #[n(1)]
    pub domain: Option<String>,
    /// The status code (RFC 3463).
    #[n(2)]
    pub status: Option<EnhancedStatus>,
    /// Whether another host refused the recipient. If false, the relay itself could not deliver.
    #[n(3)]
    pub remote: bool,
    /// Why delivery failed.
    #[n(4)]
    #[cbor(default)]
    pub cause: Cause,
    /// The host that refused the recipient, as the report names it: a host name or an address
    /// (RFC 3464 §2.3.5).
    #[n(5)]
    pub remote_mta: Option<String>,
    /// Whether an alias or a user's forward of another address, which the relay knows, led to this
    /// recipient.
    #[n(6)]
    #[cbor(default)]
    pub expanded: bool,
}

/// The maximum number of failed recipients stored for one report.
pub const FAILURES_MAX: usize = 16;

impl EvidenceFacts {
    /// Takes the facts from a verdict about a message to `trap`. `classifier` is the classifier's
    /// version.
    pub fn of(verdict: &Verdict, classifier: u32, trap: &Mailbox, hasher: &TrapHasher) -> Self {
        let report = &verdict.report;
        let failed = report.recipients.iter().filter(|recipient| recipient.action == Some(DsnAction::Failed));
        EvidenceFacts {
            kind: verdict.kind,
            format: verdict.format.to_owned(),
            classifier,
            reporting_mta: report.reporting_mta.clone().filter(|name| is_host(name)),
            sender: match &report.original_sender {
                Some(sender) if is_trap(sender, trap) => OriginalSender::Trap,
                Some(_) => OriginalSender::Other,
                None => OriginalSender::Unknown,
            },
            injector: report.injector,
            failures: failed
                .filter_map(|recipient| {
                    let mailbox = recipient.mailbox.as_ref()?;
                    Some(RecipientFailure {
                        recipient: hasher.recipient(mailbox),
                        domain: (mailbox.domain() != trap.domain()).then(|| mailbox.domain().to_owned()),
                        status: recipient.status,
                        remote: recipient.remote,
                        cause: recipient.cause,
                        expanded: recipient.expanded,
                        remote_mta: recipient.remote_mta.clone().filter(|name| is_host(name)),
                    })
                })
                .take(FAILURES_MAX)
                .collect(),
            reasons: verdict.reasons.clone(),
            carried: report.carried,
            solicited: false,
            follows_rfc3834: verdict.kind == Kind::AutoReply && report.follows_rfc3834,
            writer: report.writer.as_ref().map(|writer| FailedRecipient {
                address: hasher.recipient(writer),
                domain: (writer.domain() != trap.domain()).then(|| writer.domain().to_owned()),
            }),
        }
    }

    /// The failed recipient that counts. It is one per report, however many the report names, so
    /// that a mailing list behind one broken alias counts once.
    pub fn leading_failure(&self) -> Option<&RecipientFailure> {
        self.failures.iter().min_by_key(|failure| failure.recipient)
    }

    /// The failed recipient that counts, or else the responder.
    pub fn failed_recipient(&self) -> Option<FailedRecipient> {
        let failed = self
            .leading_failure()
            .map(|failure| FailedRecipient { address: failure.recipient, domain: failure.domain.clone() });
        failed.or_else(|| self.writer.clone())
    }
}

/// Whether an address is the trap's, also if it is rewritten by SRS or carries a BATV tag.
fn is_trap(sender: &Mailbox, trap: &Mailbox) -> bool {
    let bare = trap::strip_rewriting(sender);
    bare.as_ref().unwrap_or(sender).folded() == trap.folded()
}

/// Whether the text looks like a host name or an address in brackets. A report may contain any text
/// there, even a trap's address.
fn is_host(name: &str) -> bool {
    name.len() <= 255 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b))
}

/// The result of the DNS queries about a relay that brought evidence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Observation {
    /// The id of the evidence.
    #[n(0)]
    pub evidence: Digest,
    /// The forward-confirmed reverse DNS name.
    #[n(1)]
    pub confirmed_name: Option<String>,
    /// Whether the relay is an MX host of the failed recipient's domain. In this field and the
    /// following ones, `None` means that the answer is unknown, which never adds points.
    #[n(2)]
    pub mx_of_recipient: Option<bool>,
    /// Whether the SPF record of the failed recipient's domain authorises the relay (RFC 7208).
    #[n(3)]
    pub spf_of_recipient: Option<bool>,
    /// The number of the autonomous system that announces the relay's address.
    #[n(4)]
    pub network: Option<u32>,
    /// Whether the confirmed name belongs to the same organisation as the failed recipient's
    /// domain. A generic name that is derived from the address does not count.
    #[n(5)]
    pub same_organisation: Option<bool>,
    /// Whether the host that refused the recipient is behind the relay: in the organisation of the
    /// recipient's domain, or in the relay's network.
    #[n(6)]
    pub refused_inside: Option<bool>,
    /// The number of the autonomous system that announces the injector's address.
    #[n(7)]
    pub injector_network: Option<u32>,
    /// Whether the SPF or DMARC record of the trap's domain forbade the original.
    #[n(8)]
    pub original_forbidden: Option<bool>,
    /// Whether the confirmed name belongs to another organisation than the failed recipient's
    /// domain. A generic name that is derived from the address does not count.
    #[n(9)]
    pub named_elsewhere: Option<bool>,
}

impl Observation {
    /// An observation in which every answer is unknown.
    pub fn unknown(evidence: Digest) -> Self {
        Observation {
            evidence,
            confirmed_name: None,
            mx_of_recipient: None,
            spf_of_recipient: None,
            network: None,
            same_organisation: None,
            refused_inside: None,
            injector_network: None,
            original_forbidden: None,
            named_elsewhere: None,
        }
    }
}

/// A decision of an operator or a donor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Directive {
    /// The id of the entry; a repeated append has the same id.
    #[n(0)]
    pub id: Digest,
    /// The name of the operator or donor that gave the directive.
    #[n(1)]
    pub by: String,
    /// The reason that was given.
    #[n(2)]
    pub why: String,
    /// What is to be done.
    #[n(3)]
    pub order: Order,
}

/// The order in a [`Directive`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Order {
    /// Register a donor.
    #[n(0)]
    AddDonor {
        /// The donor.
        #[n(0)]
        donor: Donor,
    },
    /// Register one trap.
    #[n(1)]
    AddTrap {
        /// The key of the address or domain.
        #[n(0)]
        key: TrapKey,
        /// What the trap covers.
        #[n(1)]
        scope: Scope,
        /// The key of the trap's domain.
        #[n(2)]
        domain: TrapKey,
        /// The donor that gave the trap.
        #[n(3)]
        donor: Donor,
        /// Since when the trap has sent no mail and expected none. `None` stands for the time at
        /// which the trap is added.
        #[n(4)]
        silent_since: Option<Timestamp>,
    },
    /// Retire one trap, whichever donor gave it.
    #[n(2)]
    RetireTrap {
        /// The key that the trap was registered by.
        #[n(0)]
        key: TrapKey,
    },
    /// Remove a relay from every zone. Evidence recorded earlier no longer counts against it.
    #[n(3)]
    Remove {
        /// The relay.
        #[n(0)]
        relay: Relay,
    },
    /// Publish a zone as its file specifies.
    #[n(4)]
    AdoptZone {
        /// The zone's origin.
        #[n(0)]
        origin: String,
        /// The content of the zone's file, unchanged.
        #[n(1)]
        text: String,
    },
    /// Stop publishing a zone.
    #[n(5)]
    WithdrawZone {
        /// The zone's origin.
        #[n(0)]
        origin: String,
    },
    /// Never list any address in a prefix, until the exemption is ended.
    #[n(6)]
    Exempt {
        /// The exempt addresses.
        #[n(0)]
        prefix: Prefix,
        /// When the operator must review the exemption.
        #[n(1)]
        review_by: Timestamp,
    },
    /// End an exemption.
    #[n(7)]
    EndExemption {
        /// The prefix, as it was exempted.
        #[n(0)]
        prefix: Prefix,
    },
    /// List an address, or an IPv6 /64, by decision of the operator.
    #[n(8)]
    List {
        /// The zone's origin.
        #[n(0)]
        origin: String,
        /// The address or /64 to list.
        #[n(1)]
        prefix: Prefix,
        /// The code under which it is listed.
        #[n(2)]
        code: u8,
        /// When the listing ends.
        #[n(3)]
        until: Timestamp,
    },
    /// Void the evidence that a source brought since a time, and end every listing that depended on
    /// it.
    #[n(9)]
    Void {
        /// The source of the evidence.
        #[n(0)]
        source: EvidenceSource,
        /// The earliest time of receipt that is voided.
        #[n(1)]
        since: Timestamp,
    },
    /// Hold every new listing in every zone.
    #[n(10)]
    Freeze,
    /// End a freeze, and judge again what the guards or the freeze held.
    #[n(11)]
    Release,
    /// Shut down a zone: publish it empty (RFC 6471 §3.4).
    #[n(12)]
    ShutDown {
        /// The zone's origin.
        #[n(0)]
        origin: String,
    },
    /// Undo a shutdown.
    #[n(13)]
    Reopen {
        /// The zone's origin.
        #[n(0)]
        origin: String,
    },
    /// The number of wanted messages that a donor received from a relay within the horizon. The
    /// relay's points are divided by its logarithm.
    #[n(14)]
    CountGoodMail {
        /// The relay.
        #[n(0)]
        relay: Relay,
        /// The donor that counted.
        #[n(1)]
        donor: Donor,
        /// The number of messages. It replaces the donor's earlier count.
        #[n(2)]
        messages: u64,
    },
    /// Set a donor's terms. Registers the donor if it is new.
    #[n(15)]
    SetDonor {
        /// The donor.
        #[n(0)]
        donor: Donor,
        /// The terms. They replace the earlier ones.
        #[n(1)]
        terms: DonorTerms,
    },
    /// Register traps of one donor.
    #[n(16)]
    AddTraps {
        /// The donor that gives the traps.
        #[n(0)]
        donor: Donor,
        /// The traps, at most [`ORDER_TRAPS_MAX`].
        #[n(1)]
        traps: Vec<GivenTrap>,
    },
    /// Withdraw traps of one donor.
    #[n(17)]
    RetireTraps {
        /// The donor that gave the traps.
        #[n(0)]
        donor: Donor,
        /// The keys that the traps were registered by, at most [`ORDER_TRAPS_MAX`].
        #[n(1)]
        keys: Vec<TrapKey>,
    },
}

/// The maximum number of traps in one order.
pub const ORDER_TRAPS_MAX: usize = 4_096;

/// A trap in [`Order::AddTraps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GivenTrap {
    /// The key of the address or domain.
    #[n(0)]
    pub key: TrapKey,
    /// What the trap covers.
    #[n(1)]
    pub scope: Scope,
    /// The key of the trap's domain.
    #[n(2)]
    pub domain: TrapKey,
    /// Since when, according to the donor, the trap has sent no mail and expected none.
    #[n(3)]
    pub silent_since: Option<Timestamp>,
}

/// A source of evidence, for [`Order::Void`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EvidenceSource {
    /// A donor: all evidence that reached its traps.
    #[n(0)]
    Donor(#[n(0)] Donor),
    /// A trap, or a trap domain with every address in it and below it.
    #[n(1)]
    Trap(#[n(0)] TrapKey),
}
