//! Parses a message and its MIME parts, and keeps what the classifier needs.

use std::borrow::Cow;
use std::sync::LazyLock;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{HeaderName, MessageParser, MimeHeaders, PartType};
use minicbor::{Decode, Encode};

use super::lines::lines;
use super::text::{announces_copy, split_copy};
use super::{
    ATTACHED_MAX, BOUNDARY_LINES_MAX, DECODED_OCTETS_MAX, DEPTH_MAX, GROUPS_MAX, Header, MESSAGE_OCTETS_MAX,
    NAME_OCTETS_MAX, PARTS_MAX, TEXT_OCTETS_MAX,
};
use crate::digest::Digest;

/// A parsed message. The documentation of the module `mail` says what is kept of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// The header of the message.
    #[n(0)]
    pub header: Header,
    /// The MIME parts, depth first. The first one is the body of the message itself.
    #[n(1)]
    pub parts: Vec<MimePart>,
}

/// One MIME part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MimePart {
    /// The level of nesting; the body of the message itself is at level 0.
    #[n(0)]
    pub depth: u8,
    /// The media type in lower case; `text/plain` if none is given (RFC 2045 §5.2).
    #[n(1)]
    pub media_type: String,
    /// The `report-type` parameter (RFC 6522 §3), in lower case.
    #[n(2)]
    pub report_type: Option<String>,
    /// Size of the content in octets, before the transfer encoding is decoded.
    #[n(3)]
    pub octets: u64,
    /// Digest of the content before the transfer encoding is decoded, if nothing else is kept of
    /// it.
    #[n(4)]
    pub digest: Option<Digest>,
    /// What is kept of the content.
    #[n(5)]
    pub content: PartContent,
    /// The file name, if there is one.
    #[n(6)]
    pub name: Option<String>,
}

/// What is kept of a part's content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PartContent {
    /// Nothing but the type, size and digest in [`MimePart`].
    #[n(0)]
    Opaque,
    /// The report's own text, and the header of an original that was copied after it.
    #[n(1)]
    Words(#[n(0)] String, #[n(1)] Option<Header>),
    /// The groups of fields of a delivery-status part or of another machine-readable report.
    #[n(2)]
    Fields(#[n(0)] Vec<Header>),
    /// The header of the returned original.
    #[n(3)]
    Original(#[n(0)] Header),
}

impl Message {
    /// The header of the returned original: that of a part, else one copied into the text.
    pub fn original(&self) -> Option<&Header> {
        let whole = self.parts.iter().find_map(|part| match &part.content {
            PartContent::Original(header) if !header.is_empty() => Some(header),
            _ => None,
        });
        whole.or_else(|| {
            self.parts.iter().find_map(|part| match &part.content {
                PartContent::Words(_, copy) => copy.as_ref(),
                _ => None,
            })
        })
    }

    /// Whether the report's own text ends with a line that announces a copy of the original. The
    /// copy itself may be missing.
    pub fn announces_copy(&self) -> bool {
        self.words().any(|words| words.trim_end().lines().next_back().is_some_and(announces_copy))
    }

    /// The report's own text, one string for each part.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match &part.content {
            PartContent::Words(words, _) => Some(words.as_str()),
            _ => None,
        })
    }
}

/// The MIME parser, which parses only the fields that separate the parts.
///
/// It does not parse Content-Transfer-Encoding. Otherwise it would also parse messages that it
/// decoded, which [`bounded`] has not limited, and dropping deeply nested messages would overflow
/// the stack. This module decodes the parts that it needs.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .default_header_ignore()
});

/// Parses a message. Any octets are accepted.
pub fn read(octets: &[u8]) -> Message {
    let octets = bounded(without_empty_lines(&octets[..octets.len().min(MESSAGE_OCTETS_MAX)]));
    let mut reader = MessageReader { message: Message::default(), words_room: TEXT_OCTETS_MAX };
    let Some(parsed) = PARSER.parse(octets) else { return reader.message };
    reader.message.header = header_of(&parsed, 0);
    match unmarked_boundary(&reader.message.header, &parsed) {
        Some(boundary) => {
            let marked =
                [b"Content-Type: multipart/mixed; boundary=\"", boundary, b"\"\r\n", octets].concat();
            if let Some(parsed) = PARSER.parse(&marked) {
                reader.add(&parsed, 0, 0);
            }
        }
        None => reader.add(&parsed, 0, 0),
    }
    reader.message
}

/// The messages that are attached to a message as message/rfc822 or message/global, decoded, at
/// most [`ATTACHED_MAX`].
pub fn attached(octets: &[u8]) -> Vec<Vec<u8>> {
    let octets = bounded(without_empty_lines(octets));
    let Some(parsed) = PARSER.parse(octets) else { return Vec::new() };
    let Some(root) = parsed.parts.first() else { return Vec::new() };
    let children: Vec<u32> = match &root.body {
        PartType::Multipart(children) => children.clone(),
        _ => vec![0],
    };
    let messages = children.into_iter().filter_map(|index| {
        let part = parsed.parts.get(index as usize)?;
        if !matches!(media_type(part).as_str(), "message/rfc822" | "message/global") {
            return None;
        }
        let header = Header::parse(between(&parsed.raw_message, part.offset_header, part.offset_body));
        let encoding = header.field("Content-Transfer-Encoding").unwrap_or_default();
        let contents = contents(&parsed, part);
        let message = if encoding.eq_ignore_ascii_case("base64") {
            base64_decode(contents)?
        } else if encoding.eq_ignore_ascii_case("quoted-printable") {
            quoted_printable_decode(contents)?
        } else {
            contents.to_vec()
        };
        Some(message)
    });
    messages.take(ATTACHED_MAX).collect()
}

