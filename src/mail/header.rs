//! Header fields, unfolded (RFC 5322 §2.2).

use memchr::memchr;
use minicbor::{Decode, Encode};

use super::lines::without_end;
use super::{FIELD_OCTETS_MAX, HEADER_FIELDS_MAX};

/// One header field.
///
/// The value is unfolded, trimmed and cut at [`FIELD_OCTETS_MAX`]; invalid UTF-8 is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HeaderField {
    /// The name as written.
    #[n(0)]
    pub name: String,
    /// The value.
    #[n(1)]
    pub value: String,
}

/// Header fields in the order of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Header(#[n(0)] Vec<HeaderField>);

impl HeaderField {
    /// Whether the field has this name; case is ignored.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Header {
    /// Parses fields up to the first empty line. Lines that are not fields are skipped.
    pub fn parse(octets: &[u8]) -> Self {
        Header::groups(octets, 1).pop().unwrap_or_default()
    }

    /// Parses fields up to the first line that `ends` the header; `ends` is also given the lines below
    /// it. Returns the position of that line, too.
    pub(super) fn parse_until<'h>(
        octets: &'h [u8],
        ends: impl Fn(&[u8], &mut dyn Iterator<Item = &'h [u8]>) -> bool,
    ) -> (Self, usize) {
        let mut header = Header::default();
        let mut at = 0;
        let mut below = super::lines::lines(octets);
        while let Some(line) = below.next() {
            if ends(line, &mut below.clone()) {
                break;
            }
            header.push_line(without_end(line));
            at += line.len();
        }
        (header, at)
    }

    /// Parses fields up to the first line that is not a field, because a body may follow without an
    /// empty line. Up to three lines are skipped if a well-known field follows them.
    pub fn parse_strictly(octets: &[u8]) -> Self {
        let mut header = Header::default();
        let mut lines = lines(octets);
        while let Some(line) = lines.next() {
            let continued = line.starts_with(b" ") || line.starts_with(b"\t");
            if line.trim_ascii().is_empty() {
                break;
            }
            if continued || field_name(line).is_some() {
                header.push_line(line);
            } else if !lines.clone().take(LOST_FOLDS_MAX).any(is_well_known) {
                // A field that follows shows that the line is a continuation that lost its fold.
                // Otherwise it is the body.
                break;
            }
        }
        header
    }

    /// Parses the groups of fields of a machine-readable report, at most `groups_max` of them.
    ///
    /// Only fields of such reports and `X-` fields are kept. Parsing ends at a line that looks like
    /// a boundary, so that the body after a wrong boundary is not read as fields.
    pub fn report_groups(octets: &[u8], groups_max: usize) -> Vec<Self> {
        let end = lines(octets).take_while(|line| !line.starts_with(b"--")).last();
        let end = end.map_or(0, |last| last.as_ptr() as usize - octets.as_ptr() as usize + last.len());
        let mut groups = Header::groups(&octets[..end], groups_max);
        for group in &mut groups {
            group.0.retain(|field| is_report_field(&field.name));
        }
        groups.retain(|group| !group.is_empty());
        groups
    }

    /// Parses groups of fields that are separated by empty lines (RFC 3464 §2.1), at most
    /// `groups_max` of them.
    pub fn groups(octets: &[u8], groups_max: usize) -> Vec<Self> {
        let mut groups: Vec<Header> = Vec::new();
        let mut current = Header::default();
        for line in lines(octets) {
            if line.iter().all(u8::is_ascii_whitespace) {
                if !current.0.is_empty() {
                    groups.push(std::mem::take(&mut current));
                }
                if groups.len() >= groups_max {
                    return groups;
                }
            } else {
                current.push_line(line);
            }
        }
        if !current.0.is_empty() {
            groups.push(current);
        }
        groups
    }

    fn push_line(&mut self, line: &[u8]) {
        if line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
            if let Some(last) = self.0.last_mut() {
                append(&mut last.value, line);
            }
            return;
        }
        let Some((name, value)) = field_name(line) else { return };
        if self.0.len() < HEADER_FIELDS_MAX {
            let mut field =
                HeaderField { name: String::from_utf8_lossy(name).into_owned(), value: String::new() };
            append(&mut field.value, value);
            self.0.push(field);
        }
    }

    /// The fields in the order of the message.
    pub fn fields(&self) -> &[HeaderField] {
        &self.0
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first field of that name; case is ignored.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.is(name)).map(|field| field.value.as_str())
    }

    /// The value of the first field of that name, with encoded words decoded (RFC 2047).
    pub fn decoded(&self, name: &str) -> Option<String> {
        self.field(name).map(decoded_words)
    }

    /// The values of all fields of that name; case is ignored.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |field| field.is(name)).map(|field| field.value.as_str())
    }
}

