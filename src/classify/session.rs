//! What is known of the SMTP session that brought a message.

use std::net::IpAddr;

use crate::mail::{Mailbox, ReversePath};

/// What is known of the SMTP session that brought the message.
///
/// A field is unset if its value is unknown, as it may be for a message from a file.
#[derive(Clone, Debug, Default)]
pub struct SessionFacts {
    /// The address in MAIL FROM.
    pub reverse_path: Option<ReversePath>,
    /// The address of the relay that brought the message.
    pub client: Option<IpAddr>,
    /// The address in RCPT TO.
    pub recipient: Option<Mailbox>,
    /// Number of Received fields at the top that trusted hosts wrote after they took the message
    /// from the relay. The classifier skips these fields.
    pub trusted_hops: usize,
}
