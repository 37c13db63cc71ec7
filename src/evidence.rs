//! What the journal holds: evidence, observations, directives and ticks.
//!
//! The numbers on the fields are the wire format: a number is never used for anything else again, a new field gets a
//! new number, and an old record without it still reads.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::classify::{Cause, Kind, Verdict};
use crate::digest::{Digest, Digester};
use crate::mail::{Action, Mailbox, ReversePath, Status};
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

/// An entry as the journal gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub offset: Offset,
    /// When the journal took it, by the journal's own clock; never earlier than the entry before.
    pub at: Timestamp,
    pub entry: Entry,
}

/// Everything that the zone depends on, one step at a time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    #[n(0)]
    Evidence(#[n(0)] Box<Evidence>),
    #[n(1)]
    Observation(#[n(0)] Observation),
    #[n(2)]
    Directive(#[n(0)] Directive),
    /// "It is now T", where T is the time at which the journal took the tick. The number counts intervals, so that
    /// the ticks of several nodes for one interval are one entry.
    #[n(3)]
    Tick(#[n(0)] u64),
}

impl Entry {
    /// What makes a second append of the same entry recognisable.
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
    #[n(0)]
    pub id: Digest,
    /// When the trap saw it; the fold bounds it by its own time.
    #[n(1)]
    pub seen_at: Timestamp,
    #[n(2)]
    pub relay: Relay,
    #[n(3)]
    pub helo: String,
    #[n(4)]
    pub reverse_path: Sent,
    #[n(5)]
    pub trap: TrapKey,
    #[n(6)]
    pub trap_domain: TrapKey,
    /// Recipients of the transaction; a report has one (RFC 3464 §2), more are an anomaly.
    #[n(7)]
    pub recipients: u16,
    #[n(8)]
    pub reach: Reach,
    /// The digest of the message; the same report sent again has the same.
    #[n(9)]
    pub report: Option<Digest>,
    #[n(10)]
    pub facts: Facts,
    /// The trap node that took it.
    #[n(11)]
    pub node: String,
    /// Where neither the address nor its domain is a trap: the keys of what else may cover it, nearest first.
    #[n(12)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub wider: Vec<TrapKey>,
    #[n(13)]
    #[cbor(default, skip_if = "Way::is_direct")]
    pub way: Way,
    /// Who handed it on to us, where the relay didn't bring it.
    #[n(14)]
    pub forwarded_by: Option<Donor>,
}

/// How evidence came to us, and so how surely its relay is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Way {
    /// The relay spoke to us, or to an MTA of ours.
    #[default]
    #[n(0)]
    Direct,
    /// A donor handed the message on; the lines of the donor's own hosts tell who brought it to them.
    #[n(1)]
    Submitted,
    /// A donor's MTA noted that it turned the relay away; nothing is known of the message.
    #[n(2)]
    Logged,
}

impl Way {
    const fn is_direct(&self) -> bool {
        matches!(self, Way::Direct)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Way::Direct => "direct",
            Way::Submitted => "submitted",
            Way::Logged => "logged",
        }
    }
}

/// From which reverse-path a transaction came. Spam names its victim, so the path may be a trap's: it is kept as a
/// keyed digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Sent {
    #[n(0)]
    FromNull,
    #[n(1)]
    FromAddress(#[n(0)] Digest),
}

impl Sent {
    pub fn of(reverse_path: &ReversePath, hasher: &TrapHasher) -> Self {
        match reverse_path {
            ReversePath::Null => Sent::FromNull,
            ReversePath::Address(address) => Sent::FromAddress(hasher.reverse_path(address)),
        }
    }
}

/// How far a session went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reach {
    #[n(0)]
    Recipient,
    #[n(1)]
    Data,
}

/// What the fold needs of a verdict; no address of a trap or of a recipient stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Facts {
    #[n(0)]
    pub kind: Kind,
    #[n(1)]
    pub format: String,
    /// The classifier's version.
    #[n(2)]
    pub classifier: u32,
    #[n(3)]
    pub reporting_mta: Option<String>,
    #[n(4)]
    pub sender: Sender,
    #[n(5)]
    pub injector: Option<IpAddr>,
    #[n(6)]
    pub failures: Vec<Failure>,
    #[n(7)]
    pub reasons: Vec<String>,
    /// The relay only carried the report: another host handed it over.
    #[n(8)]
    #[cbor(default)]
    pub carried: bool,
    /// In whose name it was written, where it names no failed recipient.
    #[n(9)]
    pub writer: Option<Party>,
    /// The recipient bore a tag of ours: we did send what the report is about.
    #[n(10)]
    #[cbor(default)]
    pub solicited: bool,
    /// An automatic reply that keeps to RFC 3834, as users of a well-run server may have.
    #[n(11)]
    #[cbor(default)]
    pub keeps_rfc3834: bool,
}

