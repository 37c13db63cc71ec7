//! The response of a relay to an occasion.

use super::actors::{Actor, MadeReport, MailOccasion};
use super::scene::Scene;
use super::world::WorldSpec;

/// The relay's response to an occasion; `None` if it sends nothing.
pub(super) fn respond(
    world: &WorldSpec,
    seed: u64,
    actor: &Actor,
    occasion: &MailOccasion,
) -> Option<MadeReport> {
    let scene = Scene::new(world, seed, actor, occasion);
    match occasion.attack.and_then(|attack| world.attackers.get(usize::from(attack.row))) {
        Some(attackers) => scene.attacked(attackers),
        None => scene.behave(),
    }
}
