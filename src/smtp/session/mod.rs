//! One SMTP or LMTP session as a state machine without a socket (RFC 5321, RFC 2033, RFC 3030,
//! RFC 3207).
//!
//! The caller passes in received octets and the time; the session returns replies and transactions.
//! `commands.rs` reads and executes command lines. `envelope.rs` and `content.rs` execute those that
//! make a transaction.
//!
//! The session accepts every recipient at a trap domain whose mail comes here, so that a callout (a client
//! that verifies an address and sends no message) can be recognised by its leaving after RCPT. No reply
//! shows that the host is a trap (`replies.rs`).

mod chunk;
mod commands;
mod content;
mod data;
mod envelope;
mod event;
mod input;
mod naming;
mod replies;
mod setup;

use std::collections::VecDeque;
use std::sync::Arc;

pub use event::{SessionCosts, SessionEnd, SessionEvent};
pub use replies::queue_id;
pub use setup::{Protocol, SessionLimits, SessionPeer, SessionTexts, TlsOffer};

use self::chunk::Chunk;
use self::data::DataState;
use self::input::SessionInput;
use self::naming::ClientNaming;
use super::recipients::RecipientDomains;
use crate::time::{Span, Timestamp};
use crate::transaction::Transaction;

/// Octets received are reported in a [`SessionCosts`] when there are at least this many.
const TALLY_OCTETS_MIN: u64 = 16 << 10;
/// Number of errors after which further error replies are delayed.
const ERRORS_FREE: usize = 3;
/// Delay that each further error adds.
const TARPIT_STEP: Span = Span::from_milliseconds(500);

/// An SMTP or LMTP session.
pub struct Session {
    limits: Arc<SessionLimits>,
    recipients: Arc<RecipientDomains>,
    texts: Arc<SessionTexts>,
    peer: SessionPeer,
    /// The client of the next transaction, as named by XFORWARD.
    forwarded: Option<ClientNaming>,
    state: SessionState,
    input: SessionInput,
    now: Timestamp,
    /// When the last reply was sent. The idle timeout runs from then.
    since: Timestamp,
    /// When the open transaction began.
    begun: Timestamp,
    /// Commands since the last message that are not part of a transaction.
    idle_commands: usize,
    helo: Option<String>,
    transaction: Option<Transaction>,
    /// A chunk of the transaction's message was accepted.
    chunked: bool,
    /// A chunk of the transaction was refused, so that further chunks are dropped.
    discarding: bool,
    messages: usize,
    errors: usize,
    tally: SessionCosts,
    /// Events that the caller has not fetched yet.
    queued: VecDeque<SessionEvent>,
}

enum SessionState {
    Command,
    /// Discarding the rest of a line that is too long. The beginning is executed at its end.
    LongLine(Vec<u8>),
    Data(DataState),
    /// Receiving the octets of a chunk (RFC 3030).
    Chunk(Chunk),
    /// Waiting for TLS to start.
    Securing,
    /// Waiting until a message is durable.
    Unsettled(UnsettledMessage),
    Closed(SessionEnd),
}

/// A message that is not durable yet.
#[derive(Clone, Copy)]
struct UnsettledMessage {
    /// The number of replies that follow.
    replies: usize,
    /// The size of the message in octets if it came in chunks.
    chunks: Option<u64>,
}

impl Session {
    /// Starts a session. Its first event is the greeting.
    pub fn new(
        limits: Arc<SessionLimits>,
        recipients: Arc<RecipientDomains>,
        texts: Arc<SessionTexts>,
        peer: SessionPeer,
        now: Timestamp,
    ) -> Self {
        let mut session = Session {
            limits,
            recipients,
            peer,
            forwarded: None,
            state: SessionState::Command,
            input: SessionInput::default(),
            now,
            since: now,
            begun: now,
            idle_commands: 0,
            helo: None,
            transaction: None,
            chunked: false,
            discarding: false,
            messages: 0,
            errors: 0,
            tally: SessionCosts::default(),
            queued: VecDeque::new(),
            texts,
        };
        session.greet();
        session
    }

    /// Adds octets that were received at `now`. After [`Session::next_event`] has returned `None`,
    /// less than a command line of them is left.
    pub fn receive(&mut self, octets: &[u8], now: Timestamp) {
        self.now = now;
        self.tally.octets += octets.len() as u64;
        self.input.receive(octets);
    }

    /// To be called when all replies so far were sent at `now`. The client's idle time runs from
    /// then.
    pub fn replied(&mut self, now: Timestamp) {
        let waited = now.since(self.now);
        if let Some(open) = &mut self.transaction {
            open.waited = open.waited.max(waited);
        }
        self.since = now;
    }

