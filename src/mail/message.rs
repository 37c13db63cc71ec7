//! A message as far as it is looked at, by way of the MIME parser.

use mail_parser::{MessageParser, MimeHeaders, PartType};
use minicbor::{Decode, Encode};

use super::text::split_copy;
use super::{DEPTH_MAX, GROUPS_MAX, Header, MESSAGE_OCTETS_MAX, PARTS_MAX, TEXT_OCTETS_MAX};
use crate::digest::Digest;

/// What is known of a message; see the module's head for what is kept and what isn't.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    #[n(0)]
    pub header: Header,
    /// Depth first; the first is the message's own body.
    #[n(1)]
    pub parts: Vec<Part>,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    #[n(0)]
    pub depth: u8,
    /// In lower case, `text/plain` where none is given (RFC 2045 §5.2).
    #[n(1)]
    pub media_type: String,
    /// The `report-type` parameter (RFC 6522 §3), in lower case.
    #[n(2)]
    pub report_type: Option<String>,
    /// Size of the content in octets, decoded.
    #[n(3)]
    pub octets: u64,
    #[n(4)]
    pub digest: Digest,
    #[n(5)]
    pub content: Content,
}

/// What is kept of a part's content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Content {
    /// Nothing but the type, size and digest above.
    #[n(0)]
    Opaque,
    /// The report's own words, and the header of an original that was copied below them.
    #[n(1)]
    Words(#[n(0)] String, #[n(1)] Option<Header>),
    /// The groups of fields of a delivery-status or another machine-readable report.
    #[n(2)]
    Fields(#[n(0)] Vec<Header>),
    /// The header of the returned original.
    #[n(3)]
    Original(#[n(0)] Header),
}

impl Message {
    /// The header of the returned original, wherever it stands.
    pub fn original(&self) -> Option<&Header> {
        let whole = self.parts.iter().find_map(|part| match &part.content {
            Content::Original(header) if !header.is_empty() => Some(header),
            _ => None,
        });
        whole.or_else(|| {
            self.parts.iter().find_map(|part| match &part.content {
                Content::Words(_, copy) => copy.as_ref(),
                _ => None,
            })
        })
    }

    /// The report's own words, part by part.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match &part.content {
            Content::Words(words, _) => Some(words.as_str()),
            _ => None,
        })
    }
}

/// Reads a message of any octets whatever.
pub fn read(octets: &[u8]) -> Message {
    let octets = bounded(&octets[..octets.len().min(MESSAGE_OCTETS_MAX)]);
    let mut reader = Reader { message: Message::default(), words_room: TEXT_OCTETS_MAX };
    if let Some(parsed) = MessageParser::default().parse(octets) {
        reader.message.header = header_of(&parsed, 0);
        reader.add(&parsed, 0, 0);
    }
    reader.message
}

/// The octets before the line that would make one part too many.
///
/// The parser nests without a limit and looks for every boundary to the end: what nobody needs must not reach it. A
/// part that is more than text says what it is in a line that begins so.
fn bounded(octets: &[u8]) -> &[u8] {
    let mut at = 0;
    let mut parts = 0;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        let typed = line.get(..PART_MARK.len()).is_some_and(|start| start.eq_ignore_ascii_case(PART_MARK));
        parts += usize::from(typed);
        if parts > PARTS_MAX {
            return &octets[..at];
        }
        at += line.len();
    }
    octets
}

const PART_MARK: &[u8] = b"content-type";

struct Reader {
    message: Message,
    words_room: usize,
}

impl Reader {
    fn add(&mut self, parsed: &mail_parser::Message<'_>, index: u32, depth: u8) {
        let Some(part) = parsed.parts.get(index as usize) else { return };
        if self.message.parts.len() >= PARTS_MAX {
            return;
        }
        let media_type = media_type(part);
        let contents = contents(parsed, part);
        let content = self.content(&media_type, part, contents);
        self.message.parts.push(Part {
            depth,
            report_type: part
                .content_type()
                .and_then(|kind| kind.attribute("report-type"))
                .map(|kind| kind.to_ascii_lowercase()),
            octets: contents.len() as u64,
            digest: Digest::of(contents),
            content,
            media_type,
        });
        if let (PartType::Multipart(children), true) = (&part.body, depth < DEPTH_MAX) {
            for &child in children {
                self.add(parsed, child, depth + 1);
            }
        }
    }

    fn content(&mut self, media_type: &str, part: &mail_parser::MessagePart<'_>, contents: &[u8]) -> Content {
        match media_type {
            "message/delivery-status"
            | "message/global-delivery-status"
            | "message/disposition-notification"
            | "message/global-disposition-notification"
            | "message/feedback-report" => Content::Fields(Header::report_groups(contents, GROUPS_MAX)),
            "message/rfc822"
            | "message/global"
            | "text/rfc822-headers"
            | "message/rfc822-headers"
            | "message/global-headers" => {
                Content::Original(Header::parse_strictly(without_empty_lines(contents)))
            }
            // The first text is the report's own; a further one may be the original's.
            "text/plain" if self.message.words().next().is_none() => match &part.body {
                PartType::Text(text) => self.words(text),
                _ => Content::Opaque,
            },
            _ => Content::Opaque,
        }
    }

    fn words(&mut self, text: &str) -> Content {
        let (words, copy) = split_copy(text);
        let words = &words[..words.floor_char_boundary(self.words_room)];
        self.words_room -= words.len();
        Content::Words(words.to_owned(), copy)
    }
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

/// The decoded content; of a nested message and of a multipart, the octets as they stand.
fn contents<'m>(parsed: &'m mail_parser::Message<'_>, part: &'m mail_parser::MessagePart<'_>) -> &'m [u8] {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.as_bytes(),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => octets,
        // A nested message that was encoded has octets of its own; else its offsets are those of the outer one.
        PartType::Message(nested) => nested
            .parts
            .first()
            .map_or(&[], |root| between(&nested.raw_message, root.offset_header, root.offset_end)),
        PartType::Multipart(_) => between(&parsed.raw_message, part.offset_body, part.offset_end),
    }
}

fn between(octets: &[u8], start: u32, end: u32) -> &[u8] {
    octets.get(start as usize..end.max(start) as usize).unwrap_or_default()
}

fn header_of(parsed: &mail_parser::Message<'_>, index: usize) -> Header {
    let end = parsed.parts.get(index).map_or(0, |part| part.offset_body as usize);
    Header::parse(without_empty_lines(parsed.raw_message.get(..end).unwrap_or_default()))
}

/// Some writers put empty lines before a header, or an mbox separator.
fn without_empty_lines(octets: &[u8]) -> &[u8] {
    let trimmed = octets.trim_ascii_start();
    match trimmed.strip_prefix(b"From ") {
        Some(rest) => rest.splitn(2, |&octet| octet == b'\n').nth(1).unwrap_or_default(),
        None => trimmed,
    }
}
