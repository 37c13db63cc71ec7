//! The facts of a report that the fold needs, without an address in clear text.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use crate::classify::{self, Author, Cause, HandedIn, Kind, Verdict};
use crate::digest::Digest;
use crate::mail::{DsnAction, EnhancedStatus, Mailbox};
use crate::trap::{self, TrapHasher};

/// The maximum number of failed recipients stored for one report.
pub const FAILURES_MAX: usize = 16;

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
    /// really sent from here. A report that is authenticated by the chain of signatures of its
    /// original (DKIM2, a draft) will belong here too.
    #[n(10)]
    #[cbor(default)]
    pub solicited: bool,
    /// Whether the message is an automatic reply that complies with RFC 3834. Users of a well-run
    /// server may send these.
    #[n(11)]
    #[cbor(default)]
    pub follows_rfc3834: bool,
    /// Who wrote the message. Only what the relay's mail system wrote may count.
    #[n(12)]
    #[cbor(default, skip_if = "Author::is_unknown")]
    pub author: Author,
    /// Who handed the original to the relay, by the Received field that the relay itself wrote.
    #[n(13)]
    #[cbor(default, skip_if = "HandedIn::is_unknown")]
    pub handed_in: HandedIn,
}

impl EvidenceFacts {
    /// Takes the facts from a verdict about a message to `trap`.
    pub(super) fn of(verdict: &Verdict, trap: &Mailbox, hasher: &TrapHasher) -> Self {
        let report = &verdict.report;
        // A user of the relay can attach any text as the original.
        let shows_original = report.author == Author::MailSystem;
        let failed = report.recipients.iter().filter(|recipient| recipient.action == Some(DsnAction::Failed));
        EvidenceFacts {
            kind: verdict.kind,
            format: verdict.format.to_owned(),
            classifier: classify::VERSION,
            reporting_mta: report.reporting_mta.clone().filter(|name| is_host(name)),
            sender: match report.original_sender.as_ref().filter(|_| shows_original) {
                Some(sender) if is_trap(sender, trap) => OriginalSender::Trap,
                Some(_) => OriginalSender::Other,
                None => OriginalSender::Unknown,
            },
            injector: report.injector.filter(|_| shows_original),
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
            author: report.author,
            handed_in: if shows_original { report.handed_in } else { HandedIn::Unknown },
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

    /// Why delivery to the failed recipient that counts failed. `None` if the message does not report
    /// a failed delivery.
    pub fn cause(&self) -> Option<Cause> {
        match self.kind {
            Kind::ContentNotice | Kind::MdnReject => Some(Cause::Policy),
            kind if kind.is_failure() => {
                Some(self.leading_failure().map_or(Cause::Unknown, |failure| failure.cause))
            }
            _ => None,
        }
    }

    /// The kind that the message counts as.
    ///
    /// A filter that refuses what the server has already taken sends a failure as well as a notice.
    /// Nobody can verify either of them by asking the server about the recipient, who exists. So
    /// every failure with the cause `policy` counts as a content notice.
    pub fn counted_kind(&self) -> Kind {
        let is_by_policy = self.kind.is_failure() && self.cause() == Some(Cause::Policy);
        if is_by_policy { Kind::ContentNotice } else { self.kind }
    }

    /// The failed recipient that counts, or else the responder.
    pub fn failed_recipient(&self) -> Option<FailedRecipient> {
        let failed = self
            .leading_failure()
            .map(|failure| FailedRecipient { address: failure.recipient, domain: failure.domain.clone() });
        failed.or_else(|| self.writer.clone())
    }
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
