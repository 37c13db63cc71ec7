//! Reading messages: octets in, a bounded `Message` out. Never fails and never panics: what can't be read is absent.
//!
//! A `Message` *is* the reduced report: header fields, delivery-status fields, the report's own words up to a
//! limit, and of everything else its type, size and digest. The returned original is kept as its header, never its
//! body. The classifier sees nothing but this, so judging the full message and judging the reduced one can't differ.

mod address;
mod delivery_status;
mod header;
mod lines;
mod log;
mod message;
mod received;
mod reduce;
mod text;

pub use address::{Mailbox, ReversePath, canonical_domain};
pub(crate) use delivery_status::decode_xtext;
pub use delivery_status::{Action, DeliveryStatus, RecipientStatus, Status};
pub use header::{Field, Header};
pub(crate) use lines::text_lines;
pub use log::{LOG_LINE_OCTETS_MAX, Rejected, rejected};
pub use message::{Content, Message, Part, attached, read};
pub use received::{Hop, hops, newest_hop};
pub use reduce::{ReducedError, from_octets, to_octets};

/// Most octets of one message that are looked at; the rest only counts towards its size and digest.
pub const MESSAGE_OCTETS_MAX: usize = 4 << 20;
/// Most header fields kept of a message or of a returned original.
pub const HEADER_FIELDS_MAX: usize = 200;
/// Most octets kept of one header field, unfolded.
pub const FIELD_OCTETS_MAX: usize = 4 << 10;
/// Most parts kept of one message.
pub const PARTS_MAX: usize = 50;
/// Most messages taken out of one that brings them as attachments.
pub const ATTACHED_MAX: usize = 50;
/// Most levels of parts inside parts that are followed.
pub const DEPTH_MAX: u8 = 8;
/// Most octets kept of a report's own words, over all its parts.
pub const TEXT_OCTETS_MAX: usize = 16 << 10;
/// Most lines that could be boundaries; the parser sees nothing behind them.
pub const BOUNDARY_LINES_MAX: usize = 1_000;
/// Most octets of one part that are decoded.
pub const DECODED_OCTETS_MAX: usize = 256 << 10;
/// Most octets kept of a file's name.
pub const NAME_OCTETS_MAX: usize = 128;
/// Most groups of fields read from one delivery-status part.
pub const GROUPS_MAX: usize = 100;
