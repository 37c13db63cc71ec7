//! Reads SMTP replies from octets (RFC 5321 §4.2), with a limit on everything that a server sends.
//!
//! The parser of `smtp-proto` takes the code of the first line only and does not limit the number of
//! lines, so this module reads replies itself.

/// Longest line of a reply, in octets without its end. RFC 5321 §4.5.3.1.5 allows 512.
const LINE_OCTETS_MAX: usize = 2_048;
/// Most lines of a reply. Long greetings have some thirty.
const LINES_MAX: usize = 100;
/// Most octets of a reply, with the ends of its lines.
const REPLY_OCTETS_MAX: usize = 16 << 10;

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    /// The code, from 200 to 599.
    pub code: u16,
    /// The lines without their codes. Control characters are spaces.
    pub lines: Vec<String>,
}

/// Why a reply cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFault {
    /// A line, the number of lines, or the whole reply is too long.
    TooLong,
    /// A line does not begin with a code, or the lines have several codes.
    Malformed,
}

/// Takes the octets of a server and returns its replies one by one.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// Octets that are not read yet.
    pending: Vec<u8>,
    /// The code and the lines of the reply that is not complete yet.
    begun: Option<ServerReply>,
    /// Octets of that reply.
    octets: usize,
}

impl ServerReply {
    /// The text in one line.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Whether the reply to EHLO offers an extension (RFC 5321 §4.1.1.1).
    pub fn offers(&self, keyword: &str) -> bool {
        let first = |line: &String| {
            line.split([' ', '=']).next().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        };
        self.lines.iter().skip(1).any(first)
    }
}

impl ReplyReader {
    /// Adds octets of the server. Call [`next_reply`](Self::next_reply) before adding more: it limits what is
    /// kept.
    pub fn add(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
    }

    /// Whether the server sent more than the replies that were returned.
    pub fn has_more(&self) -> bool {
        !self.pending.is_empty() || self.begun.is_some()
    }

    /// The next complete reply, if there is one.
    ///
    /// # Errors
    /// When a limit is exceeded or a line is no part of the reply.
    pub fn next_reply(&mut self) -> Result<Option<ServerReply>, ReplyFault> {
        while let Some(end) = self.pending.iter().position(|&octet| octet == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.octets += line.len();
            let is_last = self.take_line(&line)?;
            if is_last {
                self.octets = 0;
                return Ok(self.begun.take());
            }
        }
        if self.pending.len() > LINE_OCTETS_MAX { Err(ReplyFault::TooLong) } else { Ok(None) }
    }

    /// Adds a line to the reply. Returns whether it is the last one.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, ReplyFault> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let lines = self.begun.as_ref().map_or(0, |begun| begun.lines.len());
        if line.len() > LINE_OCTETS_MAX || lines >= LINES_MAX || self.octets > REPLY_OCTETS_MAX {
            return Err(ReplyFault::TooLong);
        }
        let (code, is_last, text) = parts(line).ok_or(ReplyFault::Malformed)?;
        let begun = self.begun.get_or_insert_with(|| ServerReply { code, lines: Vec::new() });
        if begun.code != code {
            return Err(ReplyFault::Malformed);
        }
        let text = String::from_utf8_lossy(text);
        begun.lines.push(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        Ok(is_last)
    }
}

/// The code of a line, whether it ends the reply, and its text.
fn parts(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&code[0]) {
        return None;
    }
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<ServerReply>, ReplyFault> {
        let mut reader = ReplyReader::default();
        reader.add(octets);
        reader.next_reply()
    }

    #[test]
    fn rfc5321_replies_of_one_and_of_several_lines() {
        let reply = |code, lines: &[&str]| {
            Ok(Some(ServerReply { code, lines: lines.iter().map(|&line| line.to_owned()).collect() }))
        };
        assert_eq!(read(b"250 ok\r\n"), reply(250, &["ok"]));
        assert_eq!(read(b"250\r\n"), reply(250, &[""]));
        assert_eq!(read(b"250 ok\n"), reply(250, &["ok"]), "some old servers end lines so");
        assert_eq!(read(b"550-5.1.1 no\r\n550 such user\r\n"), reply(550, &["5.1.1 no", "such user"]));
        assert_eq!(read(b"550 a\rb\0c\x1b[1m\r\n"), reply(550, &["a b c [1m"]), "no control characters");
        for part in [&b""[..], b"2", b"250", b"250 ok", b"250-ok\r\n", b"250-ok\r\n250"] {
            assert_eq!(read(part), Ok(None), "{part:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_a_fault() {
        for wrong in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"99\r\n",
            b"150 x\r\n",
            b"650 x\r\n",
            b"250x\r\n",
            b"250\tx\r\n",
            b"25\xb2 x\r\n",
            b"250-ok\r\n550 no\r\n",
            b"250-ok\r\nSTARTTLS\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0-OpenSSH\r\n",
        ] {
            assert_eq!(read(wrong), Err(ReplyFault::Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn everything_that_a_server_sends_is_limited() {
        assert_eq!(read(&[b'2'; 1 << 20]), Err(ReplyFault::TooLong), "a line without an end");
        let line = [&b"250 "[..], &[b'x'; 3_000], b"\r\n"].concat();
        assert_eq!(read(&line), Err(ReplyFault::TooLong));
        assert_eq!(read(&b"250-x\r\n".repeat(1_000)), Err(ReplyFault::TooLong), "lines without an end");
        let lines = [&b"250-"[..], &[b'x'; 2_000], b"\r\n"].concat().repeat(20);
        assert_eq!(read(&lines), Err(ReplyFault::TooLong), "40,000 octets in 20 lines");
    }

    proptest::proptest! {
        #[test]
        fn hostile_octets_never_panic_and_cost_little(
            chunks in proptest::collection::vec(
                proptest::collection::vec(proptest::sample::select(b"250- \r\n\0x\xff".to_vec()), 0..600),
                0..40,
            ),
        ) {
            let mut reader = ReplyReader::default();
            'host: for chunk in chunks {
                reader.add(&chunk);
                while let Some(reply) = match reader.next_reply() {
                    Ok(reply) => reply,
                    Err(_) => break 'host,
                } {
                    assert!((200..600).contains(&reply.code) && reply.lines.len() <= LINES_MAX);
                    assert!(!reply.text().contains(char::is_control));
                }
                assert!(reader.pending.len() <= LINE_OCTETS_MAX);
            }
        }
    }

    #[test]
    fn octets_behind_a_reply_are_known() {
        let mut reader = ReplyReader::default();
        reader.add(b"220 ready\r\n250 early\r\n");
        assert_eq!(reader.next_reply().unwrap().unwrap().code, 220);
        assert!(reader.has_more());
        assert_eq!(reader.next_reply().unwrap().unwrap().code, 250);
        assert!(!reader.has_more());
        reader.add(b"2");
        assert!(reader.has_more());
    }

    #[test]
    fn extensions_stand_on_lines_of_their_own() {
        let reply =
            read(b"250-mx.example greets STARTTLS\r\n250-starttls\r\n250 SIZE 100\r\n").unwrap().unwrap();
        assert!(reply.offers("STARTTLS") && reply.offers("SIZE") && !reply.offers("START"));
        let reply = read(b"250 STARTTLS\r\n").unwrap().unwrap();
        assert!(!reply.offers("STARTTLS"), "the first line names the server");
    }
}
