//! Values of fields of delivery status notifications that begin with a type (RFC 3464 §2.1.2), and
//! the encodings of the addresses in them.

use std::borrow::Cow;

use super::Mailbox;
use super::comments::without_comments;

/// Prefixes that some programs write before an address although it has a type, in lower case.
const ADDRESS_PREFIXES: [&str; 3] = ["rfc822:", "smtp:", "mailto:"];
/// Types of host names, in lower case. `dsn` is a misspelling that several programs share.
const HOST_TYPES: [&str; 3] = ["dns", "dsn", "smtp"];

/// The value of a field, with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypedValue<'v> {
    /// The type as written; empty if there is none.
    kind: &'v str,
    value: &'v str,
}

impl<'v> TypedValue<'v> {
    /// Splits the value of a field at its type. `None` if nothing is left.
    pub(super) fn parse(field: &'v str) -> Option<Self> {
        let (kind, value) = match field.split_once(';') {
            Some((kind, value)) if is_type(kind.trim()) => (kind.trim(), value.trim()),
            _ => ("", field.trim()),
        };
        (!value.is_empty()).then_some(TypedValue { kind, value })
    }

    /// The value as written, without the type.
    pub(super) fn text(self) -> String {
        self.value.to_owned()
    }

    /// The bare name of a host, or an address literal that stands alone. Comments, and addresses and
    /// words behind the name are left out.
    pub(super) fn host(self) -> Option<String> {
        let plain = without_comments(self.value);
        let mut text = plain.trim_ascii();
        if self.kind.is_empty() {
            text = without_host_type(text);
        } else if !HOST_TYPES.iter().any(|kind| self.kind.eq_ignore_ascii_case(kind)) {
            // The names of other systems may contain spaces.
            return (!text.is_empty()).then(|| text.to_owned());
        }
        let text = text.trim_start_matches(['<', '"', '\'']);
        let end = text
            .char_indices()
            .find(|&(at, c)| c.is_whitespace() || ";,>\"'".contains(c) || (c == '[' && at > 0));
        let name = text[..end.map_or(text.len(), |(at, _)| at)].trim_end_matches('.');
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The mailbox of a recipient. The value is not xtext (RFC 3464 §2.3.2); the type `utf-8` has
    /// escapes of its own (RFC 6533 §3).
    pub(super) fn mailbox(self) -> Option<Mailbox> {
        mailbox(&self.address())
    }

    /// The mailbox of an original recipient whose final recipient is known.
    ///
    /// RFC 3461 §6.3 asks for the decoded form of ORCPT. Some MTAs write it as it was on the wire, in
    /// xtext. Of the two readings the one is right that equals the final recipient.
    pub(super) fn original_mailbox(self, last: Option<&Mailbox>) -> Option<Mailbox> {
        let address = self.address();
        let written = mailbox(&address);
        if !address.contains('+') {
            return written;
        }
        let is_last = |mailbox: &Mailbox| last.is_some_and(|last| last.folded() == mailbox.folded());
        if written.as_ref().is_some_and(is_last) {
            return written;
        }
        mailbox(&decode_xtext(&address)).filter(is_last).or(written)
    }

    fn address(self) -> Cow<'v, str> {
        if self.kind.eq_ignore_ascii_case("utf-8") {
            decode_unicode(self.value)
        } else {
            Cow::Borrowed(self.value)
        }
    }
}

/// Whether the text before a semicolon is a type. An address, a host name or words are not.
fn is_type(kind: &str) -> bool {
    !kind.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '.' | '<' | '(' | '"'))
}

/// A text without `dns` and the colon or the space that some programs write for the semicolon.
fn without_host_type(text: &str) -> &str {
    let stripped = HOST_TYPES.iter().find_map(|kind| {
        let (start, rest) = text.split_at_checked(kind.len())?;
        let rest = rest.strip_prefix([':', ' '])?.trim_ascii_start();
        (start.eq_ignore_ascii_case(kind) && !rest.is_empty()).then_some(rest)
    });
    stripped.unwrap_or(text)
}

