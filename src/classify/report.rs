//! What a report says about an original and its recipients.

use std::net::IpAddr;

use super::author::Author;
use super::cause::Cause;
use super::handed_in::HandedIn;
use crate::mail::{DsnAction, EnhancedStatus, Mailbox};

/// The contents of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportFields {
    /// The name of the MTA that wrote the report (RFC 3464 §2.2.2).
    pub reporting_mta: Option<String>,
    /// The envelope identifier of the original (RFC 3464 §2.2.1).
    pub original_envelope_id: Option<String>,
    /// The reverse-path of the original, or, if the report does not give it, the sender in its
    /// header.
    pub original_sender: Option<Mailbox>,
    /// The address in the From field of the original.
    pub original_from: Option<Mailbox>,
    /// The Message-ID field of the original.
    pub original_message_id: Option<String>,
    /// The Date field of the original, unparsed.
    pub original_date: Option<String>,
    /// The recipients that the report is about.
    pub recipients: Vec<ReportedRecipient>,
    /// The host that handed the original to the relay.
    pub injector: Option<IpAddr>,
    /// What the relay's own Received field says about that host.
    pub handed_in: HandedIn,
    /// The host that wrote the oldest Received field of the report, which is normally the host that
    /// wrote the report.
    pub generator: Option<String>,
    /// The relay only carried the report: another host handed it in.
    pub carried: bool,
    /// Who wrote the report.
    pub author: Author,
    /// The address in the From field of the report: for an automatic reply, the responder.
    pub writer: Option<Mailbox>,
    /// For an automatic reply or a challenge: it complies with RFC 3834, as far as can be seen.
    pub follows_rfc3834: bool,
}

/// One recipient that a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// The address of the recipient.
    pub mailbox: Option<Mailbox>,
    /// What happened to the message for this recipient (RFC 3464 §2.3.3).
    pub action: Option<DsnAction>,
    /// The enhanced status code (RFC 3463).
    pub status: Option<EnhancedStatus>,
    /// Another host refused the recipient. If false, the reporting MTA itself could not deliver.
    pub remote: bool,
    /// The name or address of the other host, if the report gives it.
    pub remote_mta: Option<String>,
    /// The original was addressed to another address, which an alias or a user's forward expanded
    /// to this one.
    pub expanded: bool,
    /// Why delivery failed.
    pub cause: Cause,
    /// The reply or the explanation that the report quotes for this recipient.
    pub diagnostic: Option<String>,
}

impl ReportedRecipient {
    /// A recipient. Only its address is known.
    pub(super) fn of(mailbox: Option<Mailbox>) -> Self {
        ReportedRecipient { mailbox, ..ReportedRecipient::default() }
    }
}
