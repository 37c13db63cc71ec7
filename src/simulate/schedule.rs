//! Decides when each relay and each attacker acts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::actors::{self, Actor, Attack, MailOccasion};
use super::random::SimulationRandom;
use super::setup::{HOUR, SimulationSetup};
use crate::time::{Span, Timestamp};

/// The number of occasions that are processed as one batch, on all processors.
const BATCH_OCCASIONS: usize = 8_192;
/// The schedule of occasions.
pub(super) struct Schedule<'a> {
    setup: &'a SimulationSetup,
    random: SimulationRandom,
    /// The end of the simulation, in milliseconds from its start.
    end: u64,
    /// The number of the last occasion.
    nth: u64,
    /// When each relay or attacker acts next. The numbers of the attackers follow those of the
    /// relays.
    next: BinaryHeap<Reverse<(u64, u32)>>,
    /// Reports that are sent a second time.
    again: BinaryHeap<Reverse<(u64, u64, Repeat)>>,
    attackers: Vec<Attacker>,
}

/// An occasion that is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Repeat {
    actor: u32,
    trap_domain: u32,
    injector: std::net::Ipv4Addr,
    attack: Option<Attack>,
    /// The time of the first occasion, which the repeated report contains.
    at: Timestamp,
}

/// One attacker.
#[derive(Clone, Debug)]
pub(super) struct Attacker {
    pub attack: Attack,
    /// The numbers of the relays that are attacked.
    pub victims: Vec<u32>,
    /// The share of all other reports about which the DNS answers late, in thousandths.
    pub starves_thousandths: u32,
    /// When the attack begins and ends, in milliseconds from the start of the simulation.
    pub begins: u64,
    pub ends: u64,
    first_network: u32,
    networks: u32,
    domains: Vec<u32>,
    gap: u64,
}

impl<'a> Schedule<'a> {
    /// The schedule of all relays and attackers.
    pub(super) fn new(setup: &'a SimulationSetup, actors: &[Actor]) -> Self {
        let mut random = SimulationRandom::new(setup.seed, 1);
        let mut next = BinaryHeap::new();
        for (number, actor) in (0..).zip(actors) {
            if let Some(gap) = actor.gap {
                next.push(Reverse((actor.begins + random.below(2 * gap), number)));
            }
        }
        let mut attackers = Vec::new();
        let (mut network, mut given) = (0, setup.world.traps.domains);
        for (row, spec) in (0..).zip(&setup.world.scaled_attackers(setup.relays)) {
            let kinds: Vec<u16> = (0..)
                .zip(&setup.world.relays)
                .filter(|(_, relays)| spec.victim_kinds.contains(&relays.name))
                .map(|(row, _)| row)
                .collect();
            let possible: Vec<u32> =
                (0..).zip(actors).filter(|(_, actor)| kinds.contains(&actor.row)).map(|(at, _)| at).collect();
            for _ in 0..spec.count {
                let mut domains: Vec<u32> = (given..given + spec.given_domains).collect();
                given += spec.given_domains;
                for _ in 0..spec.trap_domains {
                    domains.push(below_u32(&mut random, setup.world.traps.domains));
                }
                let victims = (0..spec.victims).filter_map(|_| random.pick(&possible).copied()).collect();
                let gap = 24 * HOUR / u64::from(spec.messages_per_day.max(1));
                let begins = random.below(5 * 24 * HOUR);
                let number = u32::try_from(actors.len() + attackers.len()).unwrap_or(u32::MAX);
                next.push(Reverse((begins, number)));
                let ends = begins + u64::from(spec.days) * 24 * HOUR;
                let (first_network, networks) = (network, spec.networks.max(1));
                network += networks;
                let attack = Attack { row, attacker: u32::try_from(attackers.len()).unwrap_or(u32::MAX) };
                let starves_thousandths = spec.starves_thousandths;
                attackers.push(Attacker {
                    attack,
                    victims,
                    starves_thousandths,
                    begins,
                    ends,
                    first_network,
                    networks,
                    domains,
                    gap,
                });
            }
        }
        let end = u64::from(setup.days) * 24 * HOUR;
        Schedule { setup, random, end, nth: 0, next, again: BinaryHeap::new(), attackers }
    }

    /// The attackers.
    pub(super) fn attackers(&self) -> Vec<Attacker> {
        self.attackers.clone()
    }

    /// The next occasions, in order of time; empty at the end of the simulation.
    pub(super) fn next_batch(&mut self, actors: &[Actor]) -> Vec<MailOccasion> {
        let mut batch = Vec::with_capacity(BATCH_OCCASIONS);
        while batch.len() < BATCH_OCCASIONS {
            let first = self.next.peek().map(|Reverse((at, _))| *at);
            let again = self.again.peek().map(|Reverse((at, ..))| *at);
            match first.into_iter().chain(again).min() {
                None => break,
                Some(at) if at >= self.end => break,
                Some(at) if again == Some(at) => {
                    if let Some(Reverse((_, nth, repeat))) = self.again.pop() {
                        let Repeat { actor, trap_domain, injector, attack, at } = repeat;
                        let again = true;
                        batch.push(MailOccasion { nth, at, actor, trap_domain, injector, attack, again });
                    }
                }
                Some(at) => {
                    if let Some(Reverse((_, who))) = self.next.pop() {
                        batch.extend(self.act(at, who, actors));
                    }
                }
            }
        }
        batch
    }

    /// Lets a relay or an attacker act, and schedules its next action. Returns the occasion, if
    /// there is one.
    fn act(&mut self, at: u64, who: u32, actors: &[Actor]) -> Option<MailOccasion> {
        let world = &self.setup.world;
        let (actor, trap_domain, injector, attack, gap, ends) = match actors.get(who as usize) {
            Some(actor) => {
                let network = below_u32(&mut self.random, world.injectors.networks);
                let host = self.random.below(u64::from(world.injectors.hosts));
                let domain = below_u32(&mut self.random, world.traps.domains);
                (who, domain, actors::injector(network, host, false), None, actor.gap?, actor.ends)
            }
            None => {
                let attacker = self.attackers.get(who as usize - actors.len())?;
                let victim = self.random.pick(&attacker.victims).copied();
                let domain = self.random.pick(&attacker.domains).copied();
                let network = attacker.first_network + below_u32(&mut self.random, attacker.networks);
                let host = self.random.below(50);
                let injector = actors::injector(network, host, true);
                (victim?, domain?, injector, Some(attacker.attack), attacker.gap, attacker.ends)
            }
        };
        let next = at + 1 + self.random.below(2 * gap);
        if next < ends {
            self.next.push(Reverse((next, who)));
        }
        if !actors[actor as usize].is_active(at) {
            return None;
        }
        self.nth += 1;
        let moment = world.start.plus(Span::from_milliseconds(i64::try_from(at).unwrap_or(i64::MAX)));
        if self.random.happens(world.mail.repeated_thousandths) {
            let repeat = Repeat { actor, trap_domain, injector, attack, at: moment };
            self.again.push(Reverse((at + HOUR, self.nth, repeat)));
        }
        Some(MailOccasion { nth: self.nth, at: moment, actor, trap_domain, injector, attack, again: false })
    }
}

fn below_u32(random: &mut SimulationRandom, limit: u32) -> u32 {
    u32::try_from(random.below(u64::from(limit))).unwrap_or(0)
}
