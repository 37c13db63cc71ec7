//! One SMTP or LMTP session as a state machine without a socket (RFC 5321, RFC 2033, RFC 3030,
//! RFC 3207).
//!
//! The caller passes in received octets and the time; the session returns replies and transactions.
//!
//! The session accepts every recipient at a trap domain, so that a callout (a client that verifies
//! an address and sends no message) can be recognised by its leaving after RCPT. VRFY gets the same
//! 252 reply for every address, so that it does not reveal which addresses are traps.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memchr;
use smtp_proto::{Error, MAIL_BODY_BINARYMIME, MailFrom, RcptTo, Request};

use super::data::DataState;
use super::naming::{self, ClientNaming};
use super::recipients::{RecipientClass, RecipientDomains};
use crate::intake::{Client, IntakeOutcome, Transaction};
use crate::mail::{Mailbox, ReversePath};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};

/// Maximum length of a command line in octets. RFC 5321 §4.5.3.1.4 requires 512, to which
/// extensions add.
const COMMAND_OCTETS_MAX: usize = 2_048;
/// An empty input buffer with a larger capacity than this, in octets, is released.
const INPUT_OCTETS_KEPT: usize = 512;
/// Maximum number of commands between two messages that are not part of a transaction, such as NOOP
/// and RSET. Beyond it, the session ends with 421.
const IDLE_COMMANDS_MAX: usize = 200;
/// Initial capacity for a message, in octets. Most reports fit into it.
const MESSAGE_OCTETS_USUAL: usize = 8 << 10;
/// Octets received are reported in a [`Tally`] when there are at least this many.
const TALLY_OCTETS_MIN: u64 = 16 << 10;
/// Number of errors after which further error replies are delayed.
const ERRORS_FREE: usize = 3;
/// Delay that each further error adds.
const TARPIT_STEP: Span = Span::from_milliseconds(500);
/// Maximum number of octets of a HELO name that are kept.
const HELO_OCTETS_MAX: usize = 255;

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

/// The protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// LMTP, for an MTA in front of this server (RFC 2033): one reply per recipient after a
    /// message.
    Lmtp,
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
    /// STARTTLS is offered.
    pub tls_offered: bool,
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

/// What the listener has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Send this reply, which ends with CR LF.
    Reply(Vec<u8>),
    /// A message was received: make it durable, then call [`Session::settle`].
    Message(Box<Transaction>),
    /// A callout: the client named a trap and ended the transaction without a message. Record it.
    Left(Box<Transaction>),
    /// Wait this long before the next reply.
    Pause(Span),
    /// Start TLS, then call [`Session::secured`].
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

enum SessionState {
    Command,
    /// Discarding a line that is too long, up to its end.
    LongLine,
    Data(DataState),
    /// Receiving the octets of a chunk (RFC 3030).
    Chunk(Chunk),
    /// Waiting for TLS to start.
    Securing,
    /// Waiting until a message is durable. This many replies follow.
    Unsettled(usize),
    Closed(SessionEnd),
}

/// One BDAT command.
#[derive(Clone, Copy)]
struct Chunk {
    octets: usize,
    left: usize,
    last: bool,
    fate: ChunkFate,
}

/// Whether a chunk's octets are kept. Clients send them without waiting for a reply, so they are
/// read in any case.
#[derive(Clone, Copy)]
enum ChunkFate {
    /// They belong to the message.
    Taken,
    /// There is no transaction or it has no recipient; 503.
    Unwanted,
    /// The message is too large; 552.
    TooMuch,
}

/// An SMTP or LMTP session.
pub struct Session {
    limits: Arc<SessionLimits>,
    recipients: Arc<RecipientDomains>,
    hostname: Arc<str>,
    peer: SessionPeer,
    /// The client of the next transaction, as named by XFORWARD.
    forwarded: Option<ClientNaming>,
    secure: bool,
    state: SessionState,
    input: Vec<u8>,
    /// Number of octets of `input` that were consumed.
    read: usize,
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
    messages: usize,
    errors: usize,
    tally: SessionCosts,
    /// Events that the caller has not fetched yet.
    queued: std::collections::VecDeque<SessionEvent>,
}