/// The boundary of a multipart message without Content-Type, which some old gateways and mailbox
/// tools remove.
///
/// The boundary is a line of two hyphens and a word that occurs again below and is followed by the
/// header of a part or an empty line.
fn unmarked_boundary<'m>(header: &Header, parsed: &'m mail_parser::Message<'_>) -> Option<&'m [u8]> {
    if header.field("Content-Type").is_some() {
        return None;
    }
    let body = parsed.raw_message.get(parsed.parts.first()?.offset_body as usize..)?;
    let mut below = lines(body).map(<[u8]>::trim_ascii_end);
    for _ in 0..UNMARKED_LINES_MAX {
        let line = below.next()?;
        // A boundary after a Content-Type field belongs to a message that is copied into the text.
        if begins_with_type(line) {
            return None;
        }
        let Some(boundary) = line.strip_prefix(b"--").filter(|rest| is_boundary(rest)) else { continue };
        let typed = below.clone().next().is_some_and(|next| {
            next.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-")) || next.is_empty()
        });
        if typed && below.clone().any(|other| other.starts_with(line)) {
            return Some(boundary);
        }
    }
    None
}

/// Number of lines in which the first boundary of a message without Content-Type is looked for.
const UNMARKED_LINES_MAX: usize = 40;

/// Whether octets are a boundary (RFC 2046 §5.1.1) of at least 8 octets and without spaces.
fn is_boundary(octets: &[u8]) -> bool {
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(octet);
    (8..=70).contains(&octets.len())
        && octets.iter().all(allowed)
        && octets.iter().any(u8::is_ascii_alphanumeric)
}

/// The octets up to the line that would exceed the limit of parts or of boundaries.
///
/// The parser has no limit for nesting and looks for every boundary up to the end, so the input
/// must be limited. Every part that is not plain text has a Content-Type field, and every part
/// follows a boundary.
fn bounded(octets: &[u8]) -> &[u8] {
    let mut at = 0;
    let (mut types, mut boundaries) = (0, 0);
    for line in lines(octets) {
        types += usize::from(begins_with_type(line));
        boundaries += usize::from(line.starts_with(b"--"));
        if types > PARTS_MAX || boundaries > BOUNDARY_LINES_MAX {
            return &octets[..at];
        }
        at += line.len();
    }
    octets
}

/// Whether a line begins with `Content-Type`, as the parser reads it: without regard to case, after
/// white space and colons, and with white space between the letters.
fn begins_with_type(line: &[u8]) -> bool {
    let letters =
        line.iter().filter(|octet| !octet.is_ascii_whitespace()).skip_while(|&&octet| octet == b':');
    letters.take(PART_MARK.len()).map(u8::to_ascii_lowercase).eq(PART_MARK.iter().copied())
}

const PART_MARK: &[u8] = b"content-type";

struct MessageReader {
    message: Message,
    words_room: usize,
}

impl MessageReader {
    fn add(&mut self, parsed: &mail_parser::Message<'_>, index: u32, depth: u8) {
        let Some(part) = parsed.parts.get(index as usize) else { return };
        if self.message.parts.len() >= PARTS_MAX {
            return;
        }
        let media_type = media_type(part);
        let own = match depth {
            0 => Cow::Borrowed(&self.message.header),
            _ => {
                Cow::Owned(Header::parse(between(&parsed.raw_message, part.offset_header, part.offset_body)))
            }
        };
        let encoding = own.field("Content-Transfer-Encoding").map(str::to_owned).unwrap_or_default();
        let contents = contents(parsed, part);
        let content = if depth > 0 && is_messages(&own) {
            // The original follows the boundary directly, without a header of the part.
            PartContent::Original(own.into_owned())
        } else {
            self.content(&media_type, part, &decoded(contents, &encoding))
        };
        self.message.parts.push(MimePart {
            depth,
            report_type: part
                .content_type()
                .and_then(|kind| kind.attribute("report-type"))
                .map(|kind| kind.to_ascii_lowercase()),
            octets: contents.len() as u64,
            digest: (content == PartContent::Opaque && !matches!(part.body, PartType::Multipart(_)))
                .then(|| Digest::of(contents)),
            content,
            media_type,
            name: part
                .attachment_name()
                .map(|name| name[..name.floor_char_boundary(NAME_OCTETS_MAX)].to_owned()),
        });
        if let (PartType::Multipart(children), true) = (&part.body, depth < DEPTH_MAX) {
            for &child in children {
                self.add(parsed, child, depth + 1);
            }
        }
    }

