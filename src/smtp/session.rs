//! One SMTP session as a value: octets and the time go in, replies and transactions come out (RFC 5321).
//!
//! It waits for DATA whatever the recipient, so that a callout shows itself by leaving; it answers VRFY with 252
//! alike for everyone, so that nobody learns which addresses are traps.

use std::borrow::Cow;
use std::sync::Arc;

use smtp_proto::{Error, MailFrom, RcptTo, Request};

use super::data::Data;
use super::recipients::{Recipient, Recipients};
use crate::mail::{Mailbox, ReversePath};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};

/// Most octets of one command line: RFC 5321 §4.5.3.1.4 asks for 512, and extensions add to it.
const COMMAND_OCTETS_MAX: usize = 2_048;
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
    /// 421: the session ends when nothing comes for so long.
    pub idle_timeout: Span,
}

/// What the listener has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Reply(Vec<u8>),
    /// A message came: make it durable, then `settle`.
    Message(Box<Transaction>),
    /// The client named a trap and left without a message: note it; nobody waits for that.
    Left(Box<Transaction>),
    /// Nothing more to say.
    Close,
}

/// One mail transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub seen_at: Timestamp,
    pub relay: Relay,
    pub helo: String,
    pub reverse_path: ReversePath,
    pub traps: Vec<Mailbox>,
    pub operators: Vec<Mailbox>,
    /// The message, dots unstuffed: whole for an operator, else up to `kept_octets_max`.
    pub message: Vec<u8>,
    /// The whole message's size.
    pub octets: u64,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It would survive a crash.
    Durable { id: String },
    /// It would not; the client keeps it and comes back.
    Later,
}

enum State {
    Command,
    /// A line that is too long, up to its end.
    LongLine,
    Data(Data),
    /// A message is on its way to being durable.
    Unsettled,
    Closed,
}

pub struct Session {
    limits: Arc<Limits>,
    recipients: Arc<Recipients>,
    hostname: Arc<str>,
    relay: Relay,
    state: State,
    input: Vec<u8>,
    /// How much of the input was read.
    read: usize,
    now: Timestamp,
    helo: Option<String>,
    transaction: Option<Transaction>,
    messages: usize,
    errors: usize,
    /// Events that came of one command together.
    queued: std::collections::VecDeque<Event>,
}

impl Session {
    /// A session that has greeted its client.
    pub fn new(
        limits: Arc<Limits>,
        recipients: Arc<Recipients>,
        hostname: Arc<str>,
        relay: Relay,
        now: Timestamp,
    ) -> Self {
        let mut session = Session {
            limits,
            recipients,
            relay,
            state: State::Command,
            input: Vec::new(),
            read: 0,
            now,
            helo: None,
            transaction: None,
            messages: 0,
            errors: 0,
            queued: std::collections::VecDeque::new(),
            hostname,
        };
        session.reply(&format!("220 {} ESMTP backscatterd", session.hostname));
        session
    }

