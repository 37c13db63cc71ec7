//! What a session tells its caller.

use crate::relay::Relay;
use crate::time::Span;
use crate::transaction::Transaction;

/// What the listener has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Send this reply, which ends with CR LF.
    Reply(Vec<u8>),
    /// A message was received: make it durable, then call `Session::settle`.
    Message(Box<Transaction>),
    /// A callout: the client named a trap and ended the transaction without a message. Record it.
    Left(Box<Transaction>),
    /// Wait this long before the next reply.
    Pause(Span),
    /// A recipient was named, and the reply follows. A client that guesses is to be slowed down.
    Recipient {
        /// The client; `None` if the mail is handed over by a peer that takes it for other clients.
        client: Option<Relay>,
        /// Whether the recipient is accepted.
        taken: bool,
    },
    /// Start TLS, then call `Session::secured`.
    StartTls,
    /// The session has ended: close the connection.
    Close(SessionEnd),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The client sent QUIT and only waits for the reply.
    Quit,
    /// The server ended the session. The client may still be sending.
    CutOff,
}

/// Usage of a session since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCosts {
    /// Messages, and callouts.
    pub messages: u32,
    /// Octets received.
    pub octets: u64,
    /// Error replies, without 452.
    pub errors: u32,
}