    fn content(
        &mut self,
        media_type: &str,
        part: &mail_parser::MessagePart<'_>,
        contents: &[u8],
    ) -> PartContent {
        match media_type {
            "message/delivery-status"
            | "message/global-delivery-status"
            | "message/disposition-notification"
            | "message/global-disposition-notification"
            | "message/feedback-report" => PartContent::Fields(Header::report_groups(contents, GROUPS_MAX)),
            "message/rfc822"
            | "message/global"
            | "text/rfc822-headers"
            | "message/rfc822-headers"
            | "message/global-headers" => {
                PartContent::Original(Header::parse_strictly(without_empty_lines(contents)))
            }
            "text/plain" => self.words(&text(part, contents)),
            "text/html" => self.words(&html_to_text(&text(part, contents))),
            // A multipart without a boundary is read as text.
            _ if media_type.starts_with("multipart/") && !matches!(part.body, PartType::Multipart(_)) => {
                self.words(&text(part, contents))
            }
            _ => PartContent::Opaque,
        }
    }

    /// Keeps the first text, which is the report's own. A further text may be that of the original,
    /// so only a copied header is kept of it.
    fn words(&mut self, text: &str) -> PartContent {
        let (words, copy) = split_copy(text);
        if self.message.words().any(|words| !words.trim_ascii().is_empty()) {
            return copy.map_or(PartContent::Opaque, |copy| PartContent::Words(String::new(), Some(copy)));
        }
        let words = &words[..words.floor_char_boundary(self.words_room)];
        self.words_room -= words.len();
        PartContent::Words(words.to_owned(), copy)
    }
}

/// The first [`DECODED_OCTETS_MAX`] octets of a part's content, with the transfer encoding decoded.
fn decoded<'m>(contents: &'m [u8], encoding: &str) -> Cow<'m, [u8]> {
    let first = &contents[..contents.len().min(DECODED_OCTETS_MAX)];
    let decoded = if encoding.eq_ignore_ascii_case("base64") {
        base64_decode(first)
    } else if encoding.eq_ignore_ascii_case("quoted-printable") {
        quoted_printable_decode(first)
    } else {
        None
    };
    decoded.map_or(Cow::Borrowed(first), Cow::Owned)
}

/// Decodes text from the charset of the part and replaces invalid characters.
fn text<'m>(part: &mail_parser::MessagePart<'_>, octets: &'m [u8]) -> Cow<'m, str> {
    let charset = part.content_type().and_then(|kind| kind.attribute("charset"));
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

/// Whether a header is that of a message and not of a MIME part.
fn is_messages(header: &Header) -> bool {
    let telling = ["Received", "To", "Subject", "Message-ID", "Date"];
    let told = telling.iter().filter(|name| header.field(name).is_some()).count();
    header.field("From").is_some() && told >= 2
}

fn media_type(part: &mail_parser::MessagePart<'_>) -> String {
    match part.content_type() {
        Some(kind) => match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase(),
            None => kind.ctype().to_ascii_lowercase(),
        },
        None if matches!(part.body, PartType::Multipart(_)) => "multipart/mixed".to_owned(),
        None => "text/plain".to_owned(),
    }
}

/// The content of a part before the transfer encoding is decoded. It includes the nested parts.
fn contents<'m>(parsed: &'m mail_parser::Message<'_>, part: &'m mail_parser::MessagePart<'_>) -> &'m [u8] {
    let end = match &part.body {
        PartType::Message(nested) => nested.parts.first().map_or(part.offset_end, |root| root.offset_end),
        _ => part.offset_end,
    };
    between(&parsed.raw_message, part.offset_body, end)
}

fn between(octets: &[u8], start: u32, end: u32) -> &[u8] {
    octets.get(start as usize..end.max(start) as usize).unwrap_or_default()
}

fn header_of(parsed: &mail_parser::Message<'_>, index: usize) -> Header {
    let end = parsed.parts.get(index).map_or(0, |part| part.offset_body as usize);
    Header::parse(without_empty_lines(parsed.raw_message.get(..end).unwrap_or_default()))
}

/// The octets without the empty lines or the mbox separator (`From `) that some programs write
/// before the header.
fn without_empty_lines(octets: &[u8]) -> &[u8] {
    let trimmed = octets.trim_ascii_start();
    match trimmed.strip_prefix(b"From ") {
        Some(rest) => rest.splitn(2, |&octet| octet == b'\n').nth(1).unwrap_or_default(),
        None => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str) -> usize {
        read(format!("From: MAILER-DAEMON@relay.example\n\n{body}").as_bytes()).parts.len()
    }

    #[test]
    fn a_lost_boundary_has_a_part_behind_it() {
        let part = "--NextPart_12345\nContent-Type: text/plain\n\nSorry.\n";
        assert_eq!(parts(&format!("{part}--NextPart_12345--\n")), 2);
        assert_eq!(parts(part), 1, "the boundary occurs only once");
        for end in ["", "\n", "\n\n"] {
            let words = format!("--NextPart_12345\nHello there\n--NextPart_12345{end}");
            assert_eq!(
                parts(&words),
                1,
                "no header of a part follows the boundary; the text ends with {end:?}"
            );
        }
    }
}
