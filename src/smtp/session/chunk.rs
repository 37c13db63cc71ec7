//! One chunk of a message that comes by BDAT (RFC 3030).

use super::setup::SessionLimits;
use crate::transaction::Transaction;

/// One BDAT command.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    /// The size of the chunk.
    pub(super) octets: usize,
    /// Number of its octets that have not come yet.
    pub(super) left: usize,
    /// The chunk ends the message.
    pub(super) last: bool,
    /// Whether its octets are kept.
    pub(super) fate: ChunkFate,
}

/// Whether a chunk's octets are kept. Clients send them without waiting for a reply, so they are
/// read in any case.
#[derive(Clone, Copy)]
pub(super) enum ChunkFate {
    /// The octets belong to the message.
    Taken,
    /// There is no transaction (503) or it has no recipient (554).
    Unwanted,
    /// An earlier chunk of the transaction was refused; 551.
    Discarded,
    /// The message is too large; 552.
    TooMuch,
}

impl ChunkFate {
    /// What becomes of a chunk of this size in the open transaction, if there is one.
    pub(super) fn of(octets: usize, transaction: Option<&Transaction>, limits: &SessionLimits) -> Self {
        match transaction {
            Some(open) if open.recipients() == 0 => ChunkFate::Unwanted,
            Some(open) if open.octets + octets as u64 > limits.message_octets_max as u64 => {
                ChunkFate::TooMuch
            }
            Some(_) => ChunkFate::Taken,
            None => ChunkFate::Unwanted,
        }
    }
}