/// Somebody at the relay's side: told apart from others, and where his mail is handled.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Party {
    /// Keyed.
    #[n(0)]
    pub address: Digest,
    /// Not kept where it is the trap's own.
    #[n(1)]
    pub domain: Option<String>,
}

/// Whose name the returned original bore. The order is that of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Sender {
    /// Somebody other than the trap that received the report.
    #[n(0)]
    Other,
    /// The report tells nothing of the original's sender.
    #[n(1)]
    Unknown,
    /// The trap that received the report: the mark of true backscatter.
    #[n(2)]
    Trap,
}

/// One recipient that the relay failed to reach.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Failure {
    /// Keyed; tells distinct recipients apart.
    #[n(0)]
    pub recipient: Digest,
    /// Not kept where it is the trap's own.
    #[n(1)]
    pub domain: Option<String>,
    #[n(2)]
    pub status: Option<Status>,
    /// Another host refused it; else the relay itself failed.
    #[n(3)]
    pub remote: bool,
    #[n(4)]
    #[cbor(default)]
    pub cause: Cause,
    /// The other host, as the report names it: a host's name or an address.
    #[n(5)]
    pub remote_mta: Option<String>,
    /// An alias or a user's forward led to it: the mail was for another address, which the relay knows.
    #[n(6)]
    #[cbor(default)]
    pub expanded: bool,
}

/// Most failed recipients kept of one report.
pub const FAILURES_MAX: usize = 16;

