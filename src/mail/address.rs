//! Mailboxes and reverse-paths (RFC 5321 §4.1.2).

use std::borrow::Cow;
use std::fmt;

use minicbor::{Decode, Encode};

/// Longest mailbox that is accepted, in octets: 64 + 1 + 255 (RFC 5321 §4.5.3.1).
const MAILBOX_OCTETS_MAX: usize = 320;

/// A mailbox (RFC 5321 §4.1.2). The domain is kept in lower case and in A-labels, the local part as
/// written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    local: String,
    domain: String,
}

impl Mailbox {
    /// Parses `local@domain`, with or without angle brackets. A source route is dropped (RFC 5321
    /// appendix C).
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
        let bad_local = if local.starts_with('"') { !is_quoted(local, bad) } else { local.contains(bad) };
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

    /// Parses `local@domain` whose local part was taken out of quotes and may contain any character
    /// but control characters (RFC 5321 §4.1.2).
    pub fn unquoted(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let plain = Mailbox::parse(&format!("x@{domain}"))?;
        let fits = !local.is_empty() && text.len() <= MAILBOX_OCTETS_MAX && !local.contains(char::is_control);
        fits.then(|| Mailbox { local: local.to_owned(), domain: plain.domain })
    }

    /// Finds a mailbox in the value of a header field such as `From: Name <a@b.example>`: the one
    /// in the last angle brackets, else the first one.
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

    /// The local part as written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in lower case and in A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The canonical spelling of the mailbox, for comparisons: in lower case and without quotes.
    ///
    /// Some MTAs without SMTPUTF8 encode the local part as an A-label; it is decoded here. Only the
    /// host of the mailbox knows whether case matters in its local part, so case is ignored.
    pub fn folded(&self) -> String {
        let local = unquoted(&self.local).to_lowercase();
        let plain = local.strip_prefix("xn--").and_then(idna::punycode::decode_to_string);
        format!("{}@{}", plain.map_or(local, |plain| plain.to_lowercase()), self.domain)
    }
}

/// Whether every character that is `bad` outside of quotes stands in them, and the quotes are closed.
fn is_quoted(local: &str, bad: impl Fn(char) -> bool) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for letter in local.chars() {
        let is_sign = !std::mem::take(&mut escaped);
        match letter {
            '\\' if is_sign && quoted => escaped = true,
            '"' if is_sign => quoted = !quoted,
            _ if !quoted && bad(letter) => return false,
            _ => {}
        }
    }
    !quoted
}

/// The local part without quotes and backslashes (RFC 5321 §4.1.2, Quoted-string).
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

/// A domain in lower case and in A-labels (RFC 5890 §2.3.2.1). If it cannot be encoded in A-labels,
/// it is only changed to lower case.
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

/// The address in MAIL FROM (RFC 5321 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReversePath {
    /// The null reverse-path `<>`, from which reports are sent.
    #[n(0)]
    Null,
    /// Any other address, as written. It need not be a valid mailbox.
    #[n(1)]
    Address(#[n(0)] String),
}

impl ReversePath {
    /// Reads the argument of MAIL FROM, with or without angle brackets, and cuts it at the length
    /// limit.
    pub fn parse(text: &str) -> Self {
        match text.trim().trim_start_matches('<').trim_end_matches('>') {
            "" => ReversePath::Null,
            address => {
                ReversePath::Address(address[..address.floor_char_boundary(MAILBOX_OCTETS_MAX)].to_owned())
            }
        }
    }

    /// Whether this is the null reverse-path.
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
            ("\"odd \\\"local\\\"@\"@example.org", "\"odd \\\"local\\\"@\"@example.org"),
            ("víctim@exämple.org", "víctim@xn--exmple-cua.org"),
            ("user@example.org.", "user@example.org"),
        ] {
            assert_eq!(Mailbox::parse(text).map(|m| m.to_string()).as_deref(), Some(want), "{text}");
        }
        for text in [
            "",
            "<>",
            "user",
            "@example.org",
            "user@",
            "a b@example.org",
            "user@exa mple.org",
            "\"A B\" <user@example.org>",
            "\"a@example.org",
        ] {
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
