//! Recipients that a report's own words name, for reports without fields.

use memchr::memchr;

use super::Session;
use super::original::Original;
use crate::mail::{Mailbox, Status, text_lines};

/// One recipient as the words name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) mailbox: Mailbox,
    /// It stands at the head of a line or alone on it, as in a list; else it is spoken of.
    pub(super) apart: bool,
    pub(super) status: Option<Status>,
    pub(super) diagnostic: Option<String>,
    /// Another host refused it.
    pub(super) remote: bool,
    /// That host's address, where the words tell it.
    pub(super) remote_mta: Option<String>,
}

/// Most recipients read from the words of one report.
const NAMED_MAX: usize = 64;
/// Most lines that are looked at.
const LINES_MAX: usize = 400;
/// Most lines below a recipient that are about it.
const LINES_BELOW_MAX: usize = 10;
/// Most octets kept of what is said of one recipient.
const DIAGNOSTIC_OCTETS_MAX: usize = 512;

/// What stands before an address that could not be reached, in lower case.
const LEADS: [&str; 34] = [
    "to:",
    "rcpt to:",
    "recipient:",
    "recipients:",
    "recipient address:",
    "user:",
    "userid:",
    "mailbox",
    "address:",
    "size:",
    "attempts:",
    "failed:",
    "[smtp:",
    "smtp=",
    "generated from",
    "expanded from",
    "addressed to",
    "address",
    "deliver message to",
    "deliver your message to",
    "deliver mail to",
    "delivering your mail to",
    "delivered to",
    "undeliverable to",
    "message to",
    "mail to",
    "email to",
    "returned permanent errors:",
    "user",
    "account",
    "is full:",
    "rcpt:",
    "was addressed,",
    "your email to",
];
/// What another host's refusal is told by.
const REMOTE: [&str; 14] = [
    " said:",
    "remote host",
    "remote server",
    "remote mail server",
    "remote smtp server",
    "remote mta",
    "while talking to",
    "<<< ",
    "does not like recipient",
    "host ",
    "server replied",
    "server returned",
    "did not like our",
    "responded with",
];
/// Lines that name whom to ask, and not who could not be reached.
const CONTACTS: [&str; 9] = [
    "contact",
    "assistance",
    "please send",
    "send mail to",
    "mailto:",
    "message-id",
    "questions",
    "mail from:",
    "reporting-mta",
];

/// Finds recipients, those that stand apart first in mind: where there are any, those spoken of are left out.
pub(super) fn in_words(
    words: &str,
    original: Option<&Original<'_>>,
    session: &Session,
    from: Option<&Mailbox>,
) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    // The recipient that the lines below it are about, and how many of them there were.
    let mut open: Option<(usize, usize)> = None;
    for line in text_lines(words).take(LINES_MAX) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let mention = memchr(b'@', line.as_bytes()).and_then(|_| mention(line));
        if let Some((mailbox, apart, rest)) = mention
            && !is_writer(&mailbox, from)
            && found.len() < NAMED_MAX
        {
            let same = found.iter().position(|named| named.mailbox.folded() == mailbox.folded());
            let at = same.unwrap_or_else(|| {
                found.push(Named {
                    mailbox,
                    apart,
                    status: None,
                    diagnostic: None,
                    remote: false,
                    remote_mta: None,
                });
                found.len() - 1
            });
            found[at].apart |= apart;
            open = Some((at, 0));
            // Several may stand on one line, set apart by commas.
            if apart {
                for mailbox in further(rest) {
                    let known = found.iter().any(|named| named.mailbox.folded() == mailbox.folded());
                    if !known && found.len() < NAMED_MAX {
                        found.push(Named {
                            mailbox,
                            apart,
                            status: None,
                            diagnostic: None,
                            remote: false,
                            remote_mta: None,
                        });
                    }
                }
            }
            // A quoted reply names the recipient behind its status.
            found[at].add(if apart { rest } else { line });
        } else if let Some((at, below)) = open.as_mut().filter(|(_, below)| *below < LINES_BELOW_MAX) {
            *below += 1;
            found[*at].add(line);
        }
    }
    // Somebody may have written to himself; else the sender is not who could not be reached.
    let is_sender = |named: &Named| {
        let same =
            |other: Option<&Mailbox>| other.is_some_and(|other| other.folded() == named.mailbox.folded());
        same(session.recipient.as_ref()) || same(original.and_then(|original| original.sender.as_ref()))
    };
    if found.iter().any(|named| !is_sender(named)) {
        found.retain(|named| !is_sender(named));
    }
    if found.iter().any(|named| named.apart) {
        found.retain(|named| named.apart);
    }
    found
}

