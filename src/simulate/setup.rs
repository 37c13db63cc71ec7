//! The parameters of a simulation.

use super::world::WorldSpec;

/// The parameters of a simulation.
#[derive(Clone, Debug)]
pub struct SimulationSetup {
    /// The seed of all pseudorandom numbers.
    pub seed: u64,
    /// The number of relays. The world states the share of each kind.
    pub relays: u32,
    /// The simulated time in days.
    pub days: u32,
    /// The world.
    pub world: WorldSpec,
    /// The content of the zone file whose policy is tried.
    pub zone: String,
}

/// One hour in milliseconds.
pub(super) const HOUR: u64 = 3_600_000;