/// The mailbox in a value: with or without angle brackets, with a display name or a comment beside
/// it.
fn mailbox(value: &str) -> Option<Mailbox> {
    let plain = without_comments(value);
    let mut text = plain.trim_ascii();
    if let Some(inside) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        text = inside;
    }
    for prefix in ADDRESS_PREFIXES {
        if let Some((start, rest)) = text.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            text = rest.trim_ascii_start();
        }
    }
    Mailbox::parse(text).or_else(|| Mailbox::find(text)).or_else(|| Mailbox::find(value))
}

/// Decodes `\x{HEX}`, which stands for a character of Unicode (RFC 6533 §3). What stands for no
/// character stays.
fn decode_unicode(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x{") {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x{") {
        decoded.push_str(before);
        match behind.split_once('}').and_then(|(digits, behind)| Some((character(digits)?, behind))) {
            Some((character, behind)) => {
                decoded.push(character);
                rest = behind;
            }
            None => {
                decoded.push_str("\\x{");
                rest = behind;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character with this number in at most six hexadecimal digits. A control character is none,
/// because no address contains one.
fn character(digits: &str) -> Option<char> {
    if digits.len() > 6 || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|character| !character.is_control())
}

/// Decodes xtext (RFC 3461 §4): `+` and two upper-case hexadecimal digits encode an octet, and any
/// other character is literal. If the result is not UTF-8, the text is returned unchanged.
pub(crate) fn decode_xtext(text: &str) -> String {
    let octets = text.as_bytes();
    let mut decoded = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        let pair = octets
            .get(at + 1..at + 3)
            .filter(|pair| octet == b'+' && pair.iter().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F')));
        match pair
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|d| u8::from_str_radix(d, 16).ok())
        {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(octet);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn final_recipient(field: &str) -> Option<String> {
        TypedValue::parse(field)?.mailbox().map(|mailbox| mailbox.to_string())
    }

    #[test]
    fn rfc3464_recipients_are_read_as_they_come() {
        for (field, want) in [
            ("rfc822; nosuch+2024@relay.example", "nosuch+2024@relay.example"),
            ("rfc822; anne+40news@relay.example", "anne+40news@relay.example"),
            ("RFC822;nosuch@relay.example", "nosuch@relay.example"),
            ("rfc822 ; <nosuch@relay.example> (no such user)", "nosuch@relay.example"),
            ("rfc822; nosuch@relay.example (was <other@relay.example>)", "nosuch@relay.example"),
            ("rfc822; \"No Such\" <nosuch@relay.example>", "nosuch@relay.example"),
            ("rfc822; \"no such\"@relay.example", "\"no such\"@relay.example"),
            ("rfc822; \"nosuch@relay.example\"", "nosuch@relay.example"),
            ("rfc822; 'nosuch@relay.example'", "nosuch@relay.example"),
            ("rfc822; nosuch(comment)@relay.example", "nosuch@relay.example"),
            ("rfc822; (nosuch@relay.example)", "nosuch@relay.example"),
            ("rfc822;rfc822:nosuch@relay.example", "nosuch@relay.example"),
            ("rfc822; @other.example:nosuch@relay.example", "nosuch@relay.example"),
            ("rfc822; nosuch@relay.example..", "nosuch@relay.example"),
            ("rfc822; nosuch@relay.example;", "nosuch@relay.example"),
            ("nosuch@relay.example", "nosuch@relay.example"),
            ("<nosuch@relay.example>; rfc822", "nosuch@relay.example"),
            ("; nosuch@relay.example", "nosuch@relay.example"),
            ("LOCAL; nosuch@relay.example", "nosuch@relay.example"),
        ] {
            assert_eq!(final_recipient(field).as_deref(), Some(want), "{field}");
        }
        for field in ["LOCAL; user", "unknown; x", "system;", "rfc822;", "rfc822; <>", "", "rfc822; \"a\" b"]
        {
            assert_eq!(final_recipient(field), None, "{field}");
        }
    }

    #[test]
    fn rfc6533_escapes_are_those_of_the_type_utf_8_alone() {
        for (field, want) in [
            ("utf-8; v\\x{ED}ctim@relay.example", "v\u{ed}ctim@relay.example"),
            ("UTF-8;v\\x{ed}ctim@relay.example", "v\u{ed}ctim@relay.example"),
            ("utf-8; \\x{1F4E7}@relay.example", "\u{1f4e7}@relay.example"),
            ("utf-8; a\\x{2B}b@relay.example", "a+b@relay.example"),
            ("utf-8; a\\x{D800}b@relay.example", "a\\x{D800}b@relay.example"),
            ("utf-8; a\\x{A}b@relay.example", "a\\x{A}b@relay.example"),
            ("utf-8; a\\x{ED@relay.example", "a\\x{ED@relay.example"),
            ("rfc822; v\\x{ED}ctim@relay.example", "v\\x{ED}ctim@relay.example"),
        ] {
            assert_eq!(final_recipient(field).as_deref(), Some(want), "{field}");
        }
    }

    #[test]
    fn rfc3461_an_original_recipient_in_xtext_is_the_final_one() {
        let last = Mailbox::parse("nosuch+2024@relay.example").unwrap();
        let original = |field: &str| {
            TypedValue::parse(field).unwrap().original_mailbox(Some(&last)).unwrap().to_string()
        };
        assert_eq!(original("rfc822;nosuch+2B2024@relay.example"), "nosuch+2024@relay.example");
        assert_eq!(original("rfc822;nosuch+2024@relay.example"), "nosuch+2024@relay.example");
        // Another address is kept as it was written.
        assert_eq!(original("rfc822;other+2B2024@relay.example"), "other+2B2024@relay.example");
        let alone = TypedValue::parse("rfc822;anne+40news@relay.example").unwrap().original_mailbox(None);
        assert_eq!(alone.unwrap().to_string(), "anne+40news@relay.example");
    }

    #[test]
    fn rfc3464_hosts_are_bare_names() {
        for (field, want) in [
            ("dns; mx.example.net", "mx.example.net"),
            ("DNS ;mx.example.net.", "mx.example.net"),
            ("dns; mx.example.net (tcp-daemon)", "mx.example.net"),
            ("dns; mx.example.net [192.0.2.1]", "mx.example.net"),
            ("dns; mx.example.net[192.0.2.1]", "mx.example.net"),
            ("dns; mx.example.net (192.0.2.1)", "mx.example.net"),
            ("dns; mx.example.net. (192.0.2.1, the server for the domain example.net)", "mx.example.net"),
            ("dns; (tcp-daemon) mx.example.net", "mx.example.net"),
            ("dns:mx.example.net", "mx.example.net"),
            ("dns: mx.example.net", "mx.example.net"),
            ("dns mx.example.net", "mx.example.net"),
            ("mx.example.net", "mx.example.net"),
            ("mx.example.net; 192.0.2.1", "mx.example.net"),
            ("<mx.example.net>", "mx.example.net"),
            ("dns; [192.0.2.1]", "[192.0.2.1]"),
            ("dns; 192.0.2.1", "192.0.2.1"),
            ("dns; [IPv6:2001:db8::1] (relay)", "[IPv6:2001:db8::1]"),
            ("dns; 2001:db8::1", "2001:db8::1"),
            ("x-server; CN=Server One/O=Example (a comment)", "CN=Server One/O=Example"),
        ] {
            assert_eq!(TypedValue::parse(field).and_then(TypedValue::host).as_deref(), Some(want), "{field}");
        }
        for field in ["dns;", "dns; (tcp-daemon)", "dns; .", ""] {
            assert_eq!(TypedValue::parse(field).and_then(TypedValue::host), None, "{field}");
        }
    }
}
