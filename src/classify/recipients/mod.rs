//! Finds the failed recipients in the text of reports that have no machine-readable fields.

mod contact;
mod labelled;
mod mention;
mod phrases;

use std::ops::Range;

use memchr::memchr;

use self::contact::{LinesBefore, ReporterDomains, is_contact};
pub(super) use self::labelled::labelled;
use self::mention::AddressMention;
use super::original::ReturnedOriginal;
use super::reply;
use super::session::SessionFacts;
use super::subject_lines::quotes_subject;
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
    /// The place in `diagnostic` of the first paragraph that quotes an SMTP reply or a status code.
    reply: Option<Range<usize>>,
    /// Where the paragraph that is being read begins in `diagnostic`.
    paragraph: usize,
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
/// Finds the recipients in the text. If any of them are set apart, only those are returned.
pub(super) fn in_words(
    words: &str,
    original: Option<&ReturnedOriginal<'_>>,
    session: &SessionFacts,
    from: Option<&Mailbox>,
) -> Vec<NamedRecipient> {
    let mut reader = RecipientReader::new(original, from);
    for line in text_lines(words).take(LINES_MAX) {
        match line.trim() {
            "" => reader.end_paragraph(),
            line if quotes_subject(line) => {}
            line => reader.read(line),
        }
    }
    reader.end_paragraph();
    let mut found = reader.found;
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

/// Reads the text line by line.
struct RecipientReader<'w> {
    found: Vec<NamedRecipient>,
    /// The recipient that the following lines are about, and how many of those lines were read.
    open: Option<(usize, usize)>,
    lines_before: LinesBefore<'w>,
    from: Option<&'w Mailbox>,
    reporters: ReporterDomains,
    /// The addresses to which the original was sent, folded, as its header says.
    addressed: Vec<String>,
}

impl<'w> RecipientReader<'w> {
    fn new(original: Option<&ReturnedOriginal<'_>>, from: Option<&'w Mailbox>) -> Self {
        let relay = original.and_then(|original| original.relay.as_deref());
        RecipientReader {
            found: Vec::new(),
            open: None,
            lines_before: LinesBefore::default(),
            from,
            reporters: ReporterDomains::new(from, relay),
            addressed: original.map(addressed).unwrap_or_default(),
        }
    }

    /// Notes that an empty line, or the end of the text, ends the paragraph.
    fn end_paragraph(&mut self) {
        self.lines_before.end_paragraph();
        self.found.iter_mut().for_each(NamedRecipient::end_paragraph);
    }

    /// Reads a line that is not empty and has no white space around it.
    fn read(&mut self, line: &'w str) {
        let mention = memchr(b'@', line.as_bytes()).and_then(|_| AddressMention::find(line));
        match mention.filter(|mention| self.is_recipient(mention, line)) {
            Some(mention) => self.name(&mention, line),
            None => self.add_to_open(line),
        }
    }

    /// Whether the line names a failed recipient, and not the writer or a contact.
    fn is_recipient(&mut self, mention: &AddressMention<'_>, line: &str) -> bool {
        if is_writer(&mention.mailbox, self.from) || mention.is_led_otherwise() {
            return false;
        }
        let folded = mention.mailbox.folded();
        if self.addressed.contains(&folded) || !is_contact(mention, line, &self.lines_before, &self.reporters)
        {
            return true;
        }
        // The lines below a contact are about the contact.
        if mention.apart {
            self.open = None;
        }
        false
    }

    /// Adds the recipients that a line names, and what it says about the first of them.
    fn name(&mut self, mention: &AddressMention<'_>, line: &str) {
        let Some(at) = self.place(mention.mailbox.clone(), mention.apart) else { return };
        // A link heads a section for people. What the other host said follows the address without a
        // link, below.
        if mention.is_link() {
            self.open = None;
            return;
        }
        self.open = Some((at, 0));
        for mailbox in mention.further() {
            self.place(mailbox, true);
        }
        // In a quoted reply, the recipient follows the status code.
        self.found[at].add(if mention.apart { mention.rest() } else { line });
    }

    /// The position of a recipient, which is added if it is new and there is room.
    fn place(&mut self, mailbox: Mailbox, apart: bool) -> Option<usize> {
        let folded = mailbox.folded();
        if let Some(at) = self.found.iter().position(|named| named.mailbox.folded() == folded) {
            self.found[at].apart |= apart;
            return Some(at);
        }
        if self.found.len() == NAMED_MAX {
            return None;
        }
        self.found.push(NamedRecipient::new(mailbox, apart));
        Some(self.found.len() - 1)
    }

    /// Adds a line that names no recipient to the recipient above it.
    fn add_to_open(&mut self, line: &'w str) {
        self.lines_before.add(line);
        if let Some((at, below)) = self.open.as_mut().filter(|(_, below)| *below < LINES_BELOW_MAX) {
            *below += 1;
            self.found[*at].add(line);
        }
    }
}

/// The addresses to which the original was sent: the `for` clause of the relay's Received field,
/// and the only address in the To field.
fn addressed(original: &ReturnedOriginal<'_>) -> Vec<String> {
    let mut to = original.header.field("To").into_iter().flat_map(|field| field.split(','));
    let first = to.next().and_then(Mailbox::find).filter(|_| to.next().is_none());
    first.iter().chain(&original.addressed).map(Mailbox::folded).collect()
}

impl NamedRecipient {
    fn new(mailbox: Mailbox, apart: bool) -> Self {
        NamedRecipient {
            mailbox,
            apart,
            status: None,
            diagnostic: None,
            reply: None,
            paragraph: 0,
            remote: false,
            remote_mta: None,
        }
    }

    /// The paragraph about the recipient that quotes a reply or a status code, or else all lines
    /// about the recipient. What stands in other paragraphs may be about anything.
    pub(super) fn reply(&self) -> Option<&str> {
        let all = self.diagnostic.as_deref()?;
        Some(self.reply.clone().map_or(all, |reply| &all[reply]))
    }

    fn end_paragraph(&mut self) {
        let Some(all) = &self.diagnostic else { return };
        let paragraph = self.paragraph..all.len();
        if self.reply.is_none() && reply::quoted(&all[paragraph.clone()]) {
            self.reply = Some(paragraph);
        }
        self.paragraph = all.len();
    }

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

/// Whether a mailbox is that of the report's writer.
fn is_writer(mailbox: &Mailbox, from: Option<&Mailbox>) -> bool {
    from.is_some_and(|from| from.folded() == mailbox.folded())
        || mailbox.local().eq_ignore_ascii_case("mailer-daemon")
}
