//! Reads Content-Type (RFC 2045 §5), also in the damaged forms that mail systems write.

use std::borrow::Cow;

use mail_parser::{HeaderName, MessageParser, MimeHeaders};

use super::comments::skip_comments;
use super::{Header, NAME_OCTETS_MAX};

/// The type of content without a usable Content-Type (RFC 2045 §5.2).
pub(super) const TEXT_PLAIN: &str = "text/plain";
/// Largest number of octets that are kept of a media type: two names of 127 (RFC 6838 §4.2).
const MEDIA_TYPE_OCTETS_MAX: usize = 255;
/// Largest number of boundaries that one Content-Type may give. More than one is a fault, and the
/// body shows which one is used.
const BOUNDARIES_MAX: usize = 2;
/// Largest number of parameters that are read of one Content-Type.
const PARAMETERS_MAX: usize = 32;
/// Number of octets of a value in which a file name is read. The library needs quadratic time for
/// parameters in sections.
const NAMED_OCTETS_MAX: usize = 1 << 10;

/// The media type of a part and the parameters by which it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentType {
    /// The media type in lower case.
    pub(super) media_type: String,
    /// The parameter `report-type` in lower case.
    pub(super) report_type: Option<String>,
    /// The parameter `charset`.
    pub(super) charset: Option<String>,
    /// The values of the parameter `boundary`, in the order of the field.
    pub(super) boundaries: Vec<String>,
}

impl ContentType {
    /// A media type without parameters.
    pub(super) fn plain(media_type: &str) -> Self {
        ContentType { media_type: media_type.to_owned(), ..ContentType::default() }
    }

    /// The type that the Content-Type of a header gives, or else `default`.
    pub(super) fn of(header: &Header, default: &str) -> Self {
        match header.field("Content-Type") {
            Some(value) => ContentType::parse(value, default),
            None => ContentType::plain(default),
        }
    }

    fn parse(value: &str, default: &str) -> Self {
        let (media_type, rest) = media_type(value);
        let mut read = ContentType::default();
        for (name, value) in Parameters(rest).take(PARAMETERS_MAX) {
            read.add(name, &value);
        }
        read.media_type = match media_type {
            Some(media_type) => media_type,
            None if !read.boundaries.is_empty() => "multipart/mixed".to_owned(),
            None => default.to_owned(),
        };
        read
    }

    /// Whether this is the type of a multipart entity (RFC 2046 §5.1).
    pub(super) fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    /// Adds a parameter. `name*1` continues the value of `name*0`, and the value of `name*` may
    /// begin with a charset and a language (RFC 2231 §3, §4).
    fn add(&mut self, name: &str, value: &str) {
        let (name, section) = name.split_once('*').unwrap_or((name, "0"));
        let value = if section.is_empty() { value.rsplit('\'').next().unwrap_or(value) } else { value };
        let continues = !matches!(section.trim_end_matches('*'), "" | "0");
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("boundary") {
            let is_room = !value.is_empty() && self.boundaries.len() < BOUNDARIES_MAX;
            match self.boundaries.last_mut() {
                Some(boundary) if continues => boundary.push_str(value),
                _ if is_room => self.boundaries.push(value.to_owned()),
                _ => {}
            }
        } else if name.eq_ignore_ascii_case("report-type") {
            add_section(&mut self.report_type, &value.to_ascii_lowercase(), continues);
        } else if name.eq_ignore_ascii_case("charset") {
            add_section(&mut self.charset, value, continues);
        }
    }
}

fn add_section(parameter: &mut Option<String>, value: &str, continues: bool) {
    match parameter {
        Some(begun) if continues => begun.push_str(value),
        Some(_) => {}
        None => *parameter = Some(value.to_owned()),
    }
}