impl Named {
    /// Takes in what a line says of the recipient.
    fn add(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        self.status = self.status.or_else(|| Status::find(line));
        let folded = line.to_ascii_lowercase();
        self.remote |= REMOTE.iter().any(|mark| folded.contains(mark));
        if self.remote_mta.is_none() {
            self.remote_mta = address_in(line);
        }
        let diagnostic = self.diagnostic.get_or_insert_default();
        let room = DIAGNOSTIC_OCTETS_MAX.saturating_sub(diagnostic.len());
        if room > 1 {
            if !diagnostic.is_empty() {
                diagnostic.push(' ');
            }
            diagnostic.push_str(&line[..line.floor_char_boundary(room - 1)]);
        }
    }
}

/// An IP address that stands in a line by itself or in brackets.
fn address_in(line: &str) -> Option<String> {
    let words = line.split(|c: char| c.is_whitespace() || "[](),;".contains(c));
    let trimmed = words.map(|word| word.trim_end_matches(['.', ':']));
    trimmed
        .filter(|word| word.len() >= 7)
        .find(|word| word.parse::<std::net::IpAddr>().is_ok())
        .map(str::to_owned)
}

/// The address that a line is about, whether it stands apart, and what the line says behind it.
fn mention(line: &str) -> Option<(Mailbox, bool, &str)> {
    let at = line.find('@')?;
    let start = line[..at].rfind(is_delimiter).map_or(0, |end| end + delimiter_length(line, end));
    let end = line[at..].find(is_delimiter).map_or(line.len(), |end| at + end);
    let word = line[start..end].trim_end_matches(['.', ':', ',', '!', '?', '-']);
    let mailbox = Mailbox::parse(word.trim_start_matches(['*', '-', '.']))?;
    if !mailbox.domain().bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b) || b >= 0x80) {
        return None;
    }
    let folded = line.to_lowercase();
    if CONTACTS.iter().any(|contact| folded.contains(contact)) || line[..at].contains("://") {
        return None;
    }
    let before = line[..start].trim_matches(|c: char| c.is_whitespace() || "<[(\"'*-#>|.".contains(c));
    let rest = line[end..].trim_start_matches(['>', ']', ')', '"', '\'', ':', '.', ' ']);
    if before.is_empty() && stands_apart(&line[..start], &line[end..]) {
        return Some((mailbox, true, rest));
    }
    let before = before.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    // The original's own To, as Exchange quotes it.
    if before == "to:" || before == "cc:" {
        return None;
    }
    let quoted_reply = before.len() >= 3 && before.as_bytes()[..3].iter().all(u8::is_ascii_digit);
    let led = LEADS.iter().any(|lead| before.ends_with(lead)) || quoted_reply;
    led.then_some((mailbox, false, rest))
}

/// The addresses that follow one, with nothing but commas and brackets between.
fn further(rest: &str) -> impl Iterator<Item = Mailbox> {
    let begins = rest.starts_with([',', ';']);
    let words = rest.split([',', ';', ' ', '<', '>', '\t']).filter(|word| !word.is_empty());
    words.map_while(Mailbox::parse).take(if begins { NAMED_MAX } else { 0 })
}

/// Alone on the line, set off by its marks, or followed by what ends a list's item.
fn stands_apart(before: &str, after: &str) -> bool {
    let after = after.trim();
    let closed = after.trim_start_matches(['>', ']', '"', '\'', ')']);
    let marked = before.ends_with(['<', '"', '[']);
    closed.is_empty()
        || closed.starts_with([':', '(', ';', '[', '<', '|', ','])
        || closed.starts_with("...")
        || closed.trim_start().starts_with("...")
        || closed.trim_start().starts_with(['-', '(', '[', ':', '|'])
        || marked
        || closed.trim_start().starts_with("on ")
        || closed.trim_start().starts_with("Invalid Address")
        || after.len() <= 3
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | ',' | ';' | ':' | '|' | '=')
}

fn delimiter_length(line: &str, at: usize) -> usize {
    line[at..].chars().next().map_or(1, char::len_utf8)
}

/// Whoever wrote the report.
fn is_writer(mailbox: &Mailbox, from: Option<&Mailbox>) -> bool {
    from.is_some_and(|from| from.folded() == mailbox.folded())
        || mailbox.local().eq_ignore_ascii_case("mailer-daemon")
}