impl Session {
    /// Starts a session. Its first event is the greeting.
    pub fn new(
        limits: Arc<SessionLimits>,
        recipients: Arc<RecipientDomains>,
        hostname: Arc<str>,
        peer: SessionPeer,
        now: Timestamp,
    ) -> Self {
        let mut session = Session {
            limits,
            recipients,
            peer,
            forwarded: None,
            secure: false,
            state: SessionState::Command,
            input: Vec::new(),
            read: 0,
            now,
            since: now,
            begun: now,
            idle_commands: 0,
            helo: None,
            transaction: None,
            chunked: false,
            messages: 0,
            errors: 0,
            tally: SessionCosts::default(),
            queued: std::collections::VecDeque::new(),
            hostname,
        };
        session.greet();
        session
    }

    fn greet(&mut self) {
        let protocol = match self.peer.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        self.reply(&format!("220 {} {protocol}", self.hostname));
    }

    /// Adds octets that were received at `now`. After [`Session::next_event`] has returned `None`,
    /// less than a command line of them is left.
    pub fn receive(&mut self, octets: &[u8], now: Timestamp) {
        self.now = now;
        self.tally.octets += octets.len() as u64;
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend_from_slice(octets);
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
        self.secure = true;
        self.peer.tls_offered = false;
        (self.helo, self.transaction, self.forwarded) = (None, None, None);
        (self.now, self.since) = (now, now);
    }

    /// The usage that was not reported yet, at the end of the session.
    pub fn rest_of_tally(&mut self) -> SessionCosts {
        std::mem::take(&mut self.tally)
    }

    /// The usage since the last call, if it includes a message, an error, or at least 16 KiB.
    pub fn take_tally(&mut self) -> Option<SessionCosts> {
        let SessionCosts { messages, octets, errors } = self.tally;
        (messages > 0 || errors > 0 || octets >= TALLY_OCTETS_MIN).then(|| std::mem::take(&mut self.tally))
    }

