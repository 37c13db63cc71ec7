//! One SMTP or LMTP session as a value: octets and the time go in, replies and transactions come out (RFC 5321, 2033, 3030, 3207).
//!
//! It waits for the message whatever the recipient, so that a callout shows itself by leaving; it answers VRFY with 252
//! alike for everyone, so that nobody learns which addresses are traps.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memchr;
use smtp_proto::{Error, MAIL_BODY_BINARYMIME, MailFrom, RcptTo, Request};

use super::data::Data;
use super::naming::{self, Named};
use super::recipients::{Recipient, Recipients};
use crate::intake::{Client, Outcome, Transaction};
use crate::mail::{Mailbox, ReversePath};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};

/// Most octets of one command line: RFC 5321 §4.5.3.1.4 asks for 512, and extensions add to it.
const COMMAND_OCTETS_MAX: usize = 2_048;
/// Octets of a client's buffer that are kept while it is empty.
const INPUT_OCTETS_KEPT: usize = 512;
/// Commands that bring no message, such as NOOP and RSET, between two messages; 421 beyond.
const IDLE_COMMANDS_MAX: usize = 200;
/// Octets of most reports: a message has as much room from the beginning.
const MESSAGE_OCTETS_USUAL: usize = 8 << 10;
/// Octets that are counted together.
const TALLY_OCTETS_MIN: u64 = 16 << 10;
/// Errors that cost no time.
const ERRORS_FREE: usize = 3;
/// What each further error adds to the time that a client waits.
const TARPIT_STEP: Span = Span::from_milliseconds(500);
/// Most octets of a HELO name that are kept.
const HELO_OCTETS_MAX: usize = 255;

/// What a session may cost, each with the reply that tells the client.
#[derive(Clone, Debug)]
pub struct Limits {
    /// 552: a larger message is not taken.
    pub message_octets_max: usize,
    /// Octets of a message that are kept for judging; the rest is counted.
    pub kept_octets_max: usize,
    /// 452: further recipients are not taken.
    pub recipients_max: usize,
    /// 421: the session ends.
    pub messages_max: usize,
    /// 421: the session ends.
    pub errors_max: usize,
    /// 421: the session ends when no whole command comes for so long, or nothing of a message.
    pub idle_timeout: Span,
    /// 421: the session ends when a message takes longer.
    pub message_timeout: Span,
    /// The longest that a client who errs is kept waiting for a reply.
    pub tarpit_max: Span,
}

/// What the two protocols differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// For an MTA in front (RFC 2033): one reply for every recipient.
    Lmtp,
}

/// Who a session is with, and what it may say.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub relay: Relay,
    /// It speaks for others, and has not said for whom.
    pub unnamed: bool,
    pub protocol: Protocol,
    /// It may say for whom it speaks (XCLIENT, XFORWARD).
    pub names_clients: bool,
    pub tls_offered: bool,
}

/// What a session has cost since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub messages: u32,
    pub octets: u64,
    pub errors: u32,
}

/// What the listener has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Reply(Vec<u8>),
    /// A message came: make it durable, then `settle`.
    Message(Box<Transaction>),
    /// The client named a trap and left without a message: note it.
    Left(Box<Transaction>),
    /// Wait before the next reply.
    Pause(Span),
    /// Begin TLS, then tell by `secured`.
    StartTls,
    /// Nothing more to say.
    Close(Ending),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client said that it was done, and waits for nothing but the reply.
    Quit,
    /// We ended it; the client may be sending still.
    CutOff,
}

enum State {
    Command,
    /// A line that is too long, up to its end.
    LongLine,
    Data(Data),
    /// Octets of a chunk that are still to come (RFC 3030).
    Chunk(Chunk),
    /// TLS is being begun.
    Securing,
    /// A message is on its way to being durable; so many replies are due then.
    Unsettled(usize),
    Closed(Ending),
}

/// One BDAT.
#[derive(Clone, Copy)]
struct Chunk {
    octets: usize,
    left: usize,
    last: bool,
    fate: Fate,
}

/// What becomes of a chunk's octets. Clients send them without waiting, so they have to be read in any case.
#[derive(Clone, Copy)]
enum Fate {
    Taken,
    /// 503: there is nobody to take them for.
    Unwanted,
    /// 552
    TooMuch,
}

