//! What a session is told at its start: its limits, its texts, its protocol and its peer.

use std::sync::Arc;

use crate::relay::Relay;
use crate::time::Span;

/// Limits of one session. Each states the reply that a client gets beyond it.
#[derive(Clone, Debug)]
pub struct SessionLimits {
    /// Maximum size of a message in octets; 552 beyond.
    pub message_octets_max: usize,
    /// Number of octets of a message to a trap that are kept for classification. The rest is only
    /// counted.
    pub kept_octets_max: usize,
    /// Maximum number of recipients of a message; 452 for each further one.
    pub recipients_max: usize,
    /// Maximum number of messages in a session; 421 beyond.
    pub messages_max: usize,
    /// Number of errors at which the session ends with 421.
    pub errors_max: usize,
    /// Maximum time without a complete command, or without an octet of a message; 421 beyond.
    pub idle_timeout: Span,
    /// Maximum time from MAIL to the end of a message; 421 beyond.
    pub message_timeout: Span,
    /// Maximum delay of an error reply.
    pub tarpit_max: Span,
}

/// The texts of a session that the operator may choose.
#[derive(Clone, Debug)]
pub struct SessionTexts {
    /// The server's host name.
    pub hostname: Arc<str>,
    /// What follows the host name in the greeting.
    pub greeting: String,
    /// Why a recipient is refused that is none of this server's addresses.
    pub refusal: String,
}

impl SessionTexts {
    /// The default text after the host name in the greeting.
    pub const GREETING: &str = "ESMTP";
    /// The default text of a refusal.
    pub const REFUSAL: &str = "Relay access denied";

    /// The default texts of a host.
    pub fn new(hostname: &str) -> Self {
        let (greeting, refusal) = (Self::GREETING.to_owned(), Self::REFUSAL.to_owned());
        SessionTexts { hostname: hostname.into(), greeting, refusal }
    }
}

/// The client of a session and its permissions.
#[derive(Clone, Copy, Debug)]
pub struct SessionPeer {
    /// The client's address, or the one that a proxy named.
    pub relay: Relay,
    /// The peer forwards mail of other clients and has not named the client.
    pub unnamed: bool,
    /// The protocol of the session.
    pub protocol: Protocol,
    /// The peer may use XCLIENT (SMTP only) and XFORWARD.
    pub names_clients: bool,
    /// Whether the client may use STARTTLS.
    pub tls: TlsOffer,
}

/// Whether a client may use STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsOffer {
    /// The server has no certificate.
    None,
    /// STARTTLS is offered.
    Offered,
    /// TLS is in use.
    Active,
}

/// The protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// LMTP, for an MTA in front of this server (RFC 2033): one reply per recipient after a
    /// message.
    Lmtp,
}
