//! Finds the address that a line of text names, and what stands before and behind it.

use std::ops::Range;

use crate::classify::cleaned_text::addresses_in;
use crate::mail::Mailbox;

/// Largest number of further addresses that are read from one line.
const FURTHER_MAX: usize = 64;

/// Phrases before the address of a failed recipient within a sentence, in lower case.
const LEADS: [&str; 37] = [
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
    "addressed to email address :",
    "empfänger:",
    "destinatario:",
];
/// Phrases before an address that is not a failed recipient, in lower case.
const OTHER_LEADS: [&str; 4] = ["mailto:", "message-id", "mail from:", "reporting-mta"];

/// An address in a line.
pub(super) struct AddressMention<'l> {
    /// The address.
    pub(super) mailbox: Mailbox,
    /// The address begins the line or is alone on it, as in a list. If false, a phrase before it
    /// says that it is a recipient.
    pub(super) apart: bool,
    /// The line up to the address.
    pub(super) before: &'l str,
    /// The line behind the address.
    pub(super) after: &'l str,
}

impl<'l> AddressMention<'l> {
    /// Finds the first address of a line, if the line names it as a recipient.
    pub(super) fn find(line: &'l str) -> Option<Self> {
        let Range { start, end } = addresses_in(line).into_iter().next()?;
        let word = line[start..end].trim_end_matches(['.', ':', ',', '!', '?', '-']);
        let mailbox = Mailbox::parse(word.trim_start_matches(['*', '-', '.']))?;
        if !mailbox.domain().bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b) || b >= 0x80) {
            return None;
        }
        let (before, after) = (&line[..start], &line[end..]);
        let apart = begins_line(before) && stands_apart(before, after);
        let mention = AddressMention { mailbox, apart, before, after };
        (apart || mention.is_led()).then_some(mention)
    }

    /// The line behind the address, without the brackets and the punctuation that belong to it.
    pub(super) fn rest(&self) -> &'l str {
        self.after.trim_start_matches([
            '>', ']', ')', '"', '\'', ':', '.', ' ', '”', '’', '»', '“', '」', '』', '）', '＞',
        ])
    }

    /// Whether the line goes on to say what happened to the address, as in `<address>: reason`.
    pub(super) fn is_explained(&self) -> bool {
        let after = self.after.trim_start_matches(['>', ']', '"', '\'', ' ', '\t']);
        after.starts_with([':', '(', '[', '-', '|']) || after.starts_with("...")
    }

    /// Whether the address is repeated as a link, as in `a@b.example<mailto:a@b.example>`.
    pub(super) fn is_link(&self) -> bool {
        self.after.starts_with("<mailto:")
    }

    /// The further addresses that follow directly, separated by commas, semicolons or brackets.
    pub(super) fn further(&self) -> impl Iterator<Item = Mailbox> + use<'l> {
        let rest = self.rest();
        let begins = self.apart && rest.starts_with([',', ';']);
        let words = rest.split([',', ';', ' ', '<', '>', '\t']).filter(|word| !word.is_empty());
        words.map_while(Mailbox::parse).take(if begins { FURTHER_MAX } else { 0 })
    }

    /// Whether a phrase before the address says that it is a recipient.
    fn is_led(&self) -> bool {
        let before =
            self.before.trim_matches(|c: char| c.is_whitespace() || "<[(\"'*-#>|.“‘«„「『（＜".contains(c));
        let before = before.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        // Exchange quotes the To and Cc fields of the original.
        if before == "to:" || before == "cc:" {
            return false;
        }
        let quoted_reply = before.len() >= 3 && before.as_bytes()[..3].iter().all(u8::is_ascii_digit);
        quoted_reply || LEADS.iter().any(|lead| before.ends_with(lead))
    }

    /// Whether a phrase before the address says that it is something other than a recipient.
    pub(super) fn is_led_otherwise(&self) -> bool {
        let before = self.before.to_lowercase();
        before.contains("://") || OTHER_LEADS.iter().any(|lead| before.contains(lead))
    }
}

/// Whether nothing but marks of a list stands before an address.
fn begins_line(before: &str) -> bool {
    before.trim_matches(|c: char| c.is_whitespace() || "<[(\"'*-#>|.“‘«„「『（＜".contains(c)).is_empty()
}

/// Whether an address at the start of a line is set apart: it is alone on the line, in brackets or
/// quotes, or followed by punctuation or words that follow an address in a list.
fn stands_apart(before: &str, after: &str) -> bool {
    let after = after.trim();
    let closed =
        after.trim_start_matches(['>', ']', '"', '\'', ')', '”', '’', '»', '“', '」', '』', '）', '＞']);
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
