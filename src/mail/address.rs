//! Mailboxes and reverse-paths (RFC 5321 §4.1.2).

use std::borrow::Cow;
use std::fmt;

use minicbor::{Decode, Encode};

/// Longest mailbox that is read, in octets (RFC 5321 §4.5.3.1: 64 + 1 + 255).
const MAILBOX_OCTETS_MAX: usize = 320;

/// A mailbox; the domain is kept in lower case and in A-labels, the local part as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    local: String,
    domain: String,
}

impl Mailbox {
    /// Reads `local@domain`, with or without angle brackets; a source route before it is dropped (RFC 5321 §C).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('<').trim_end_matches('>');
        let text = match text.strip_prefix('@') {
            Some(route) => route.split_once(':')?.1,
            None => text,
        };
        let (local, domain) = text.rsplit_once('@')?;
        let domain = domain.trim_end_matches('.');
        let bad =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';');
        let bad_local = !local.starts_with('"') && local.contains(bad);
        if local.is_empty()
            || domain.is_empty()
            || bad_local
            || domain.contains(bad)
            || text.len() > MAILBOX_OCTETS_MAX
        {
            return None;
        }
        Some(Mailbox { local: local.to_owned(), domain: canonical_domain(domain) })
    }

    /// A mailbox whose local part may hold anything, as it does behind quotes (RFC 5321 §4.1.2).
    pub fn unquoted(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let plain = Mailbox::parse(&format!("x@{domain}"))?;
        let fits = !local.is_empty() && text.len() <= MAILBOX_OCTETS_MAX && !local.contains(char::is_control);
        fits.then(|| Mailbox { local: local.to_owned(), domain: plain.domain })
    }

    /// Finds the first mailbox in the text of a header field such as `From: Name <a@b.example>`.
    pub fn find(text: &str) -> Option<Self> {
        if let Some((_, rest)) = text.rsplit_once('<')
            && let Some((inside, _)) = rest.split_once('>')
            && let Some(mailbox) = Mailbox::parse(inside)
        {
            return Some(mailbox);
        }
        text.split(|c: char| {
            c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '(' | ')' | '"' | '[' | ']')
        })
        .filter(|word| word.contains('@'))
        .find_map(|word| Mailbox::parse(word.trim_end_matches(['.', ':'])))
    }

    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What two spellings of one mailbox share, as far as anyone but its host can tell: lower case throughout. A local part
    /// that was made an A-label, as some MTAs do who can't send SMTPUTF8, is what it was before.
    pub fn folded(&self) -> String {
        let local = unquoted(&self.local).to_lowercase();
        let plain = local.strip_prefix("xn--").and_then(idna::punycode::decode_to_string);
        format!("{}@{}", plain.map_or(local, |plain| plain.to_lowercase()), self.domain)
    }
}

/// What stands between the quotes of a local part (RFC 5321 §4.1.2, quoted-string).
fn unquoted(local: &str) -> Cow<'_, str> {
    let Some(inside) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(local);
    };
    let mut plain = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    Cow::Owned(plain)
}

/// A domain as the DNS knows it: in lower case, and in A-labels (RFC 5890 §2.3.2.1) where it can be.
pub fn canonical_domain(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_ascii_lowercase();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase())
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// Who a transaction says it is from (RFC 5321 §3.3): nobody, for reports, or a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReversePath {
    #[n(0)]
    Null,
    /// As written; not every one of them is a mailbox.
    #[n(1)]
    Address(#[n(0)] String),
}

impl ReversePath {
    pub fn parse(text: &str) -> Self {
        match text.trim().trim_start_matches('<').trim_end_matches('>') {
            "" => ReversePath::Null,
            address => {
                ReversePath::Address(address[..address.floor_char_boundary(MAILBOX_OCTETS_MAX)].to_owned())
            }
        }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self, ReversePath::Null)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReversePath::Null => f.write_str("<>"),
            ReversePath::Address(address) => write!(f, "<{address}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6531_spellings_of_one_mailbox_are_one() {
        let folded = |text: &str| Mailbox::parse(text).unwrap().folded();
        assert_eq!(folded("v\u{ed}ctim@tr\u{e4}p.example"), "v\u{ed}ctim@xn--trp-rla.example");
        for same in [
            "V\u{cd}CTIM@TR\u{c4}P.example",
            "xn--vctim-zsa@xn--trp-rla.example",
            "v\u{ed}ctim@XN--TRP-RLA.example",
        ] {
            assert_eq!(folded(same), folded("v\u{ed}ctim@tr\u{e4}p.example"), "{same}");
        }
        let quoted = Mailbox::unquoted("odd \"local\"@trap.example").unwrap();
        assert_eq!(folded("\"Odd \\\"local\\\"\"@trap.example"), quoted.folded());
        assert_eq!(folded("xn--@trap.example"), "@trap.example");
        assert_eq!(folded("xn--\u{ed}@trap.example"), "xn--\u{ed}@trap.example");
    }

    #[test]
    fn mailboxes_are_read_as_they_come() {
        for (text, want) in [
            ("<User@Example.ORG>", "User@example.org"),
            ("@relay.example:user@example.org", "user@example.org"),
            ("\"odd local\"@example.org", "\"odd local\"@example.org"),
            ("víctim@exämple.org", "víctim@xn--exmple-cua.org"),
            ("user@example.org.", "user@example.org"),
        ] {
            assert_eq!(Mailbox::parse(text).map(|m| m.to_string()).as_deref(), Some(want), "{text}");
        }
        for text in ["", "<>", "user", "@example.org", "user@", "a b@example.org", "user@exa mple.org"] {
            assert_eq!(Mailbox::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_mailbox_is_found_in_a_field() {
        for text in [
            "Mail Delivery System <Mailer-Daemon@relay.example>",
            "mailer-daemon@relay.example (Mail Delivery)",
            "\"someone@else\" <mailer-daemon@relay.example>",
            "write to mailer-daemon@relay.example.",
        ] {
            assert_eq!(Mailbox::find(text).unwrap().folded(), "mailer-daemon@relay.example", "{text}");
        }
        assert_eq!(Mailbox::find("undisclosed recipients:;"), None);
    }
}