/// A value with its encoded words decoded (RFC 2047).
pub(super) fn decoded_words(value: &str) -> String {
    if !value.contains("=?") {
        return value.to_owned();
    }
    let octets = format!("Subject: {value}\n\n");
    let parsed = mail_parser::MessageParser::new()
        .header_text(mail_parser::HeaderName::Subject)
        .parse_headers(&octets);
    parsed.and_then(|parsed| Some(parsed.subject()?.to_owned())).unwrap_or_else(|| value.to_owned())
}

fn append(value: &mut String, octets: &[u8]) {
    let octets = octets.trim_ascii();
    if value.len() >= FIELD_OCTETS_MAX || octets.is_empty() {
        return;
    }
    if !value.is_empty() {
        value.push(' ');
    }
    let room = FIELD_OCTETS_MAX - value.len();
    // A character that is cut here lies beyond the room.
    let text = String::from_utf8_lossy(&octets[..octets.len().min(room + CHARACTER_OCTETS_MAX)]);
    value.push_str(&text[..text.floor_char_boundary(room)]);
}

/// Longest character of UTF-8 in octets.
const CHARACTER_OCTETS_MAX: usize = 4;

/// Whether a field belongs to a machine-readable report.
pub(super) fn is_report_field(name: &str) -> bool {
    let begins_extension = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    begins_extension || REPORT_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field))
}

/// The names of the fields of delivery-status (RFC 3464, RFC 3885), disposition (RFC 8098) and
/// feedback reports (RFC 5965), in lower case.
const REPORT_FIELDS: [&str; 35] = [
    "action",
    "arrival-date",
    "authentication-results",
    "diagnostic-code",
    "disposition",
    "dsn-gateway",
    "error",
    "failure",
    "feedback-type",
    "final-log-id",
    "final-recipient",
    "incidents",
    "last-attempt-date",
    "mdn-gateway",
    "mtrk-certifier",
    "original-envelope-id",
    "original-mail-from",
    "original-message-id",
    "original-rcpt-to",
    "original-recipient",
    "received-date",
    "received-from-mta",
    "remote-mta",
    "remote-recipient",
    "reported-domain",
    "reported-uri",
    "reporting-mta",
    "reporting-ua",
    "source-ip",
    "status",
    "user-agent",
    "version",
    "warning",
    "will-retry-until",
    "localized-error",
];

/// Number of consecutive lines of a copied header that may be continuation lines without their
/// fold.
pub(super) const LOST_FOLDS_MAX: usize = 3;

/// Whether a line is one of the well-known fields of a message header.
fn is_well_known(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 11] = [
        b"received",
        b"from",
        b"to",
        b"cc",
        b"subject",
        b"date",
        b"message-id",
        b"mime-version",
        b"content-type",
        b"return-path",
        b"reply-to",
    ];
    field_name(line).is_some_and(|(name, _)| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// The lines of `octets` without CR LF or LF.
fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    super::lines::lines(octets).map(without_end)
}

/// The name of a field and the octets after its colon.
pub(super) fn field_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    is_field_name(name).then_some((name, &line[colon + 1..]))
}

/// Whether octets are a field name: printable US-ASCII without space and colon (RFC 5322 §3.6.8).
/// The caller has split off the colon.
pub(super) fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 76 && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_found_whatever_their_case() {
        let header = Header::parse(b"From: a\r\nSUBJECT: one\r\n\ttwo\r\nno field here\r\n\r\nBody: not\r\n");
        assert_eq!(header.field("subject"), Some("one two"));
        assert_eq!(header.fields().len(), 2);
    }

    #[test]
    fn groups_are_set_apart_by_empty_lines_and_counted() {
        let groups = Header::groups(b"\n\nA: 1\n \nB: 2\nC: 3\n\n\nD: 4", 2);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[1].field("c"), Some("3"));
    }

    #[test]
    fn a_field_is_cut_at_its_limit_on_a_character() {
        let long = format!("X: {}\n further", "é".repeat(FIELD_OCTETS_MAX));
        let header = Header::parse(long.as_bytes());
        assert_eq!(header.field("x").map(str::len), Some(FIELD_OCTETS_MAX));
    }
}