    /// How long the caller may wait for octets. Octets of an incomplete command line do not extend
    /// this time.
    pub fn patience(&self, now: Timestamp) -> Span {
        let limits = &self.limits;
        let whole = match &self.transaction {
            Some(_) => limits.message_timeout.minus(now.since(self.begun)),
            None => limits.message_timeout,
        };
        match self.state {
            SessionState::Data(_) | SessionState::Chunk(_) => limits.idle_timeout.min(whole),
            _ => limits.idle_timeout.minus(now.since(self.since)).min(whole),
        }
    }

    /// To be called when TLS has started. The session discards everything it knows from before
    /// (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Timestamp) {
        debug_assert!(matches!(self.state, SessionState::Securing));
        self.state = SessionState::Command;
        self.peer.tls = TlsOffer::Active;
        (self.helo, self.transaction, self.forwarded) = (None, None, None);
        (self.now, self.since) = (now, now);
    }

    /// The usage since the last call, if it includes a message, an error, or at least 16 KiB.
    pub fn take_tally(&mut self) -> Option<SessionCosts> {
        let SessionCosts { messages, octets, errors } = self.tally;
        (messages > 0 || errors > 0 || octets >= TALLY_OCTETS_MIN).then(|| std::mem::take(&mut self.tally))
    }

    /// The usage that was not reported yet, at the end of the session.
    pub fn rest_of_tally(&mut self) -> SessionCosts {
        std::mem::take(&mut self.tally)
    }

    /// Number of octets held in memory for this session.
    pub fn held_octets(&self) -> usize {
        let line = match &self.state {
            SessionState::LongLine(beginning) => beginning.capacity(),
            _ => 0,
        };
        line + self.input.held_octets() + self.transaction.as_ref().map_or(0, |open| open.message.capacity())
    }

    /// Whether the session waits for a command, so that ending it loses no message.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, SessionState::Command) && self.queued.is_empty()
    }

    /// Whether a client that has disconnected had named a trap in an open transaction. It may have
    /// made a callout or lost its connection, so this is not counted as a callout.
    pub fn is_interrupted(&self) -> bool {
        self.transaction.as_ref().is_some_and(|open| !open.traps.is_empty())
    }

    /// Ends the session because the client exceeded its time.
    pub fn timed_out(&mut self) {
        self.close(&replies::timeout(&self.texts.hostname));
    }

    /// Ends the session because the client, or all clients together, exceeded a rate.
    pub fn overspent(&mut self) {
        self.close(&replies::too_many_connections(&self.texts.hostname, self.peer.relay));
    }

    /// Ends the session in place of the reply to RCPT, because the client's network guesses
    /// recipients. To be called right after [`SessionEvent::Recipient`].
    pub fn turned_away(&mut self) {
        self.queued.clear();
        self.overspent();
    }

    /// Ends the session because the server holds too many octets for all clients together.
    pub fn crowded_out(&mut self) {
        self.close(&replies::local_error(&self.texts.hostname));
    }

    /// Ends the session because the server stops. Messages acknowledged before are durable.
    pub fn stop(&mut self) {
        self.close(&replies::local_error(&self.texts.hostname));
    }

    fn greet(&mut self) {
        self.reply(&replies::greeting(&self.texts, self.peer.protocol));
    }

    fn close(&mut self, text: &str) {
        self.end(text, SessionEnd::CutOff);
    }

    fn end(&mut self, text: &str, ending: SessionEnd) {
        self.reply(text);
        self.state = SessionState::Closed(ending);
        self.transaction = None;
    }

    fn reply(&mut self, text: &str) {
        self.queued.push_back(SessionEvent::Reply([text, "\r\n"].concat().into_bytes()));
    }

    /// Queues an error reply and counts the error.
    fn refuse(&mut self, text: &str) {
        self.errors += 1;
        self.tally.errors += 1;
        self.slow_down();
        self.reply(text);
        if self.errors >= self.limits.errors_max {
            self.close(&replies::too_many_errors(&self.texts.hostname));
        }
    }

    /// Delays the replies to a client that makes many errors, longer with each error. This slows
    /// down clients that guess addresses or flood the server.
    fn slow_down(&mut self) {
        let beyond = self.errors.saturating_sub(ERRORS_FREE);
        let pause = Span::from_milliseconds(TARPIT_STEP.milliseconds().saturating_mul(beyond as i64));
        let pause = pause.min(self.limits.tarpit_max);
        if pause > Span::ZERO {
            self.queued.push_back(SessionEvent::Pause(pause));
        }
    }
}
