//! Finds the failed recipients in the text of reports that have no machine-readable fields.

use memchr::memchr;

use super::original::ReturnedOriginal;
use super::session::SessionFacts;
use crate::mail::{EnhancedStatus, Mailbox, text_lines};

/// One recipient as the text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedRecipient {
    /// The address of the recipient.
    pub(super) mailbox: Mailbox,
    /// The address begins a line or is alone on it, as in a list. If false, it occurs within a
    /// sentence.
    pub(super) apart: bool,
    /// The first enhanced status code in the lines about the recipient.
    pub(super) status: Option<EnhancedStatus>,
    /// The lines about the recipient, cut at a limit.
    pub(super) diagnostic: Option<String>,
    /// Another host refused the recipient.
    pub(super) remote: bool,
    /// The IP address in the lines about the recipient, which is that of the other host.
    pub(super) remote_mta: Option<String>,
}

/// Largest number of recipients that are read from the text of one report.
const NAMED_MAX: usize = 64;
/// Number of lines of the text that are read.
const LINES_MAX: usize = 400;
/// Number of lines after a recipient that are taken to be about it.
const LINES_BELOW_MAX: usize = 10;
/// Octets of the lines about one recipient that are kept.
const DIAGNOSTIC_OCTETS_MAX: usize = 512;

/// Phrases before the address of a failed recipient within a sentence, in lower case.
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
/// Phrases in a line that quotes another host's refusal, in lower case.
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
/// Phrases in lines that name an address other than a failed recipient, such as a contact, in lower
/// case.
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

/// Finds the recipients in the text. If any of them are set apart, only those are returned.
pub(super) fn in_words(
    words: &str,
    original: Option<&ReturnedOriginal<'_>>,
    session: &SessionFacts,
    from: Option<&Mailbox>,
) -> Vec<NamedRecipient> {
    let mut found: Vec<NamedRecipient> = Vec::new();
    // The recipient that the following lines are about, and how many of those lines were read.
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
                found.push(NamedRecipient {
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
            // One line may list several recipients, separated by commas.
            if apart {
                for mailbox in further(rest) {
                    let known = found.iter().any(|named| named.mailbox.folded() == mailbox.folded());
                    if !known && found.len() < NAMED_MAX {
                        found.push(NamedRecipient {
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
            // In a quoted reply, the recipient follows the status code.
            found[at].add(if apart { rest } else { line });
        } else if let Some((at, below)) = open.as_mut().filter(|(_, below)| *below < LINES_BELOW_MAX) {
            *below += 1;
            found[*at].add(line);
        }
    }
    // The sender of the original is a failed recipient only if the text names no other address.
    let is_sender = |named: &NamedRecipient| {
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

impl NamedRecipient {
    /// Adds what a line says about the recipient.
    fn add(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        self.status = self.status.or_else(|| EnhancedStatus::find(line));
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

/// The first IP address in a line that is a word of its own or in brackets.
fn address_in(line: &str) -> Option<String> {
    let words = line.split(|c: char| c.is_whitespace() || "[](),;".contains(c));
    let trimmed = words.map(|word| word.trim_end_matches(['.', ':']));
    trimmed
        .filter(|word| word.len() >= 7)
        .find(|word| word.parse::<std::net::IpAddr>().is_ok())
        .map(str::to_owned)
}

/// The address that a line is about, whether it is set apart, and the rest of the line.
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
    // Exchange quotes the To and Cc fields of the original.
    if before == "to:" || before == "cc:" {
        return None;
    }
    let quoted_reply = before.len() >= 3 && before.as_bytes()[..3].iter().all(u8::is_ascii_digit);
    let led = LEADS.iter().any(|lead| before.ends_with(lead)) || quoted_reply;
    led.then_some((mailbox, false, rest))
}

/// The further addresses that follow directly, separated by commas, semicolons or brackets.
fn further(rest: &str) -> impl Iterator<Item = Mailbox> {
    let begins = rest.starts_with([',', ';']);
    let words = rest.split([',', ';', ' ', '<', '>', '\t']).filter(|word| !word.is_empty());
    words.map_while(Mailbox::parse).take(if begins { NAMED_MAX } else { 0 })
}

/// Whether an address at the start of a line is set apart: it is alone on the line, in brackets or
/// quotes, or followed by punctuation or words that follow an address in a list.
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

/// Whether a mailbox is that of the report's writer.
fn is_writer(mailbox: &Mailbox, from: Option<&Mailbox>) -> bool {
    from.is_some_and(|from| from.folded() == mailbox.folded())
        || mailbox.local().eq_ignore_ascii_case("mailer-daemon")
}
