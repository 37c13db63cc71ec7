//! The steps of a session: reads what waits, and executes command lines.

use memchr::memchr;
use smtp_proto::{Error, Request};

use super::naming::{self, NamingCommand};
use super::setup::Protocol;
use super::{Session, SessionEnd, SessionEvent, SessionState, replies};

/// Maximum length of a command line in octets. RFC 5321 §4.5.3.1.4 requires 512, to which
/// extensions add.
const COMMAND_OCTETS_MAX: usize = 2_048;
/// Maximum number of commands between two messages that are not part of a transaction, such as NOOP
/// and RSET. Beyond it, the session ends with 421.
const IDLE_COMMANDS_MAX: usize = 200;

impl Session {
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

    /// Reads and executes one command line, if it is complete. `false` if it is not.
    fn line(&mut self) -> bool {
        let waiting = self.input.waiting();
        let end = memchr(b'\n', waiting);
        let long = matches!(self.state, SessionState::LongLine);
        match end {
            Some(end) if long => {
                self.input.consume(end + 1);
                self.state = SessionState::Command;
                self.refuse(replies::LINE_TOO_LONG);
            }
            Some(end) => {
                let line = waiting[..end].strip_suffix(b"\r").unwrap_or(&waiting[..end]);
                if line.len() > COMMAND_OCTETS_MAX {
                    self.input.consume(end + 1);
                    self.refuse(replies::LINE_TOO_LONG);
                } else {
                    // The parser requires CR LF at the end. The client may have sent a bare LF.
                    let ended = [line, b"\r\n"].concat();
                    self.input.consume(end + 1);
                    self.command(&ended, ended.len() - 2);
                }
            }
            None if waiting.len() > COMMAND_OCTETS_MAX => {
                self.input.consume(waiting.len());
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
            return self.refuse(replies::CONTROL_CHARACTER);
        }
        if std::str::from_utf8(line).is_err() {
            return self.refuse(replies::NOT_UTF8);
        }
        if let Some(command) = NamingCommand::parse(line) {
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
            return self.close(replies::TOO_MANY_COMMANDS);
        }
        match request {
            Ok(Request::Ehlo { host }) if protocol == Protocol::Smtp => self.ehlo(&host),
            Ok(Request::Lhlo { host }) if protocol == Protocol::Lmtp => self.ehlo(&host),
            Ok(Request::Helo { host }) if protocol == Protocol::Smtp => {
                self.hello(&host, format!("250 {}", self.hostname));
            }
            Ok(Request::Ehlo { .. } | Request::Helo { .. }) => self.refuse(replies::SEND_LHLO),
            Ok(Request::Lhlo { .. }) => self.refuse(replies::SEND_EHLO),
            Ok(Request::StartTls) if self.peer.tls_offered => self.start_tls(),
            Ok(Request::Bdat { chunk_size, is_last }) => self.start_chunk(chunk_size, is_last),
            Ok(Request::Mail { from }) => self.mail(&from, names_postmaster(line)),
            Ok(Request::Rcpt { to }) => self.rcpt(&to, names_postmaster(line)),
            Ok(Request::Data) => self.start_data(),
            Ok(Request::Rset) => {
                self.forwarded = None;
                self.leave();
                self.reply(replies::OK);
            }
            Ok(Request::Noop { .. }) => self.reply(replies::OK),
            Ok(Request::Vrfy { .. }) => self.reply(replies::NOT_VERIFIED),
            Ok(Request::Help { .. }) => self.reply(replies::HELP),
            Ok(Request::Quit) => {
                self.leave();
                self.end(replies::BYE, SessionEnd::Quit);
            }
            Ok(_) => self.refuse(replies::NOT_IMPLEMENTED),
            Err(Error::InvalidSenderAddress) => {
                self.forwarded = None;
                self.refuse(replies::BAD_SENDER);
            }
            Err(Error::InvalidRecipientAddress) => self.refuse(replies::BAD_RECIPIENT),
            Err(Error::SyntaxError { syntax }) => self.refuse(&replies::wrong_form(syntax)),
            Err(Error::InvalidParameter { .. }) => self.refuse(replies::BAD_PARAMETER),
            Err(Error::UnsupportedParameter { .. }) => self.refuse(replies::UNSUPPORTED_OPTION),
            Err(_) => self.refuse(replies::UNKNOWN_COMMAND),
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
            hello += &naming::offers(self.peer.protocol);
        }
        hello += "250 HELP";
        self.hello(host, hello);
    }

    /// EHLO and HELO also reset the transaction (RFC 5321 §4.1.4).
    fn hello(&mut self, host: &str, reply: String) {
        (self.transaction, self.forwarded) = (None, None);
        self.helo = Some(host[..host.floor_char_boundary(naming::HELO_OCTETS_MAX)].to_owned());
        self.reply(&reply);
    }

    /// Discards what the client sent after STARTTLS without waiting, because it was not encrypted
    /// (RFC 3207 §4.2).
    fn start_tls(&mut self) {
        self.input.discard();
        self.state = SessionState::Securing;
        self.reply(replies::START_TLS);
        self.queued.push_back(SessionEvent::StartTls);
    }
}

/// Whether the path in a command line is `<postmaster>`, which needs no domain (RFC 5321 §4.1.1.3).
/// The parser returns the same for it as for `<>`.
fn names_postmaster(line: &[u8]) -> bool {
    let path = line.splitn(2, |&octet| octet == b':').nth(1).unwrap_or_default().trim_ascii_start();
    path.get(..12).is_some_and(|path| path.eq_ignore_ascii_case(b"<postmaster>"))
}
