//! Parses messages into a [`Message`] of limited size. Parsing never fails; what cannot be parsed
//! is left out.
//!
//! A [`Message`] is also the reduced report that is stored. It has the header fields, the
//! delivery-status fields, the report's own text up to a limit, and the type, size and digest of
//! everything else. Of the returned original it has the header, never the body. The classifier
//! reads only a [`Message`], so a stored report is classified exactly as the received message was.

mod address;
mod boundary;
mod comments;
mod content_type;
mod delivery_status;
mod header;
mod lines;
mod log;
mod mbox;
mod message;
mod mime;
mod reading;
mod received;
mod recipient_groups;
mod reduce;
mod status_part;
mod text;
mod transfer_encoding;
mod typed_value;

pub use address::{Mailbox, ReversePath, canonical_domain};
pub use delivery_status::{DeliveryStatus, DsnAction, EnhancedStatus, RecipientStatus};
pub use header::{Header, HeaderField};
pub(crate) use lines::text_lines;
pub use log::{LOG_LINE_OCTETS_MAX, LoggedRejection, rejected};
pub(crate) use mbox::is_mbox_separator;
pub use message::{Message, MimePart, PartContent};
pub use reading::{attached, read};
pub use received::{RECEIVED_FORMS, ReceivedForm, ReceivedHop, SubmissionMark, hops, newest_hop};
pub use reduce::{ReducedError, from_octets, to_octets};
pub(crate) use typed_value::decode_xtext;

/// Largest number of octets of one message that are parsed. The rest counts only towards the size
/// and digest by which a repeated message is recognised.
pub const MESSAGE_OCTETS_MAX: usize = 4 << 20;
/// Largest number of octets of a message's header in which fields are read. Real headers have a few
/// KiB.
pub const HEADER_OCTETS_MAX: usize = 128 << 10;
/// Largest number of header fields that are kept of a message or of a returned original.
pub const HEADER_FIELDS_MAX: usize = 200;
/// Largest number of octets that are kept of the unfolded value of one header field.
pub const FIELD_OCTETS_MAX: usize = 4 << 10;
/// Largest number of MIME parts that are kept of one message. Everything after them is ignored.
pub const PARTS_MAX: usize = 50;
/// Largest number of attached messages that are extracted from one message.
pub const ATTACHED_MAX: usize = 50;
/// Deepest level of nested MIME parts that is parsed; the top level is 0. A multipart at this level
/// is not split.
pub const DEPTH_MAX: u8 = 8;
/// Largest number of octets that are kept of a report's own text, over all its parts.
pub const TEXT_OCTETS_MAX: usize = 16 << 10;
/// Largest number of lines that begin with two hyphens and may be MIME boundaries. Everything after
/// them is ignored.
pub const BOUNDARY_LINES_MAX: usize = 10_000;
/// Largest number of octets of a message's texts that are decoded, over all its parts. The same
/// number holds for its machine-readable parts, and for its returned originals.
pub const DECODED_OCTETS_MAX: usize = 128 << 10;
/// Largest number of octets that are kept of a file name.
pub const NAME_OCTETS_MAX: usize = 128;
/// Largest number of groups of fields that are read from one delivery-status part.
pub const GROUPS_MAX: usize = 100;
