//! The octets that a session has received and not yet read.

/// An empty input buffer with a larger capacity than this, in octets, is released.
const INPUT_OCTETS_KEPT: usize = 512;

/// The octets that the client sent and the session has not consumed.
#[derive(Default)]
pub(super) struct SessionInput {
    octets: Vec<u8>,
    /// Number of octets that were consumed.
    read: usize,
}

impl SessionInput {
    /// Adds octets that were received.
    pub(super) fn receive(&mut self, octets: &[u8]) {
        self.octets.drain(..self.read);
        self.read = 0;
        self.octets.extend_from_slice(octets);
    }

    /// The octets that were not consumed.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.octets[self.read..]
    }

    /// Consumes octets.
    pub(super) fn consume(&mut self, octets: usize) {
        self.read += octets;
        if self.read >= self.octets.len() {
            // Thousands of sessions may be idle for minutes, so only a small buffer is kept.
            if self.octets.capacity() > INPUT_OCTETS_KEPT {
                self.octets = Vec::new();
            }
            self.discard();
        }
    }

    /// Discards everything.
    pub(super) fn discard(&mut self) {
        self.octets.clear();
        self.read = 0;
    }

    /// Number of octets held in memory.
    pub(super) fn held_octets(&self) -> usize {
        self.octets.len()
    }
}