impl Facts {
    pub fn of(verdict: &Verdict, classifier: u32, trap: &Mailbox, hasher: &TrapHasher) -> Self {
        let report = &verdict.report;
        let failed = report.recipients.iter().filter(|recipient| recipient.action == Some(Action::Failed));
        Facts {
            kind: verdict.kind,
            format: verdict.format.to_owned(),
            classifier,
            reporting_mta: report.reporting_mta.clone().filter(|name| is_host(name)),
            sender: match &report.original_sender {
                Some(sender) if is_trap(sender, trap) => Sender::Trap,
                Some(_) => Sender::Other,
                None => Sender::Unknown,
            },
            injector: report.injector,
            failures: failed
                .filter_map(|recipient| {
                    let mailbox = recipient.mailbox.as_ref()?;
                    Some(Failure {
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
            keeps_rfc3834: verdict.kind == Kind::AutoReply && report.keeps_rfc3834,
            writer: report.writer.as_ref().map(|writer| Party {
                address: hasher.recipient(writer),
                domain: (writer.domain() != trap.domain()).then(|| writer.domain().to_owned()),
            }),
        }
    }

    /// The failure that counts: one a report, however many it names, so that a list behind one broken alias is one.
    pub fn leading_failure(&self) -> Option<&Failure> {
        self.failures.iter().min_by_key(|failure| failure.recipient)
    }

    /// Whom the relay handled mail for: the failed recipient, or whoever the report was written for.
    pub fn party(&self) -> Option<Party> {
        let failed = self
            .leading_failure()
            .map(|failure| Party { address: failure.recipient, domain: failure.domain.clone() });
        failed.or_else(|| self.writer.clone())
    }
}

/// Whether an address is the trap's, wrapped or not.
fn is_trap(sender: &Mailbox, trap: &Mailbox) -> bool {
    let bare = trap::base(sender);
    bare.as_ref().unwrap_or(sender).folded() == trap.folded()
}

/// A host's name, or an address in brackets: reports may write anything there, a trap's address too.
fn is_host(name: &str) -> bool {
    name.len() <= 255 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b))
}

/// What the edge found out about a relay after it brought evidence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Observation {
    /// The evidence that this is about.
    #[n(0)]
    pub evidence: Digest,
    /// The forward-confirmed reverse name.
    #[n(1)]
    pub confirmed_name: Option<String>,
    /// Whether the relay is an MX of the failed recipient's domain; `None` is unknown and never adds points.
    #[n(2)]
    pub mx_of_recipient: Option<bool>,
    /// Whether the failed recipient's domain authorises the relay by SPF.
    #[n(3)]
    pub spf_of_recipient: Option<bool>,
    /// The number of the network that announces the relay.
    #[n(4)]
    pub network: Option<u32>,
    /// Whether the confirmed name lies in the same organisation as that domain, and isn't one that was made from the address.
    #[n(5)]
    pub same_organisation: Option<bool>,
    /// Whether the host that refused the recipient stands behind the relay: in that organisation, or in the relay's network.
    #[n(6)]
    pub refused_inside: Option<bool>,
    /// The number of the network that announces the injector.
    #[n(7)]
    pub injector_network: Option<u32>,
    /// Whether the trap's domain had forbidden the original by SPF, or by DMARC.
    #[n(8)]
    pub original_forbidden: Option<bool>,
    /// Whether the confirmed name, not one that was made from the address, lies in another organisation than that domain.
    #[n(9)]
    pub named_elsewhere: Option<bool>,
}

impl Observation {
    /// Of which nothing is known.
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

/// A decision: who took it, why, and what it orders.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Directive {
    #[n(0)]
    pub id: Digest,
    #[n(1)]
    pub by: String,
    #[n(2)]
    pub why: String,
    #[n(3)]
    pub order: Order,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Order {
    #[n(0)]
    AddDonor {
        #[n(0)]
        donor: Donor,
    },
    #[n(1)]
    AddTrap {
        #[n(0)]
        key: TrapKey,
        #[n(1)]
        scope: Scope,
        #[n(2)]
        domain: TrapKey,
        #[n(3)]
        donor: Donor,
        /// Since when it has been known to send no mail and to expect none; else since it was added.
        #[n(4)]
        silent_since: Option<Timestamp>,
    },
    #[n(2)]
    RetireTrap {
        #[n(0)]
        key: TrapKey,
    },
    /// Take a relay off every zone, and count nothing against it that came before.
    #[n(3)]
    Remove {
        #[n(0)]
        relay: Relay,
    },
    /// Publish a zone as the text of its file says; the text is the file's, to the octet.
    #[n(4)]
    AdoptZone {
        #[n(0)]
        origin: String,
        #[n(1)]
        text: String,
    },
    /// Publish a zone no longer.
    #[n(5)]
    WithdrawZone {
        #[n(0)]
        origin: String,
    },
    /// Never list what lies in a prefix, until somebody looks at it anew.
    #[n(6)]
    Exempt {
        #[n(0)]
        prefix: Prefix,
        #[n(1)]
        review_by: Timestamp,
    },
    #[n(7)]
    EndExemption {
        #[n(0)]
        prefix: Prefix,
    },
    /// List an address, or an IPv6 /64, by decision.
    #[n(8)]
    List {
        #[n(0)]
        origin: String,
        #[n(1)]
        prefix: Prefix,
        #[n(2)]
        code: u8,
        #[n(3)]
        until: Timestamp,
    },
    /// Count nothing that a source brought since a moment, and end every listing that depended on it.
    #[n(9)]
    Void {
        #[n(0)]
        source: Source,
        #[n(1)]
        since: Timestamp,
    },
    /// Let nothing be added to any zone.
    #[n(10)]
    Freeze,
    /// End a freeze, and let in what the guards held.
    #[n(11)]
    Release,
    /// Empty a zone for good, as RFC 6471 §3.4 asks.
    #[n(12)]
    ShutDown {
        #[n(0)]
        origin: String,
    },
    /// Take back a shutdown.
    #[n(13)]
    Reopen {
        #[n(0)]
        origin: String,
    },
    /// A donor's count of wanted mail from a relay during the horizon: what its reports are measured against.
    #[n(14)]
    CountGoodMail {
        #[n(0)]
        relay: Relay,
        #[n(1)]
        donor: Donor,
        #[n(2)]
        messages: u64,
    },
    /// Let a donor do this and that from now on.
    #[n(15)]
    SetDonor {
        #[n(0)]
        donor: Donor,
        #[n(1)]
        terms: DonorTerms,
    },
    /// Many traps of one donor.
    #[n(16)]
    AddTraps {
        #[n(0)]
        donor: Donor,
        #[n(1)]
        traps: Vec<GivenTrap>,
    },
    /// Traps that their donor takes back.
    #[n(17)]
    RetireTraps {
        #[n(0)]
        donor: Donor,
        #[n(1)]
        keys: Vec<TrapKey>,
    },
}

/// Most traps in one order.
pub const ORDER_TRAPS_MAX: usize = 4_096;

/// A trap as a donor gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GivenTrap {
    #[n(0)]
    pub key: TrapKey,
    #[n(1)]
    pub scope: Scope,
    #[n(2)]
    pub domain: TrapKey,
    /// Since when it has been known to send no mail and to expect none, as the donor says.
    #[n(3)]
    pub silent_since: Option<Timestamp>,
}

/// Where evidence came from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    #[n(0)]
    Donor(#[n(0)] Donor),
    /// A trap, or a trap domain with everything below it.
    #[n(1)]
    Trap(#[n(0)] TrapKey),
}
