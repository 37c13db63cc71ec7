//! Pseudorandom numbers from a seed, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A pseudorandom number generator.
pub(super) struct SimulationRandom(ChaCha8Rng);

impl SimulationRandom {
    /// A generator for one stream. The streams of a seed are independent.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        SimulationRandom(generator)
    }

    /// A number below `limit`, uniformly distributed; zero if `limit` is zero.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(limit)) >> 64) as u64
    }

    /// An element of a slice; `None` if the slice is empty.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).ok()?)
    }

    /// `true` with the given probability, in thousandths.
    pub(super) fn happens(&mut self, thousandths: u32) -> bool {
        self.below(1_000) < u64::from(thousandths)
    }
}