    /// Takes octets that came at a time. What `next_event` leaves of them is less than a command line.
    pub fn receive(&mut self, octets: &[u8], now: Timestamp) {
        self.now = now;
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend_from_slice(octets);
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
                State::Unsettled => false,
                State::Closed => return Some(Event::Close),
            };
            if !moved {
                return None;
            }
        }
    }

    /// Tells what became of the message of the last `Event::Message`.
    pub fn settle(&mut self, outcome: &Outcome) {
        debug_assert!(matches!(self.state, State::Unsettled));
        self.state = State::Command;
        match outcome {
            Outcome::Durable { id } => self.reply(&format!("250 2.0.0 taken as {id}")),
            Outcome::Later => self.reply("451 4.3.0 can't be kept safely now, come back later"),
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
        self.reply(text);
        self.state = State::Closed;
        self.transaction = None;
    }

    fn reply(&mut self, text: &str) {
        self.queued.push_back(Event::Reply(format!("{text}\r\n").into_bytes()));
    }

    /// A reply that counts as an error of the client's.
    fn refuse(&mut self, text: &str) {
        self.reply(text);
        self.errors += 1;
        if self.errors >= self.limits.errors_max {
            self.close("421 4.7.0 too many errors");
        }
    }

    fn consume(&mut self, octets: usize) {
        self.read += octets;
        if self.read >= self.input.len() {
            self.input.clear();
            self.read = 0;
        }
    }

    /// Reads one command line, if it is there whole.
    fn line(&mut self) -> bool {
        let waiting = &self.input[self.read..];
        let end = waiting.iter().position(|&octet| octet == b'\n');
        let long = matches!(self.state, State::LongLine);
        match end {
            Some(end) if long => {
                self.consume(end + 1);
                self.state = State::Command;
                self.refuse("500 5.5.2 line too long");
            }
            Some(end) => {
                let line = waiting[..end].strip_suffix(b"\r").unwrap_or(&waiting[..end]).to_vec();
                self.consume(end + 1);
                if line.len() > COMMAND_OCTETS_MAX {
                    self.refuse("500 5.5.2 line too long");
                } else {
                    self.command(&line);
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

    fn command(&mut self, line: &[u8]) {
        if line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
            return self.refuse("500 5.5.2 control characters in a command");
        }
        if std::str::from_utf8(line).is_err() {
            return self.refuse("500 5.5.2 not UTF-8");
        }
        // The parser wants the end of the line; it is given one that is right whatever the client sent.
        let line = [line, b"\r\n"].concat();
        match Request::parse(&mut line.iter()) {
            Ok(Request::Ehlo { host }) => self.ehlo(&host),
            Ok(Request::Helo { host }) => self.hello(&host, format!("250 {}", self.hostname)),
            Ok(Request::Mail { from }) => self.mail(&from, names_postmaster(&line)),
            Ok(Request::Rcpt { to }) => self.rcpt(&to, names_postmaster(&line)),
            Ok(Request::Data) => self.start_data(),
            Ok(Request::Rset) => {
                self.leave();
                self.reply("250 2.0.0 forgotten");
            }
            Ok(Request::Noop { .. }) => self.reply("250 2.0.0 nothing done"),
            Ok(Request::Vrfy { .. }) => self.reply("252 2.1.5 send some mail and see"),
            Ok(Request::Help { .. }) => self.reply("214 2.0.0 this host takes mail in and sends none"),
            Ok(Request::Quit) => {
                self.leave();
                self.close(&format!("221 2.0.0 {} closes", self.hostname));
            }
            Ok(_) => self.refuse("502 5.5.1 not implemented"),
            Err(Error::InvalidSenderAddress) => self.refuse("553 5.1.7 that is no reverse-path"),
            Err(Error::InvalidRecipientAddress) => self.refuse("553 5.1.3 that is no mailbox"),
            Err(Error::SyntaxError { syntax }) => self.refuse(&format!("501 5.5.2 say {syntax}")),
            Err(Error::InvalidParameter { .. }) => self.refuse("501 5.5.4 a parameter's value is wrong"),
            Err(Error::UnsupportedParameter { .. }) => self.refuse("555 5.5.4 a parameter is not known here"),
            Err(_) => self.refuse("500 5.5.2 no such command"),
        }
    }

    fn ehlo(&mut self, host: &str) {
        let hello = format!(
            "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 HELP",
            self.hostname, self.limits.message_octets_max
        );
        self.hello(host, hello);
    }

    /// EHLO and HELO also forget what came before (RFC 5321 §4.1.4).
    fn hello(&mut self, host: &str, reply: String) {
        self.transaction = None;
        self.helo = Some(host[..host.floor_char_boundary(HELO_OCTETS_MAX)].to_owned());
        self.reply(&reply);
    }

    fn mail(&mut self, from: &MailFrom<Cow<'_, str>>, postmaster: bool) {
        let Some(helo) = self.helo.clone() else { return self.refuse("503 5.5.1 say EHLO first") };
        if self.transaction.is_some() {
            return self.refuse("503 5.5.1 a transaction is open; say RSET first");
        }
        if self.messages >= self.limits.messages_max {
            return self.close("421 4.7.0 enough messages for one session");
        }
        if from.size > self.limits.message_octets_max {
            return self.refuse(&format!("552 5.3.4 at most {} octets", self.limits.message_octets_max));
        }
        self.transaction = Some(Transaction {
            seen_at: self.now,
            relay: self.relay,
            helo,
            reverse_path: ReversePath::parse(if postmaster { "postmaster" } else { &from.address }),
            traps: Vec::new(),
            operators: Vec::new(),
            message: Vec::new(),
            octets: 0,
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
        if transaction.traps.len() + transaction.operators.len() >= self.limits.recipients_max {
            return self.reply("452 4.5.3 enough recipients for one message");
        }
        match self.recipients.of(&mailbox) {
            Recipient::Trap => transaction.traps.push(mailbox),
            Recipient::Operator => transaction.operators.push(mailbox),
            Recipient::Unknown => return self.refuse("550 5.7.1 no mail for that domain here"),
        }
        self.reply("250 2.1.5 go on");
    }

    fn start_data(&mut self) {
        match &self.transaction {
            None => self.refuse("503 5.5.1 say MAIL first"),
            Some(open) if open.traps.is_empty() && open.operators.is_empty() => {
                self.refuse("554 5.5.1 no valid recipients");
            }
            Some(_) => {
                self.state = State::Data(Data::default());
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
        // What people wrote to the operator is delivered whole, or refused.
        if open.operators.is_empty() {
            open.message.truncate(self.limits.kept_octets_max);
        } else {
            open.message.truncate(self.limits.message_octets_max.saturating_add(1));
        }
        self.consume(consumed);
        if done {
            self.end_data();
        }
        true
    }

    fn end_data(&mut self) {
        self.state = State::Command;
        let Some(mut transaction) = self.transaction.take() else { return };
        if transaction.octets > self.limits.message_octets_max as u64 {
            return self.refuse(&format!("552 5.3.4 at most {} octets", self.limits.message_octets_max));
        }
        self.messages += 1;
        transaction.seen_at = self.now;
        self.state = State::Unsettled;
        self.queued.push_back(Event::Message(Box::new(transaction)));
    }

    /// Ends a transaction without a message: a client that named a trap and then leaves has called out.
    fn leave(&mut self) {
        if let Some(transaction) =
            self.transaction.take().filter(|open| !open.traps.is_empty() && probes(open))
        {
            // It leaves an entry behind as a message does, so it counts as one.
            self.messages += 1;
            self.queued.push_back(Event::Left(Box::new(transaction)));
        }
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
