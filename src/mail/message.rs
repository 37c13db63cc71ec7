//! A message as it is kept: what the classifier needs, and nothing else.

use minicbor::{Decode, Encode};

use super::Header;
use super::text::announces_copy;
use crate::digest::Digest;

/// A parsed message. The documentation of the module `mail` says what is kept of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// The header of the message.
    #[n(0)]
    pub header: Header,
    /// The MIME parts, depth first. The first one is the body of the message itself. The parts of a
    /// report inside the message follow the part that holds it.
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
    ///
    /// This is what the part is: a delivery status that a gateway gave another type has
    /// `message/delivery-status`, and a message that follows a boundary directly `message/rfc822`.
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
    /// The type that the message gives the part, if its content shows that it has another one. A
    /// person can write such a part more easily than one of the right type.
    #[n(7)]
    pub given_type: Option<String>,
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

    /// The `report-type` of the report (RFC 6522 §3): that of the message itself, or else that of a
    /// report inside it.
    pub fn report_type(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| part.report_type.as_deref())
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
