//! An SMTP client for tests, which sends one command at a time.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The size of a client's read buffer: small, because tests open thousands of clients.
const CLIENT_OCTETS: usize = 1_024;

/// A connected client.
pub(crate) struct Smtp {
    stream: BufReader<TcpStream>,
    greeting: String,
}

impl Smtp {
    /// Makes a client of a connection and waits for the greeting.
    pub(crate) fn greeted(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        let mut smtp =
            Smtp { stream: BufReader::with_capacity(CLIENT_OCTETS, stream), greeting: String::new() };
        smtp.greeting = smtp.reply()?;
        Ok(smtp)
    }

    /// The server's greeting.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Sends octets as they are.
    pub(crate) fn send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// The last line of the next reply.
    pub(crate) fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Sends a command line. Returns the last line of its reply.
    pub(crate) fn say(&mut self, command: &str) -> std::io::Result<String> {
        self.send(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends a message to one recipient. Returns the first reply that is an error, or the reply to
    /// the message.
    pub(crate) fn deliver(&mut self, from: &str, to: &str, message: &str) -> std::io::Result<String> {
        for command in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>"), "DATA".to_owned()] {
            let reply = self.say(&command)?;
            if !reply.starts_with(['2', '3']) {
                return Ok(reply);
            }
        }
        let message = message.replace("\r\n", "\n").replace('\n', "\r\n").replace("\r\n.", "\r\n..");
        self.send(format!("{message}\r\n.\r\n").as_bytes())?;
        self.reply()
    }
}
