//! Decodes transfer encodings (RFC 2045 §6) and charsets.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memchr;

use super::Header;
use super::comments::skip_comments;
use super::lines::lines;

/// Length of the first line of base64 in octets, below which content that is not base64 as a whole
/// is taken for text.
const ENCODED_LINE_OCTETS_MIN: usize = 20;

/// How the content of a part is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferEncoding {
    /// The content is as it was written: `7bit`, `8bit`, `binary`, or an unknown encoding.
    Identity,
    /// RFC 2045 §6.8.
    Base64,
    /// RFC 2045 §6.7.
    QuotedPrintable,
}

impl TransferEncoding {
    /// The encoding that Content-Transfer-Encoding gives. Only the first word of the field is read,
    /// because comments and rubbish may follow it.
    pub(super) fn of(header: &Header) -> Self {
        let value = header.field("Content-Transfer-Encoding").unwrap_or_default();
        let value = skip_comments(value).trim_start_matches(['"', '\'']);
        let end = value.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(value.len());
        let word = &value[..end];
        if word.eq_ignore_ascii_case("base64") {
            TransferEncoding::Base64
        } else if word.eq_ignore_ascii_case("quoted-printable") {
            TransferEncoding::QuotedPrintable
        } else {
            TransferEncoding::Identity
        }
    }

    /// The decoded content. Content that is not encoded in this way is returned as it is.
    pub(super) fn decode(self, octets: &[u8]) -> Cow<'_, [u8]> {
        match self {
            TransferEncoding::Identity => Cow::Borrowed(octets),
            TransferEncoding::Base64 => base64(octets).map_or(Cow::Borrowed(octets), Cow::Owned),
            TransferEncoding::QuotedPrintable => Cow::Owned(quoted_printable(octets)),
        }
    }
}

/// Decodes base64. Gateways append plain text to encoded content, so only the encoded lines at the
/// start are decoded if the whole cannot be.
fn base64(octets: &[u8]) -> Option<Vec<u8>> {
    base64_decode(octets).or_else(|| {
        let first = lines(octets).next().filter(|line| line.len() >= ENCODED_LINE_OCTETS_MIN)?;
        let encoded: usize = lines(octets).take_while(|line| is_encoded_line(line)).map(<[u8]>::len).sum();
        if is_encoded_line(first) { base64_decode(&octets[..encoded]) } else { None }
    })
}

/// Whether a line holds nothing but whole groups of base64 (RFC 2045 §6.8).
pub(super) fn is_encoded_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let letters = line.strip_suffix(b"==").or(line.strip_suffix(b"=")).unwrap_or(line);
    let of_alphabet = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
    !letters.is_empty() && line.len().is_multiple_of(4) && letters.iter().all(of_alphabet)
}

/// Decodes quoted-printable. A `=` that encodes nothing stays (RFC 2045 §6.7); the library's decoder
/// gives up at the first one.
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    for line in lines(octets) {
        let content = line.trim_ascii_end();
        let (mut rest, end) = match content.strip_suffix(b"=") {
            Some(content) => (content, &b""[..]),
            None if line.ends_with(b"\r\n") => (content, &b"\r\n"[..]),
            None if line.ends_with(b"\n") => (content, &b"\n"[..]),
            None => (content, &b""[..]),
        };
        while let Some(at) = memchr(b'=', rest) {
            let octet = rest.get(at + 1..at + 3).and_then(hexadecimal);
            decoded.extend_from_slice(&rest[..at]);
            decoded.push(octet.unwrap_or(b'='));
            rest = &rest[at + if octet.is_some() { 3 } else { 1 }..];
        }
        decoded.extend_from_slice(rest);
        decoded.extend_from_slice(end);
    }
    decoded
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Decodes text from a charset and replaces invalid characters. Text in an unknown charset is read
/// as UTF-8.
pub(super) fn text<'m>(octets: &'m [u8], charset: Option<&str>) -> Cow<'m, str> {
    match charset.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decode) => Cow::Owned(decode(octets)),
        // Nearly all text is valid UTF-8, and checking that first is faster than the lossy
        // conversion.
        None => match std::str::from_utf8(octets) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(octets),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: &str, content: &str) -> String {
        let header = Header::parse(format!("Content-Transfer-Encoding: {encoding}\n").as_bytes());
        String::from_utf8(TransferEncoding::of(&header).decode(content.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn rfc2045_an_encoding_is_read_by_its_first_word() {
        for encoding in ["base64", "BASE64", "base64 (comment)", "(c) base64", "base64.", "\"base64\"; x=y"] {
            assert_eq!(decoded(encoding, "U29ycnku\r\n"), "Sorry.", "{encoding}");
        }
        for encoding in ["quoted-printable", "Quoted-Printable; x", "quoted-printable (RFC 2045)"] {
            assert_eq!(decoded(encoding, "S=6Frry=2E"), "Sorry.", "{encoding}");
        }
        for encoding in ["", "7bit", "base64-like", "x-uuencode"] {
            assert_eq!(decoded(encoding, "U29ycnku"), "U29ycnku", "{encoding}");
        }
    }

    #[test]
    fn base64_with_a_footer_is_decoded_up_to_the_footer() {
        let encoded = "WW91ciBtZXNzYWdlIHdhcyBub3QgZGVsaXZlcmVkLg==\n";
        assert_eq!(decoded("base64", &format!("{encoded}-- \nfooter!\n")), "Your message was not delivered.");
        assert_eq!(decoded("base64", "Sorry\nthis is no base64!\n"), "Sorry\nthis is no base64!\n");
    }

    #[test]
    fn rfc2045_quoted_printable_joins_soft_line_breaks_and_keeps_what_encodes_nothing() {
        for (content, want) in [
            ("a=\r\nb\r\nc", "ab\r\nc"),
            ("a=  \nb", "ab"),
            ("a \t\nb", "a\nb"),
            ("?a=b&c==3D=", "?a=b&c=="),
            ("=C3=a9=", "é"),
            ("no encoding\n", "no encoding\n"),
        ] {
            assert_eq!(decoded("quoted-printable", content), want, "{content:?}");
        }
    }
}