    /// The next event; `None` while the session waits for octets, for TLS, or for
    /// [`Session::settle`].
    pub fn next_event(&mut self) -> Option<SessionEvent> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Some(event);
            }
            let moved = match self.state {
                SessionState::Command | SessionState::LongLine => self.line(),
                SessionState::Data(_) => self.data(),
                SessionState::Chunk(_) => self.chunk(),
                SessionState::Unsettled(_) | SessionState::Securing => false,
                SessionState::Closed(ending) => return Some(SessionEvent::Close(ending)),
            };
            if !moved {
                return None;
            }
        }
    }

    /// Passes in the outcome of the last [`Event::Message`] and queues the replies to it.
    pub fn settle(&mut self, outcome: &IntakeOutcome) {
        debug_assert!(matches!(self.state, SessionState::Unsettled(_)));
        let SessionState::Unsettled(recipients) = self.state else { return };
        self.state = SessionState::Command;
        let reply = match outcome {
            IntakeOutcome::Durable { id } => format!("250 2.0.0 Ok: queued as {id}"),
            IntakeOutcome::Later => "451 4.3.0 Temporary local error, try again later".to_owned(),
        };
        for _ in 0..recipients {
            self.reply(&reply);
        }
    }

    /// Ends the session because the client exceeded its time.
    pub fn timed_out(&mut self) {
        self.close("421 4.4.2 Timeout exceeded");
    }

    /// Number of octets held in memory for this session.
    pub fn held_octets(&self) -> usize {
        self.input.len() + self.transaction.as_ref().map_or(0, |open| open.message.capacity())
    }

    /// Ends the session because the client, or all clients together, exceeded a rate.
    pub fn overspent(&mut self) {
        self.close("421 4.7.0 Rate limit exceeded, try again later");
    }

    /// Whether a client that has disconnected had named a trap in an open transaction. It may have
    /// made a callout or lost its connection, so this is not counted as a callout.
    pub fn is_interrupted(&self) -> bool {
        self.transaction.as_ref().is_some_and(|open| !open.traps.is_empty())
    }

    /// Ends the session because the server holds too many octets for all clients together.
    pub fn crowded_out(&mut self) {
        self.close("421 4.3.1 Insufficient system resources, try again later");
    }

    /// Ends the session because the server stops. Messages acknowledged before are durable.
    pub fn stop(&mut self) {
        self.close("421 4.3.2 Service shutting down, try again later");
    }

    /// Whether the session waits for a command, so that ending it loses no message.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, SessionState::Command) && self.queued.is_empty()
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
            self.close("421 4.7.0 Too many errors");
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

    fn consume(&mut self, octets: usize) {
        self.read += octets;
        if self.read >= self.input.len() {
            // Thousands of sessions may be idle for minutes, so only a small buffer is kept.
            if self.input.capacity() > INPUT_OCTETS_KEPT {
                self.input = Vec::new();
            }
            self.input.clear();
            self.read = 0;
        }
    }

    /// Reads and executes one command line, if it is complete. `false` if it is not.
    fn line(&mut self) -> bool {
        let waiting = &self.input[self.read..];
        let end = memchr(b'\n', waiting);
        let long = matches!(self.state, SessionState::LongLine);
        match end {
            Some(end) if long => {
                self.consume(end + 1);
                self.state = SessionState::Command;
                self.refuse("500 5.5.2 Line too long");
            }
            Some(end) => {
                let line = waiting[..end].strip_suffix(b"\r").unwrap_or(&waiting[..end]);
                if line.len() > COMMAND_OCTETS_MAX {
                    self.consume(end + 1);
                    self.refuse("500 5.5.2 Line too long");
                } else {
                    // The parser requires CR LF at the end. The client may have sent a bare LF.
                    let ended = [line, b"\r\n"].concat();
                    self.consume(end + 1);
                    self.command(&ended, ended.len() - 2);
                }
            }
            None if waiting.len() > COMMAND_OCTETS_MAX => {
                self.consume(waiting.len());
                self.state = SessionState::LongLine;
            }
            None => return false,
        }
        true
    }

    /// Executes a command line. It is `ended[..end]`; CR LF follows it.
    fn command(&mut self, ended: &[u8], end: usize) {
        let line = &ended[..end];
        if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
            return self.refuse("500 5.5.2 Syntax error: control character in command");
        }
        if std::str::from_utf8(line).is_err() {
            return self.refuse("500 5.5.2 Bad UTF-8 syntax");
        }
        if let Some(command) = naming::NamingCommand::parse(line) {
            return self.name_client(command);
        }
        let protocol = self.peer.protocol;
        let request = Request::parse(&mut ended.iter());
        let brings = matches!(
            request,
            Ok(Request::Mail { .. }
                | Request::Rcpt { .. }
                | Request::Data
                | Request::Bdat { .. }
                | Request::Quit)
        );
        self.idle_commands += usize::from(!brings);
        if self.idle_commands > IDLE_COMMANDS_MAX {
            return self.close("421 4.7.0 Too many commands without a message");
        }
        match request {
            Ok(Request::Ehlo { host }) if protocol == Protocol::Smtp => self.ehlo(&host),
            Ok(Request::Lhlo { host }) if protocol == Protocol::Lmtp => self.ehlo(&host),
            Ok(Request::Helo { host }) if protocol == Protocol::Smtp => {
                self.hello(&host, format!("250 {}", self.hostname));
            }
            Ok(Request::Ehlo { .. } | Request::Helo { .. }) => {
                self.refuse("500 5.5.1 Command not recognized: this is LMTP, send LHLO")
            }
            Ok(Request::Lhlo { .. }) => {
                self.refuse("500 5.5.1 Command not recognized: this is SMTP, send EHLO")
            }
            Ok(Request::StartTls) if self.peer.tls_offered => self.start_tls(),
            Ok(Request::Bdat { chunk_size, is_last }) => self.start_chunk(chunk_size, is_last),
            Ok(Request::Mail { from }) => self.mail(&from, names_postmaster(line)),
            Ok(Request::Rcpt { to }) => self.rcpt(&to, names_postmaster(line)),
            Ok(Request::Data) => self.start_data(),
            Ok(Request::Rset) => {
                self.forwarded = None;
                self.leave();
                self.reply("250 2.0.0 Ok");
            }
            Ok(Request::Noop { .. }) => self.reply("250 2.0.0 Ok"),
            Ok(Request::Vrfy { .. }) => self.reply("252 2.1.5 Cannot VRFY user, but will accept message"),
            Ok(Request::Help { .. }) => {
                self.reply("214 2.0.0 This host accepts mail as in RFC 5321 and sends none")
            }
            Ok(Request::Quit) => {
                self.leave();
                self.end("221 2.0.0 Bye", SessionEnd::Quit);
            }
            Ok(_) => self.refuse("502 5.5.1 Command not implemented"),
            Err(Error::InvalidSenderAddress) => {
                self.forwarded = None;
                self.refuse("553 5.1.7 Bad sender address syntax");
            }
            Err(Error::InvalidRecipientAddress) => self.refuse("553 5.1.3 Bad recipient address syntax"),
            Err(Error::SyntaxError { syntax }) => self.refuse(&format!("501 5.5.2 Syntax: {syntax}")),
            Err(Error::InvalidParameter { .. }) => self.refuse("501 5.5.4 Syntax: invalid parameter value"),
            Err(Error::UnsupportedParameter { .. }) => self.refuse("555 5.5.4 Unsupported option"),
            Err(_) => self.refuse("500 5.5.2 Command not recognized"),
        }
    }

    fn ehlo(&mut self, host: &str) {
        let mut hello = format!(
            "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n",
            self.hostname, self.limits.message_octets_max
        );
        if self.peer.tls_offered {
            hello += "250-STARTTLS\r\n";
        }
        if self.peer.names_clients {
            hello += &naming::offers(self.peer.protocol == Protocol::Smtp);
        }
        hello += "250 HELP";
        self.hello(host, hello);
    }

    /// Discards what the client sent after STARTTLS without waiting, because it was not encrypted
    /// (RFC 3207 §4.2).
    fn start_tls(&mut self) {
        self.input.clear();
        self.read = 0;
        self.state = SessionState::Securing;
        self.reply("220 2.0.0 Ready to start TLS");
        self.queued.push_back(SessionEvent::StartTls);
    }

    /// Executes XCLIENT, which names the client of the session, or XFORWARD, which names that of
    /// the next transaction.
    fn name_client(&mut self, command: Result<naming::NamingCommand, &'static str>) {
        if !self.peer.names_clients {
            return self.refuse("550 5.7.0 Insufficient authorization");
        }
        if self.transaction.is_some() {
            return self.refuse("503 5.5.1 Bad sequence of commands: transaction in progress, use RSET");
        }
        match command {
            Err(problem) => self.refuse(&format!("501 5.5.4 {problem}")),
            Ok(naming::NamingCommand::Client(_)) if self.peer.protocol == Protocol::Lmtp => {
                self.refuse("502 5.5.1 Command not implemented: use XFORWARD with LMTP");
            }
            Ok(naming::NamingCommand::Client(named)) => {
                if let Some(relay) = named.relay() {
                    // From now on the commands are the client's, through the proxy. It may not name
                    // another client.
                    self.peer.relay = relay;
                    (self.peer.unnamed, self.peer.names_clients) = (false, false);
                }
                self.helo = named.helo;
                self.forwarded = None;
                self.greet();
            }
            Ok(naming::NamingCommand::Forward(named)) => {
                self.forwarded.get_or_insert_default().add(named);
                self.reply("250 2.0.0 Ok");
            }
        }
    }

    /// The client of the transaction that begins, and its HELO name.
    fn client(&self, forwarded: Option<ClientNaming>, helo: String) -> (Client, String) {
        let mta = self.peer.relay;
        match (self.peer.protocol, forwarded) {
            (Protocol::Smtp, None) if self.peer.unnamed => (Client::Unnamed(mta), helo),
            (Protocol::Smtp, None) => (Client::Relay(mta), helo),
            (Protocol::Lmtp, None) => (Client::Front { mta, named: None }, helo),
            (protocol, Some(named)) => {
                let client = match (protocol, named.relay()) {
                    (Protocol::Smtp, None) => Client::Unnamed(mta),
                    (_, relay) => Client::Front { mta, named: relay },
                };
                (client, named.helo.unwrap_or(helo))
            }
        }
    }

    /// EHLO and HELO also reset the transaction (RFC 5321 §4.1.4).
    fn hello(&mut self, host: &str, reply: String) {
        (self.transaction, self.forwarded) = (None, None);
        self.helo = Some(host[..host.floor_char_boundary(HELO_OCTETS_MAX)].to_owned());
        self.reply(&reply);
    }

    fn mail(&mut self, from: &MailFrom<Cow<'_, str>>, postmaster: bool) {
        let Some(helo) = self.helo.clone() else {
            return self.refuse("503 5.5.1 Bad sequence of commands: send EHLO, HELO or LHLO first");
        };
        if self.transaction.is_some() {
            return self.refuse("503 5.5.1 Bad sequence of commands: transaction in progress, use RSET");
        }
        // XFORWARD applies to one transaction only, even if that one is refused.
        let forwarded = self.forwarded.take();
        if self.messages >= self.limits.messages_max {
            return self.close("421 4.7.0 Too many messages in one session");
        }
        if from.size > self.limits.message_octets_max {
            return self.refuse(&format!(
                "552 5.3.4 Message size exceeds fixed limit of {} octets",
                self.limits.message_octets_max
            ));
        }
        if from.flags & MAIL_BODY_BINARYMIME != 0 {
            return self.refuse("555 5.6.1 Unsupported option: BODY=BINARYMIME (RFC 3030)");
        }
        let (client, helo) = self.client(forwarded, helo);
        self.chunked = false;
        self.begun = self.now;
        self.transaction = Some(Transaction {
            seen_at: self.now,
            client,
            helo,
            reverse_path: ReversePath::parse(if postmaster { "postmaster" } else { &from.address }),
            traps: Vec::new(),
            operators: Vec::new(),
            donors: Vec::new(),
            message: Vec::new(),
            octets: 0,
            waited: Span::ZERO,
        });
        self.reply("250 2.1.0 Ok");
    }

    fn rcpt(&mut self, to: &RcptTo<Cow<'_, str>>, postmaster: bool) {
        let own = || format!("postmaster@{}", self.hostname);
        // The parser has removed the quotes of a quoted local part.
        match Mailbox::unquoted(&if postmaster { own() } else { to.address.to_string() }) {
            Some(mailbox) => self.recipient(mailbox),
            None => self.refuse("553 5.1.3 Bad recipient address syntax"),
        }
    }

    fn recipient(&mut self, mailbox: Mailbox) {
        let Some(transaction) = &mut self.transaction else {
            return self.refuse("503 5.5.1 Bad sequence of commands: need MAIL command");
        };
        if self.chunked {
            return self.refuse("503 5.5.1 Bad sequence of commands: message in progress, send BDAT or RSET");
        }
        if transaction.recipients() >= self.limits.recipients_max {
            return self.reply("452 4.5.3 Too many recipients");
        }
        match self.recipients.of(&mailbox) {
            RecipientClass::Trap => transaction.traps.push(mailbox),
            RecipientClass::Operator => transaction.operators.push(mailbox),
            RecipientClass::Donor(donor) => {
                if !transaction.donors.contains(&donor) {
                    transaction.donors.push(donor);
                }
            }
            RecipientClass::Unknown => {
                return self.refuse("550 5.7.1 Recipient address rejected: Access denied");
            }
        }
        self.reply("250 2.1.5 Ok");
    }

    fn start_data(&mut self) {
        match &self.transaction {
            None => self.refuse("503 5.5.1 Bad sequence of commands: need MAIL command"),
            Some(_) if self.chunked => {
                self.refuse("503 5.5.1 Bad sequence of commands: DATA after BDAT (RFC 3030 section 2)");
            }
            Some(open) if open.recipients() == 0 => {
                // RFC 2033 §4.2 requires 503 for LMTP.
                let code = if self.peer.protocol == Protocol::Lmtp { "503" } else { "554" };
                self.refuse(&format!("{code} 5.5.1 No valid recipients"));
            }
            Some(_) => {
                self.state = SessionState::Data(DataState::default());
                if let Some(open) = &mut self.transaction {
                    open.message.reserve(MESSAGE_OCTETS_USUAL);
                }
                self.reply("354 End data with <CR><LF>.<CR><LF>");
            }
        }
    }

    /// Reads available octets of a message. Only CR LF dot CR LF ends it, which prevents SMTP
    /// smuggling.
    fn data(&mut self) -> bool {
        let (SessionState::Data(receiver), Some(open)) = (&mut self.state, &mut self.transaction) else {
            return false;
        };
        let waiting = &self.input[self.read..];
        if waiting.is_empty() {
            return false;
        }
        let before = open.message.len();
        let (consumed, done) = receiver.read(waiting, &mut open.message);
        open.octets += (open.message.len() - before) as u64;
        keep(open, &self.limits);
        self.consume(consumed);
        if done {
            self.end_data();
        }
        true
    }

    fn start_chunk(&mut self, octets: usize, last: bool) {
        if octets > self.limits.message_octets_max {
            // The session ends, because reading the whole chunk would take too long.
            self.refuse(&format!(
                "552 5.3.4 Message size exceeds fixed limit of {} octets",
                self.limits.message_octets_max
            ));
            return self.close("421 4.7.0 Chunk too large");
        }
        let fate = match &self.transaction {
            Some(open) if open.recipients() == 0 => ChunkFate::Unwanted,
            Some(open) if open.octets + octets as u64 > self.limits.message_octets_max as u64 => {
                ChunkFate::TooMuch
            }
            Some(_) => ChunkFate::Taken,
            None => ChunkFate::Unwanted,
        };
        self.chunked = matches!(fate, ChunkFate::Taken);
        self.state = SessionState::Chunk(Chunk { octets, left: octets, last, fate });
    }

    /// Reads available octets of a chunk and queues the reply at its end (RFC 3030 §2).
    fn chunk(&mut self) -> bool {
        let SessionState::Chunk(chunk) = &mut self.state else { return false };
        let waiting = &self.input[self.read..];
        let count = waiting.len().min(chunk.left);
        if count == 0 && chunk.left > 0 {
            return false;
        }
        chunk.left -= count;
        let chunk = *chunk;
        if let (ChunkFate::Taken, Some(open)) = (chunk.fate, &mut self.transaction) {
            open.message.extend_from_slice(&waiting[..count]);
            open.octets += count as u64;
            keep(open, &self.limits);
        }
        self.consume(count);
        if chunk.left > 0 {
            return true;
        }
        self.state = SessionState::Command;
        match chunk.fate {
            ChunkFate::Taken if chunk.last => self.end_data(),
            ChunkFate::Taken => self.reply(&format!("250 2.0.0 Ok: {} octets received", chunk.octets)),
            ChunkFate::Unwanted => self.refuse("503 5.5.1 No valid recipients"),
            ChunkFate::TooMuch => {
                let recipients = self.transaction.take().map_or(1, |open| open.recipients());
                self.refuse_message(if chunk.last { recipients } else { 1 });
            }
        }
        true
    }

    /// Refuses a message after its end: in LMTP with one reply per recipient (RFC 2033 §4.2).
    fn refuse_message(&mut self, recipients: usize) {
        let text = format!(
            "552 5.3.4 Message size exceeds fixed limit of {} octets",
            self.limits.message_octets_max
        );
        if self.peer.protocol == Protocol::Lmtp {
            (1..recipients).for_each(|_| self.reply(&text));
        }
        self.refuse(&text);
    }

    fn end_data(&mut self) {
        self.state = SessionState::Command;
        let Some(mut transaction) = self.transaction.take() else { return };
        if transaction.octets > self.limits.message_octets_max as u64 {
            return self.refuse_message(transaction.recipients());
        }
        self.messages += 1;
        self.idle_commands = 0;
        self.tally.messages += 1;
        transaction.seen_at = self.now;
        self.state = SessionState::Unsettled(match self.peer.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => transaction.recipients(),
        });
        self.queued.push_back(SessionEvent::Message(Box::new(transaction)));
    }

    /// Ends a transaction without a message. If it named a trap and looks like a probe, it is
    /// recorded as a callout.
    fn leave(&mut self) {
        let begun = std::mem::take(&mut self.chunked);
        if let Some(transaction) =
            self.transaction.take().filter(|open| !begun && !open.traps.is_empty() && probes(open))
        {
            // A callout adds an entry to the journal as a message does, so it counts as a message.
            self.messages += 1;
            self.tally.messages += 1;
            self.queued.push_back(SessionEvent::Left(Box::new(transaction)));
        }
    }
}

/// Truncates the message to what is kept. A message to the operator or from a donor is kept whole,
/// unless it is too large and will be refused.
fn keep(open: &mut Transaction, limits: &SessionLimits) {
    if open.operators.is_empty() && open.donors.is_empty() {
        open.message.truncate(limits.kept_octets_max);
    } else {
        open.message.truncate(limits.message_octets_max.saturating_add(1));
    }
}

/// Whether the path in a command line is `<postmaster>`, which needs no domain (RFC 5321 §4.1.1.3).
/// The parser returns the same for it as for `<>`.
fn names_postmaster(line: &[u8]) -> bool {
    let path = line.splitn(2, |&octet| octet == b':').nth(1).unwrap_or_default().trim_ascii_start();
    path.get(..12).is_some_and(|path| path.eq_ignore_ascii_case(b"<postmaster>"))
}

/// Whether a transaction could be a callout: its reverse-path is null, or an address that MTAs use
/// for probes.
fn probes(transaction: &Transaction) -> bool {
    match &transaction.reverse_path {
        ReversePath::Null => true,
        ReversePath::Address(address) => {
            let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
            matches!(local.as_str(), "double-bounce" | "postmaster" | "mailer-daemon")
        }
    }
}