/// The file name that the header of a part gives, cut at [`NAME_OCTETS_MAX`].
pub(super) fn file_name(header: &Header) -> Option<String> {
    let mut fields = String::new();
    for name in ["Content-Type", "Content-Disposition"] {
        let value = header.field(name).unwrap_or_default();
        let value = &value[..value.floor_char_boundary(NAMED_OCTETS_MAX)];
        if value.as_bytes().windows(4).any(|window| window.eq_ignore_ascii_case(b"name")) {
            fields.extend([name, ": ", value, "\n"]);
        }
    }
    if fields.is_empty() {
        return None;
    }
    fields.push('\n');
    let parser = MessageParser::new()
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .default_header_ignore();
    let parsed = parser.parse(&fields)?;
    let name = parsed.parts.first()?.attachment_name()?;
    Some(name[..name.floor_char_boundary(NAME_OCTETS_MAX)].to_owned())
}

/// The media type in lower case, if there is one, and the rest of the value.
fn media_type(value: &str) -> (Option<String>, &str) {
    let start = skip_comments(value).trim_start_matches(['"', '\'']);
    let (kind, rest) = start.split_at(token_end(start));
    let rest = skip_comments(rest);
    if kind.is_empty() || rest.starts_with('=') {
        return (None, start);
    }
    let kind = kind.to_ascii_lowercase();
    let (subtype, rest) = match rest.strip_prefix('/').map(skip_comments) {
        Some(rest) => rest.split_at(token_end(rest)),
        None => ("", rest),
    };
    let mut media_type = match (kind.as_str(), subtype) {
        ("text", "") => TEXT_PLAIN.to_owned(),
        ("multipart", "") => "multipart/mixed".to_owned(),
        (_, "") => kind,
        _ => format!("{kind}/{}", subtype.to_ascii_lowercase()),
    };
    media_type.truncate(media_type.floor_char_boundary(MEDIA_TYPE_OCTETS_MAX));
    (Some(media_type), rest)
}

/// The position of the first sign that cannot be part of a name.
fn token_end(text: &str) -> usize {
    text.find(|c: char| c.is_ascii_whitespace() || "/;=(\",".contains(c)).unwrap_or(text.len())
}

/// The parameters of a value: their names and their values without quotes.
struct Parameters<'v>(&'v str);

