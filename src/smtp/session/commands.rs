//! The steps of a session: reads what waits, and executes command lines.

use memchr::memchr;
use smtp_proto::Request;

use super::naming::{self, Naming};
use super::setup::{Protocol, TlsOffer};
use super::{Session, SessionEnd, SessionEvent, SessionState, replies};

/// Maximum length of a command line in octets; the rest of a longer line is dropped. RFC 5321
/// §4.5.3.1.4 requires 512, to which extensions add.
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
            let moved = match &self.state {
                SessionState::Command | SessionState::LongLine(_) => self.line(),
                SessionState::Data(_) => self.data(),
                SessionState::Chunk(_) => self.chunk(),
                SessionState::Unsettled(_) | SessionState::Securing => false,
                SessionState::Closed(ending) => return Some(SessionEvent::Close(*ending)),
            };
            if !moved {
                return None;
            }
        }
    }

    /// Reads and executes one command line, if it is complete. `false` if it is not.
    ///
    /// Of a line that is too long, the beginning is executed, and the rest is dropped.
    fn line(&mut self) -> bool {
        let waiting = self.input.waiting();
        let end = memchr(b'\n', waiting);
        if let SessionState::LongLine(beginning) = &mut self.state {
            let beginning = std::mem::take(beginning);
            match end {
                Some(end) => {
                    self.input.consume(end + 1);
                    self.state = SessionState::Command;
                    self.execute(&beginning);
                }
                None if waiting.is_empty() => {
                    self.state = SessionState::LongLine(beginning);
                    return false;
                }
                None => {
                    self.input.consume(waiting.len());
                    self.state = SessionState::LongLine(beginning);
                }
            }
            return true;
        }
        match end {
            Some(end) => {
                let line = waiting[..end].strip_suffix(b"\r").unwrap_or(&waiting[..end]);
                let line = line[..line.len().min(COMMAND_OCTETS_MAX)].to_vec();
                self.input.consume(end + 1);
                self.execute(&line);
            }
            None if waiting.len() > COMMAND_OCTETS_MAX => {
                let beginning = waiting[..COMMAND_OCTETS_MAX].to_vec();
                self.input.consume(waiting.len());
                self.state = SessionState::LongLine(beginning);
            }
            None => return false,
        }
        true
    }

    /// Executes a command line without its end. Question marks stand for control characters.
    fn execute(&mut self, line: &[u8]) {
        let Ok(text) = std::str::from_utf8(line) else { return self.refuse(replies::NOT_UTF8) };
        let text = text.replace(|c: char| c.is_control() && c != '\t', "?");
        let text = text.trim_matches([' ', '\t']);
        let (verb, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let (verb, rest) = (verb.to_ascii_uppercase(), rest.trim_start());
        let brings = matches!(verb.as_str(), "MAIL" | "RCPT" | "DATA" | "BDAT" | "QUIT");
        self.idle_commands += usize::from(!brings);
        if self.idle_commands > IDLE_COMMANDS_MAX {
            return self.close(&replies::too_many_errors(&self.texts.hostname));
        }
        self.command(&verb, rest);
    }

    /// Executes a command. `rest` is what follows the verb.
    fn command(&mut self, verb: &str, rest: &str) {
        let protocol = self.peer.protocol;
        match (verb, protocol) {
            ("EHLO", Protocol::Smtp) | ("LHLO", Protocol::Lmtp) => self.ehlo(rest),
            ("HELO", Protocol::Smtp) if rest.is_empty() => self.refuse(replies::HELO_SYNTAX),
            ("HELO", Protocol::Smtp) => self.hello(rest, format!("250 {}", self.texts.hostname)),
            ("EHLO" | "HELO", Protocol::Lmtp) => self.refuse(replies::OTHER_PROTOCOL),
            ("MAIL", _) => self.mail(rest),
            ("RCPT", _) => self.rcpt(rest),
            ("DATA", _) => self.start_data(rest),
            ("BDAT", _) => self.bdat(rest),
            ("RSET", _) => self.reset(rest),
            ("NOOP", _) => self.reply(replies::OK),
            ("QUIT", _) => {
                self.leave();
                self.end(replies::BYE, SessionEnd::Quit);
            }
            ("STARTTLS", _) => self.start_tls(rest),
            ("XCLIENT", _) => self.name_client(Naming::Client, rest),
            ("XFORWARD", _) => self.name_client(Naming::Forward, rest),
            ("VRFY", _) => self.refuse(replies::VRFY_DISABLED),
            ("AUTH", Protocol::Smtp) if self.helo.is_none() => self.refuse(replies::GREET_FIRST),
            ("AUTH", Protocol::Smtp) => self.refuse(replies::NO_AUTH),
            ("ETRN", Protocol::Smtp) => self.etrn(rest),
            ("", _) => self.refuse(replies::BAD_SYNTAX),
            _ if is_forbidden(verb) => self.end(replies::NOT_A_MAIL_CLIENT, SessionEnd::CutOff),
            _ => self.refuse(replies::UNKNOWN_COMMAND),
        }
    }

    /// Executes EHLO or LHLO. The order of the keywords is that of the most common MTA.
    fn ehlo(&mut self, host: &str) {
        if host.is_empty() {
            return self.refuse(match self.peer.protocol {
                Protocol::Smtp => replies::EHLO_SYNTAX,
                Protocol::Lmtp => replies::LHLO_SYNTAX,
            });
        }
        let mut hello = format!(
            "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n",
            self.texts.hostname, self.limits.message_octets_max
        );
        if self.peer.protocol == Protocol::Smtp {
            hello += "250-ETRN\r\n";
        }
        if self.peer.tls == TlsOffer::Offered {
            hello += "250-STARTTLS\r\n";
        }
        if self.peer.names_clients {
            hello += &naming::offers(self.peer.protocol);
        }
        hello += "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING";
        self.hello(host, hello);
    }

    /// EHLO and HELO also reset the transaction (RFC 5321 §4.1.4).
    fn hello(&mut self, host: &str, reply: String) {
        (self.transaction, self.forwarded, self.discarding) = (None, None, false);
        self.helo = Some(host[..host.floor_char_boundary(naming::HELO_OCTETS_MAX)].to_owned());
        self.reply(&reply);
    }

    fn reset(&mut self, rest: &str) {
        if !rest.is_empty() {
            return self.refuse(replies::RSET_SYNTAX);
        }
        (self.forwarded, self.discarding) = (None, false);
        self.leave();
        self.reply(replies::OK);
    }

    fn etrn(&mut self, domain: &str) {
        match (&self.helo, domain) {
            (None, _) => self.refuse(replies::GREET_FIRST_ETRN),
            (Some(_), "") => self.refuse(replies::ETRN_SYNTAX),
            (Some(_), domain) => self.refuse(&replies::no_etrn(domain)),
        }
    }

    fn bdat(&mut self, rest: &str) {
        let line = format!("BDAT {rest}\r\n");
        match Request::parse(&mut line.as_bytes().iter()) {
            Ok(Request::Bdat { chunk_size, is_last }) => self.start_chunk(chunk_size, is_last),
            // Where the chunk ends cannot be known.
            _ => {
                self.refuse(replies::BDAT_SYNTAX);
                self.state = SessionState::Closed(SessionEnd::CutOff);
                self.transaction = None;
            }
        }
    }

    /// Discards what the client sent after STARTTLS without waiting, because it was not encrypted
    /// (RFC 3207 §4.2).
    fn start_tls(&mut self, rest: &str) {
        match self.peer.tls {
            _ if !rest.is_empty() => self.refuse(replies::STARTTLS_SYNTAX),
            TlsOffer::None => self.refuse(replies::NOT_IMPLEMENTED),
            TlsOffer::Active => self.refuse(replies::TLS_ACTIVE),
            TlsOffer::Offered => {
                self.input.discard();
                self.state = SessionState::Securing;
                self.reply(replies::START_TLS);
                self.queued.push_back(SessionEvent::StartTls);
            }
        }
    }
}

/// Whether a verb shows that the client speaks no SMTP: a request of HTTP, or no letter at its start.
fn is_forbidden(verb: &str) -> bool {
    matches!(verb, "CONNECT" | "GET" | "POST") || !verb.starts_with(|c: char| c.is_ascii_alphabetic())
}