pub struct Session {
    limits: Arc<Limits>,
    recipients: Arc<Recipients>,
    hostname: Arc<str>,
    peer: Peer,
    /// Whom the peer says the next transaction is from (XFORWARD).
    forwarded: Option<Named>,
    secure: bool,
    state: State,
    input: Vec<u8>,
    /// How much of the input was read.
    read: usize,
    now: Timestamp,
    /// Since when the client has had the word.
    since: Timestamp,
    /// When the open transaction was begun.
    begun: Timestamp,
    /// Commands since the last message that bring none.
    idle_commands: usize,
    helo: Option<String>,
    transaction: Option<Transaction>,
    /// A part of the transaction's message has come.
    chunked: bool,
    messages: usize,
    errors: usize,
    tally: Tally,
    /// Events that came of one command together.
    queued: std::collections::VecDeque<Event>,
}

impl Session {
    /// A session that has greeted its client.
    pub fn new(
        limits: Arc<Limits>,
        recipients: Arc<Recipients>,
        hostname: Arc<str>,
        peer: Peer,
        now: Timestamp,
    ) -> Self {
        let mut session = Session {
            limits,
            recipients,
            peer,
            forwarded: None,
            secure: false,
            state: State::Command,
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
            tally: Tally::default(),
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
        self.reply(&format!("220 {} {protocol} backscatterd", self.hostname));
    }

    /// Takes octets that came at a time. What `next_event` leaves of them is less than a command line.
    pub fn receive(&mut self, octets: &[u8], now: Timestamp) {
        self.now = now;
        self.tally.octets += octets.len() as u64;
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend_from_slice(octets);
    }

    /// The replies so far were sent; the client has the word.
    pub fn replied(&mut self, now: Timestamp) {
        let waited = now.since(self.now);
        if let Some(open) = &mut self.transaction {
            open.waited = open.waited.max(waited);
        }
        self.since = now;
    }

    /// How much longer to wait for octets, now. Octets of an unfinished command line win no time.
    pub fn patience(&self, now: Timestamp) -> Span {
        let limits = &self.limits;
        let whole = match &self.transaction {
            Some(_) => limits.message_timeout.minus(now.since(self.begun)),
            None => limits.message_timeout,
        };
        match self.state {
            State::Data(_) | State::Chunk(_) => limits.idle_timeout.min(whole),
            _ => limits.idle_timeout.minus(now.since(self.since)).min(whole),
        }
    }

    /// TLS was begun; what was said before it counts no more (RFC 3207 §4.2).
    pub fn secured(&mut self, now: Timestamp) {
        debug_assert!(matches!(self.state, State::Securing));
        self.state = State::Command;
        self.secure = true;
        self.peer.tls_offered = false;
        (self.helo, self.transaction, self.forwarded) = (None, None, None);
        (self.now, self.since) = (now, now);
    }

    /// What is left to count at the end.
    pub fn rest_of_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// What the session has cost since this was asked last, once it is worth counting.
    pub fn take_tally(&mut self) -> Option<Tally> {
        let Tally { messages, octets, errors } = self.tally;
        (messages > 0 || errors > 0 || octets >= TALLY_OCTETS_MIN).then(|| std::mem::take(&mut self.tally))
    }

    /// The next thing to do; `None` while the session waits for octets or for a message to be settled.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Some(event);
            }
            let moved = match self.state {
                State::Command | State::LongLine => self.line(),
                State::Data(_) => self.data(),
                State::Chunk(_) => self.chunk(),
                State::Unsettled(_) | State::Securing => false,
                State::Closed(ending) => return Some(Event::Close(ending)),
            };
            if !moved {
                return None;
            }
        }
    }

    /// Tells what became of the message of the last `Event::Message`.
    pub fn settle(&mut self, outcome: &Outcome) {
        debug_assert!(matches!(self.state, State::Unsettled(_)));
        let State::Unsettled(recipients) = self.state else { return };
        self.state = State::Command;
        let reply = match outcome {
            Outcome::Durable { id } => format!("250 2.0.0 taken as {id}"),
            Outcome::Later => "451 4.3.0 can't be kept safely now, come back later".to_owned(),
        };
        for _ in 0..recipients {
            self.reply(&reply);
        }
    }

    /// The client was silent for too long.
    pub fn timed_out(&mut self) {
        self.close("421 4.4.2 nothing came for too long");
    }

    /// Octets that are held for this client.
    pub fn held_octets(&self) -> usize {
        self.input.len() + self.transaction.as_ref().map_or(0, |open| open.message.capacity())
    }

    /// The client, or all of them together, sent more than is taken in such a time.
    pub fn overspent(&mut self) {
        self.close("421 4.7.0 too much for now, come back later");
    }

    /// The client is gone: whether it named a trap and sent nothing. That may be a callout or a broken line, so it counts for neither.
    pub fn is_interrupted(&self) -> bool {
        self.transaction.as_ref().is_some_and(|open| !open.traps.is_empty())
    }

    /// All clients together have more on its way than the server can hold.
    pub fn crowded_out(&mut self) {
        self.close("421 4.3.1 too much mail is on its way here, come back later");
    }

    /// The server stops; what was acknowledged is safe.
    pub fn stop(&mut self) {
        self.close("421 4.3.2 going down, come back later");
    }

    /// Whether a stop would cost the client nothing but its connection.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Command) && self.queued.is_empty()
    }

    fn close(&mut self, text: &str) {
        self.end(text, Ending::CutOff);
    }

    fn end(&mut self, text: &str, ending: Ending) {
        self.reply(text);
        self.state = State::Closed(ending);
        self.transaction = None;
    }

    fn reply(&mut self, text: &str) {
        self.queued.push_back(Event::Reply([text, "\r\n"].concat().into_bytes()));
    }

    /// A reply that counts as an error of the client's.
    fn refuse(&mut self, text: &str) {
        self.errors += 1;
        self.tally.errors += 1;
        self.slow_down();
        self.reply(text);
        if self.errors >= self.limits.errors_max {
            self.close("421 4.7.0 too many errors");
        }
    }

    /// A client that goes on erring waits longer and longer: what guesses or floods has no use for it.
    fn slow_down(&mut self) {
        let beyond = self.errors.saturating_sub(ERRORS_FREE);
        let pause = Span::from_milliseconds(TARPIT_STEP.milliseconds().saturating_mul(beyond as i64));
        let pause = pause.min(self.limits.tarpit_max);
        if pause > Span::ZERO {
            self.queued.push_back(Event::Pause(pause));
        }
    }

    fn consume(&mut self, octets: usize) {
        self.read += octets;
        if self.read >= self.input.len() {
            // Thousands of clients sit idle for minutes: a buffer is kept only where it is small.
            if self.input.capacity() > INPUT_OCTETS_KEPT {
                self.input = Vec::new();
            }
            self.input.clear();
            self.read = 0;
        }
    }

    /// Reads one command line, if it is there whole.
    fn line(&mut self) -> bool {
        let waiting = &self.input[self.read..];
        let end = memchr(b'\n', waiting);
        let long = matches!(self.state, State::LongLine);
        match end {
            Some(end) if long => {
                self.consume(end + 1);
                self.state = State::Command;
                self.refuse("500 5.5.2 line too long");
            }
            Some(end) => {
                let line = waiting[..end].strip_suffix(b"\r").unwrap_or(&waiting[..end]);
                if line.len() > COMMAND_OCTETS_MAX {
                    self.consume(end + 1);
                    self.refuse("500 5.5.2 line too long");
                } else {
                    // The parser wants the end of the line; it is given one that is right whatever the client sent.
                    let ended = [line, b"\r\n"].concat();
                    self.consume(end + 1);
                    self.command(&ended, ended.len() - 2);
                }
            }
            None if waiting.len() > COMMAND_OCTETS_MAX => {
                self.consume(waiting.len());
                self.state = State::LongLine;
            }
            None => return false,
        }
        true
    }

    /// Does what a command line says, which goes up to `end` and has CR LF behind it.
    fn command(&mut self, ended: &[u8], end: usize) {
        let line = &ended[..end];
        if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
            return self.refuse("500 5.5.2 control characters in a command");
        }
        if std::str::from_utf8(line).is_err() {
            return self.refuse("500 5.5.2 not UTF-8");
        }
        if let Some(command) = naming::Command::parse(line) {
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
            return self.close("421 4.7.0 too many commands and no message");
        }
        match request {
            Ok(Request::Ehlo { host }) if protocol == Protocol::Smtp => self.ehlo(&host),
            Ok(Request::Lhlo { host }) if protocol == Protocol::Lmtp => self.ehlo(&host),
            Ok(Request::Helo { host }) if protocol == Protocol::Smtp => {
                self.hello(&host, format!("250 {}", self.hostname));
            }
            Ok(Request::Ehlo { .. } | Request::Helo { .. }) => {
                self.refuse("500 5.5.1 this is LMTP; say LHLO")
            }
            Ok(Request::Lhlo { .. }) => self.refuse("500 5.5.1 this is SMTP; say EHLO"),
            Ok(Request::StartTls) if self.peer.tls_offered => self.start_tls(),
            Ok(Request::Bdat { chunk_size, is_last }) => self.start_chunk(chunk_size, is_last),
            Ok(Request::Mail { from }) => self.mail(&from, names_postmaster(line)),
            Ok(Request::Rcpt { to }) => self.rcpt(&to, names_postmaster(line)),
            Ok(Request::Data) => self.start_data(),
            Ok(Request::Rset) => {
                self.forwarded = None;
                self.leave();
                self.reply("250 2.0.0 forgotten");
            }
            Ok(Request::Noop { .. }) => self.reply("250 2.0.0 nothing done"),
            Ok(Request::Vrfy { .. }) => self.reply("252 2.1.5 send some mail and see"),
            Ok(Request::Help { .. }) => self.reply("214 2.0.0 this host takes mail in and sends none"),
            Ok(Request::Quit) => {
                self.leave();
                self.end(&format!("221 2.0.0 {} closes", self.hostname), Ending::Quit);
            }
            Ok(_) => self.refuse("502 5.5.1 not implemented"),
            Err(Error::InvalidSenderAddress) => {
                self.forwarded = None;
                self.refuse("553 5.1.7 that is no reverse-path");
            }
            Err(Error::InvalidRecipientAddress) => self.refuse("553 5.1.3 that is no mailbox"),
            Err(Error::SyntaxError { syntax }) => self.refuse(&format!("501 5.5.2 say {syntax}")),
            Err(Error::InvalidParameter { .. }) => self.refuse("501 5.5.4 a parameter's value is wrong"),
            Err(Error::UnsupportedParameter { .. }) => self.refuse("555 5.5.4 a parameter is not known here"),
            Err(_) => self.refuse("500 5.5.2 no such command"),
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

    /// What a client said together with STARTTLS came unprotected and is forgotten (RFC 3207 §4.2).
    fn start_tls(&mut self) {
        self.input.clear();
        self.read = 0;
        self.state = State::Securing;
        self.reply("220 2.0.0 begin");
        self.queued.push_back(Event::StartTls);
    }

    /// A trusted peer says who the client is: of the session (XCLIENT), or of the next transaction (XFORWARD).
    fn name_client(&mut self, command: Result<naming::Command, &'static str>) {
        if !self.peer.names_clients {
            return self.refuse("550 5.7.0 you may not name clients");
        }
        if self.transaction.is_some() {
            return self.refuse("503 5.5.1 a transaction is open; say RSET first");
        }
        match command {
            Err(problem) => self.refuse(&format!("501 5.5.4 {problem}")),
            Ok(naming::Command::Client(_)) if self.peer.protocol == Protocol::Lmtp => {
                self.refuse("502 5.5.1 say XFORWARD: you took the message yourself");
            }
            Ok(naming::Command::Client(named)) => {
                if let Some(relay) = named.relay() {
                    // From now on the client speaks, if through the proxy: it may name nobody.
                    self.peer.relay = relay;
                    (self.peer.unnamed, self.peer.names_clients) = (false, false);
                }
                self.helo = named.helo;
                self.forwarded = None;
                self.greet();
            }
            Ok(naming::Command::Forward(named)) => {
                self.forwarded.get_or_insert_default().add(named);
                self.reply("250 2.0.0 go on");
            }
        }
    }

    /// Whose message comes next, and the name it gave.
    fn client(&self, forwarded: Option<Named>, helo: String) -> (Client, String) {
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

    /// EHLO and HELO also forget what came before (RFC 5321 §4.1.4).
    fn hello(&mut self, host: &str, reply: String) {
        (self.transaction, self.forwarded) = (None, None);
        self.helo = Some(host[..host.floor_char_boundary(HELO_OCTETS_MAX)].to_owned());
        self.reply(&reply);
    }

    fn mail(&mut self, from: &MailFrom<Cow<'_, str>>, postmaster: bool) {
        let Some(helo) = self.helo.clone() else { return self.refuse("503 5.5.1 say EHLO first") };
        if self.transaction.is_some() {
            return self.refuse("503 5.5.1 a transaction is open; say RSET first");
        }
        // What was said of this transaction's client holds for no other, whatever becomes of this one.
        let forwarded = self.forwarded.take();
        if self.messages >= self.limits.messages_max {
            return self.close("421 4.7.0 enough messages for one session");
        }
        if from.size > self.limits.message_octets_max {
            return self.refuse(&format!("552 5.3.4 at most {} octets", self.limits.message_octets_max));
        }
        if from.flags & MAIL_BODY_BINARYMIME != 0 {
            return self.refuse("555 5.6.1 BINARYMIME is not offered here (RFC 3030)");
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
        self.reply("250 2.1.0 go on");
    }

    fn rcpt(&mut self, to: &RcptTo<Cow<'_, str>>, postmaster: bool) {
        let own = || format!("postmaster@{}", self.hostname);
        // The parser has taken the quotes off a quoted local part.
        match Mailbox::unquoted(&if postmaster { own() } else { to.address.to_string() }) {
            Some(mailbox) => self.recipient(mailbox),
            None => self.refuse("553 5.1.3 that is no mailbox"),
        }
    }

    fn recipient(&mut self, mailbox: Mailbox) {
        let Some(transaction) = &mut self.transaction else {
            return self.refuse("503 5.5.1 say MAIL first");
        };
        if self.chunked {
            return self.refuse("503 5.5.1 the message has begun; say BDAT or RSET");
        }
        if transaction.recipients() >= self.limits.recipients_max {
            return self.reply("452 4.5.3 enough recipients for one message");
        }
        match self.recipients.of(&mailbox) {
            Recipient::Trap => transaction.traps.push(mailbox),
            Recipient::Operator => transaction.operators.push(mailbox),
            Recipient::Donor(donor) => {
                if !transaction.donors.contains(&donor) {
                    transaction.donors.push(donor);
                }
            }
            Recipient::Unknown => return self.refuse("550 5.7.1 no mail for that domain here"),
        }
        self.reply("250 2.1.5 go on");
    }

    fn start_data(&mut self) {
        match &self.transaction {
            None => self.refuse("503 5.5.1 say MAIL first"),
            Some(_) if self.chunked => self.refuse("503 5.5.1 the message has begun with BDAT (RFC 3030 §2)"),
            Some(open) if open.recipients() == 0 => {
                // RFC 2033 §4.2 has a code of its own.
                let code = if self.peer.protocol == Protocol::Lmtp { "503" } else { "554" };
                self.refuse(&format!("{code} 5.5.1 no valid recipients"));
            }
            Some(_) => {
                self.state = State::Data(Data::default());
                if let Some(open) = &mut self.transaction {
                    open.message.reserve(MESSAGE_OCTETS_USUAL);
                }
                self.reply("354 end with a dot alone on a line");
            }
        }
    }

    /// Reads what is there of a message; only CR LF dot CR LF ends it, so nothing can be smuggled behind a bare one.
    fn data(&mut self) -> bool {
        let (State::Data(receiver), Some(open)) = (&mut self.state, &mut self.transaction) else {
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
            // Nobody waits for the end of that.
            self.refuse(&format!("552 5.3.4 at most {} octets", self.limits.message_octets_max));
            return self.close("421 4.7.0 so large a chunk is not read");
        }
        let fate = match &self.transaction {
            Some(open) if open.recipients() == 0 => Fate::Unwanted,
            Some(open) if open.octets + octets as u64 > self.limits.message_octets_max as u64 => {
                Fate::TooMuch
            }
            Some(_) => Fate::Taken,
            None => Fate::Unwanted,
        };
        self.chunked = matches!(fate, Fate::Taken);
        self.state = State::Chunk(Chunk { octets, left: octets, last, fate });
    }

    /// Reads what is there of a chunk, and answers at its end (RFC 3030 §2).
    fn chunk(&mut self) -> bool {
        let State::Chunk(chunk) = &mut self.state else { return false };
        let waiting = &self.input[self.read..];
        let count = waiting.len().min(chunk.left);
        if count == 0 && chunk.left > 0 {
            return false;
        }
        chunk.left -= count;
        let chunk = *chunk;
        if let (Fate::Taken, Some(open)) = (chunk.fate, &mut self.transaction) {
            open.message.extend_from_slice(&waiting[..count]);
            open.octets += count as u64;
            keep(open, &self.limits);
        }
        self.consume(count);
        if chunk.left > 0 {
            return true;
        }
        self.state = State::Command;
        match chunk.fate {
            Fate::Taken if chunk.last => self.end_data(),
            Fate::Taken => self.reply(&format!("250 2.0.0 {} octets", chunk.octets)),
            Fate::Unwanted => self.refuse("503 5.5.1 no valid recipients"),
            Fate::TooMuch => {
                let recipients = self.transaction.take().map_or(1, |open| open.recipients());
                self.refuse_message(if chunk.last { recipients } else { 1 });
            }
        }
        true
    }

    /// Refuses a message that came whole: by LMTP for every recipient (RFC 2033 §4.2).
    fn refuse_message(&mut self, recipients: usize) {
        let text = format!("552 5.3.4 at most {} octets", self.limits.message_octets_max);
        if self.peer.protocol == Protocol::Lmtp {
            (1..recipients).for_each(|_| self.reply(&text));
        }
        self.refuse(&text);
    }

    fn end_data(&mut self) {
        self.state = State::Command;
        let Some(mut transaction) = self.transaction.take() else { return };
        if transaction.octets > self.limits.message_octets_max as u64 {
            return self.refuse_message(transaction.recipients());
        }
        self.messages += 1;
        self.idle_commands = 0;
        self.tally.messages += 1;
        transaction.seen_at = self.now;
        self.state = State::Unsettled(match self.peer.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => transaction.recipients(),
        });
        self.queued.push_back(Event::Message(Box::new(transaction)));
    }

    /// Ends a transaction without a message: a client that named a trap and then leaves has called out.
    fn leave(&mut self) {
        let begun = std::mem::take(&mut self.chunked);
        if let Some(transaction) =
            self.transaction.take().filter(|open| !begun && !open.traps.is_empty() && probes(open))
        {
            // It leaves an entry behind as a message does, so it counts as one.
            self.messages += 1;
            self.tally.messages += 1;
            self.queued.push_back(Event::Left(Box::new(transaction)));
        }
    }
}

/// Cuts what is more than is kept: what people wrote to the operator, or donors forward, is taken whole, or refused.
fn keep(open: &mut Transaction, limits: &Limits) {
    if open.operators.is_empty() && open.donors.is_empty() {
        open.message.truncate(limits.kept_octets_max);
    } else {
        open.message.truncate(limits.message_octets_max.saturating_add(1));
    }
}

/// `<postmaster>` needs no domain (RFC 5321 §4.1.1.3). The parser reads it as it reads `<>`, so the line has to tell.
fn names_postmaster(line: &[u8]) -> bool {
    let path = line.splitn(2, |&octet| octet == b':').nth(1).unwrap_or_default().trim_ascii_start();
    path.get(..12).is_some_and(|path| path.eq_ignore_ascii_case(b"<postmaster>"))
}

/// Whether a transaction could be a callout: probes come from nobody, or from an address that takes no mail.
fn probes(transaction: &Transaction) -> bool {
    match &transaction.reverse_path {
        ReversePath::Null => true,
        ReversePath::Address(address) => {
            let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
            matches!(local.as_str(), "double-bounce" | "postmaster" | "mailer-daemon")
        }
    }
}