impl<'v> Iterator for Parameters<'v> {
    type Item = (&'v str, Cow<'v, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = skip_comments(self.0);
            let (name, behind) = rest.split_at(token_end(rest));
            let behind = skip_comments(behind);
            let sign = behind.chars().next()?;
            let behind_sign = &behind[sign.len_utf8()..];
            if sign != '=' {
                // A separator, or rubbish that is skipped up to the next name.
                self.0 = if name.is_empty() { behind_sign } else { behind };
                continue;
            }
            let value;
            (value, self.0) = parameter_value(skip_comments(behind_sign));
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

/// The value at the start of a text, and the text behind it. A quote that is not closed is ignored.
fn parameter_value(text: &str) -> (Cow<'_, str>, &str) {
    if let Some(inside) = text.strip_prefix('"')
        && let Some(end) = quoted_end(inside)
    {
        return (unescaped(&inside[..end]), &inside[end + 1..]);
    }
    let end = text.find(|c: char| c == ';' || c.is_ascii_whitespace()).unwrap_or(text.len());
    (Cow::Borrowed(text[..end].trim_matches('"')), &text[end..])
}

/// The position of the quote that ends a quoted string.
fn quoted_end(inside: &str) -> Option<usize> {
    let mut escaped = false;
    inside.bytes().position(|octet| {
        let is_sign = !std::mem::take(&mut escaped);
        escaped = is_sign && octet == b'\\';
        is_sign && octet == b'"'
    })
}

fn unescaped(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut escaped = false;
    let keeps = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    Cow::Owned(inside.chars().filter(keeps).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> ContentType {
        ContentType::parse(value, TEXT_PLAIN)
    }

    #[test]
    fn rfc2045_media_types_are_read_in_every_spelling() {
        for (value, want) in [
            ("Multipart/Report; boundary=b", "multipart/report"),
            ("(a comment) message/delivery-status (another)", "message/delivery-status"),
            ("text/html charset=utf-8", "text/html"),
            ("multipart / mixed;boundary=b", "multipart/mixed"),
            ("\"text/html\"", "text/html"),
            ("text", "text/plain"),
            ("MULTIPART; boundary=b", "multipart/mixed"),
            ("boundary=\"b\"", "multipart/mixed"),
            ("; boundary=\"b\"", "multipart/mixed"),
            ("", "text/plain"),
            ("charset=utf-8", "text/plain"),
            ("x-sun-attachment", "x-sun-attachment"),
        ] {
            assert_eq!(parsed(value).media_type, want, "{value}");
        }
    }

    #[test]
    fn a_boundary_is_read_in_every_spelling() {
        for (value, want) in [
            ("multipart/mixed; boundary=abc", "abc"),
            ("multipart/mixed; BOUNDARY = \"abc\"", "abc"),
            ("multipart/mixed boundary=abc", "abc"),
            ("multipart/mixed;; (x) boundary=\"a b;c\\\"d\" (y)", "a b;c\"d"),
            ("multipart/mixed; boundary=\"abc", "abc"),
            ("multipart/mixed; boundary=abc\"; charset=x", "abc"),
            ("multipart/mixed; boundary=\"abc  \"", "abc"),
            ("multipart/mixed; boundary=abc (comment)", "abc"),
            ("multipart/mixed; boundary*0=ab; boundary*1=\"c\"", "abc"),
            ("multipart/mixed; boundary=; boundary=abc", "abc"),
        ] {
            assert_eq!(parsed(value).boundaries, [want], "{value}");
        }
        let twice = parsed("multipart/mixed; boundary=one; boundary=two; boundary=three");
        assert_eq!(twice.boundaries, ["one", "two"]);
        assert!(parsed("multipart/mixed; boundary=\"\"").boundaries.is_empty());
    }

    #[test]
    fn rfc6522_the_report_type_is_read_in_every_spelling() {
        for value in [
            "multipart/report; report-type=delivery-status; boundary=b",
            "multipart/report; Report-Type=\"Delivery-Status\"",
            "multipart/report; boundary=b;\treport-type = delivery-status (RFC 3464)",
            "multipart/report; report-type*=us-ascii'en'delivery-status",
        ] {
            assert_eq!(parsed(value).report_type.as_deref(), Some("delivery-status"), "{value}");
        }
        assert_eq!(parsed("multipart/report; boundary=\"x report-type=y\"").report_type, None);
    }

    #[test]
    fn hostile_values_are_read_to_their_end() {
        for value in
            ["(((", "a/b;===", "a/b; \"", "a/b; (", "/;/;/;", "a/b;x=\"\\", "é/ü; ä=ö", "=", "\"\"\""]
        {
            parsed(value);
        }
        let sections: String = (0..PARAMETERS_MAX - 1).map(|nth| format!("a*{nth}=x;")).collect();
        assert_eq!(parsed(&format!("text/html; {sections} charset=utf-8")).charset.as_deref(), Some("utf-8"));
    }

    #[test]
    fn a_file_name_is_found_in_either_field_and_cut() {
        let name = |fields: &str| file_name(&Header::parse(fields.as_bytes()));
        assert_eq!(
            name("Content-Disposition: attachment; filename=\"a b.txt\"\n").as_deref(),
            Some("a b.txt")
        );
        assert_eq!(name("Content-Type: image/png; NAME=x.png\n").as_deref(), Some("x.png"));
        assert_eq!(name("Content-Type: text/plain; charset=utf-8\n"), None);
        let long = name(&format!("Content-Type: image/png; name={}\n", "é".repeat(600)));
        assert_eq!(long.map(|long| long.len()), Some(NAME_OCTETS_MAX));
    }
}
