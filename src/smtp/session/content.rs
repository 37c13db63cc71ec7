//! Receives the content of a message, by DATA or in chunks by BDAT (RFC 3030), and replies to it.

use super::chunk::{Chunk, ChunkFate};
use super::data::DataState;
use super::setup::{Protocol, SessionLimits};
use super::{Session, SessionEvent, SessionState, UnsettledMessage, replies};
use crate::transaction::{IntakeOutcome, Transaction};

/// Initial capacity for a message, in octets. Most reports fit into it.
const MESSAGE_OCTETS_USUAL: usize = 8 << 10;

impl Session {
    /// Executes DATA. `rest` is what follows the verb.
    pub(super) fn start_data(&mut self, rest: &str) {
        match &self.transaction {
            Some(_) if self.chunked => self.refuse(replies::DATA_AFTER_BDAT),
            None => self.refuse(replies::NEED_RCPT),
            Some(open) if open.recipients() == 0 => self.refuse(self.no_recipients()),
            Some(_) if !rest.is_empty() => self.refuse(replies::DATA_SYNTAX),
            Some(_) => {
                self.state = SessionState::Data(DataState::default());
                if let Some(open) = &mut self.transaction {
                    open.message.reserve(MESSAGE_OCTETS_USUAL);
                }
                self.reply(replies::SEND_MESSAGE);
            }
        }
    }

    const fn no_recipients(&self) -> &'static str {
        match self.peer.protocol {
            Protocol::Smtp => replies::NO_RECIPIENTS_554,
            Protocol::Lmtp => replies::NO_RECIPIENTS_503,
        }
    }

    /// Reads available octets of a message. Only CR LF dot CR LF ends it, which prevents SMTP
    /// smuggling.
    pub(super) fn data(&mut self) -> bool {
        let (SessionState::Data(receiver), Some(open)) = (&mut self.state, &mut self.transaction) else {
            return false;
        };
        let waiting = self.input.waiting();
        if waiting.is_empty() {
            return false;
        }
        let before = open.message.len();
        let (consumed, done) = receiver.read(waiting, &mut open.message);
        open.octets += (open.message.len() - before) as u64;
        keep(open, &self.limits);
        self.input.consume(consumed);
        if done {
            self.end_data();
        }
        true
    }

    /// Executes BDAT.
    pub(super) fn start_chunk(&mut self, octets: usize, last: bool) {
        if octets > self.limits.message_octets_max {
            // The session ends, because reading the whole chunk would take too long.
            self.refuse(replies::CHUNK_TOO_LARGE);
            return self.close(&replies::local_error(&self.texts.hostname));
        }
        let fate = match self.discarding {
            true => ChunkFate::Discarded,
            false => ChunkFate::of(octets, self.transaction.as_ref(), &self.limits),
        };
        self.chunked = matches!(fate, ChunkFate::Taken);
        self.state = SessionState::Chunk(Chunk { octets, left: octets, last, fate });
    }

    /// Reads available octets of a chunk and queues the reply at its end (RFC 3030 §2).
    pub(super) fn chunk(&mut self) -> bool {
        let SessionState::Chunk(chunk) = &mut self.state else { return false };
        let waiting = self.input.waiting();
        let count = waiting.len().min(chunk.left);
        if count == 0 && chunk.left > 0 {
            return false;
        }
        chunk.left -= count;
        let chunk = *chunk;
        if let (ChunkFate::Taken, Some(open)) = (chunk.fate, &mut self.transaction) {
            open.message.extend_from_slice(&waiting[..count]);
            open.octets += count as u64;
            keep(open, &self.limits);
        }
        self.input.consume(count);
        if chunk.left > 0 {
            return true;
        }
        self.state = SessionState::Command;
        match chunk.fate {
            ChunkFate::Taken if chunk.last => self.end_data(),
            ChunkFate::Taken => self.reply(&replies::chunk_received(chunk.octets)),
            ChunkFate::Unwanted if self.transaction.is_none() => self.refuse(replies::NEED_RCPT),
            ChunkFate::Unwanted => {
                self.discarding = true;
                self.refuse(self.no_recipients());
            }
            ChunkFate::Discarded => self.refuse(&replies::chunk_discarded(chunk.octets)),
            ChunkFate::TooMuch => {
                let recipients = self.transaction.take().map_or(1, |open| open.recipients());
                self.refuse_message(replies::CHUNK_TOO_LARGE, if chunk.last { recipients } else { 1 });
            }
        }
        true
    }

    fn end_data(&mut self) {
        self.state = SessionState::Command;
        let Some(mut transaction) = self.transaction.take() else { return };
        if transaction.octets > self.limits.message_octets_max as u64 {
            return self.refuse_message(replies::MESSAGE_TOO_LARGE, transaction.recipients());
        }
        self.messages += 1;
        self.idle_commands = 0;
        self.tally.messages += 1;
        transaction.seen_at = self.now;
        self.state = SessionState::Unsettled(UnsettledMessage {
            replies: match self.peer.protocol {
                Protocol::Smtp => 1,
                Protocol::Lmtp => transaction.recipients(),
            },
            chunks: std::mem::take(&mut self.chunked).then_some(transaction.octets),
        });
        self.queued.push_back(SessionEvent::Message(Box::new(transaction)));
    }

    /// Refuses a message after its end: in LMTP with one reply per recipient (RFC 2033 §4.2).
    fn refuse_message(&mut self, text: &str, recipients: usize) {
        if self.peer.protocol == Protocol::Lmtp {
            (1..recipients).for_each(|_| self.reply(text));
        }
        self.refuse(text);
    }

    /// Passes in the outcome of the last [`SessionEvent::Message`] and queues the replies to it.
    pub fn settle(&mut self, outcome: &IntakeOutcome) {
        debug_assert!(matches!(self.state, SessionState::Unsettled(_)));
        let SessionState::Unsettled(message) = self.state else { return };
        self.state = SessionState::Command;
        let reply = match (outcome, message.chunks) {
            (IntakeOutcome::Durable { id }, None) => replies::queued(id),
            (IntakeOutcome::Durable { id }, Some(octets)) => replies::chunks_queued(octets, id),
            (IntakeOutcome::Later, _) => replies::TRY_LATER.to_owned(),
        };
        for _ in 0..message.replies {
            self.reply(&reply);
        }
    }
}

/// Truncates the message to what is kept. A message to the operator or from a donor is kept whole,
/// unless it is too large and will be refused.
fn keep(open: &mut Transaction, limits: &SessionLimits) {
    if open.operators.is_empty() && open.donors.is_empty() {
        open.message.truncate(limits.kept_octets_max);
    } else {
        open.message.truncate(limits.message_octets_max.saturating_add(1));
    }
}
