//! Simulations: a policy is applied to a simulated world, and the share of sources listed, the good
//! relays listed and the time to list are measured.
//!
//! Every report is a complete message in the style of a real mail server. The classifier and the
//! fold process it without access to the truth. The same seed produces the same world and the same
//! list.

mod actors;
mod messages;
mod outcome;
mod random;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

pub use outcome::{RowOutcome, SimulationOutcome, TruthLine};
pub use world::{SHIPPED, Truth, WorldSpec};

use self::actors::{Actor, MailOccasion, respond};
use self::messages::STYLES;
use self::random::SimulationRandom;
use crate::blocklist::{Blocklist, ListChange};
use crate::classify::{self, SessionFacts};
use crate::digest::{Digest, Digester};
use crate::evidence::{Directive, Entry, Evidence, EvidenceParts, Observation, Offset, Order, RecordedEntry};
use crate::mail::{self, Mailbox, ReversePath};
use crate::observe::{self, Inquiry};
use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};
use crate::transaction::{Client, Transaction};
use crate::trap::{Donor, Scope, TrapHasher};

/// The number of occasions that are processed as one batch, on all processors.
const BATCH_OCCASIONS: usize = 8_192;
/// How often the donor reports its count of wanted mail.
const GOOD_MAIL_EVERY: Span = Span::from_days(7);
/// One hour in milliseconds.
const HOUR: u64 = 3_600_000;

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

/// Runs a simulation. `taken` is called with every journal entry after the fold has applied it.
pub fn run(setup: &SimulationSetup, mut taken: impl FnMut(&RecordedEntry)) -> SimulationOutcome {
    let mut run = SimulationRun::new(setup);
    run.begin(&mut taken);
    let mut schedule = Schedule::new(setup, &run.actors);
    loop {
        let occasions = schedule.next_batch(&run.actors);
        if occasions.is_empty() {
            break;
        }
        let reports = run.work_out(&occasions);
        for (occasion, report) in occasions.iter().zip(reports) {
            run.advance(occasion.at, &mut taken);
            if let Some((evidence, observation)) = report {
                run.reports += 1;
                run.take(Entry::Evidence(evidence), &mut taken);
                run.take(Entry::Observation(observation), &mut taken);
            }
        }
    }
    run.advance(setup.world.start.plus(Span::from_days(i64::from(setup.days))), &mut taken);
    run.outcome()
}

/// The truth about every relay of a simulation. Neither the classifier nor the fold has access to
/// it.
pub fn truth(setup: &SimulationSetup) -> impl Iterator<Item = TruthLine> {
    populate(setup).into_iter().map(|actor| {
        let spec = &setup.world.relays[usize::from(actor.row)];
        TruthLine {
            address: actor.address.to_string(),
            relays: spec.name.clone(),
            truth: spec.truth,
            begins: actor.begins / HOUR,
            ends: actor.ends / HOUR,
        }
    })
}

/// The schedule of occasions.
struct Schedule<'a> {
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
    own_domain: bool,
    /// The time of the first occasion, which the repeated report contains.
    at: Timestamp,
}

/// One attacker.
struct Attacker {
    first_network: u32,
    networks: u32,
    domains: Vec<u32>,
    victims: Vec<u32>,
    own_domain: bool,
    gap: u64,
    ends: u64,
}

impl<'a> Schedule<'a> {
    fn new(setup: &'a SimulationSetup, actors: &[Actor]) -> Self {
        let mut random = SimulationRandom::new(setup.seed, 1);
        let mut next = BinaryHeap::new();
        for (number, actor) in (0..).zip(actors) {
            if let Some(gap) = actor.gap {
                next.push(Reverse((actor.begins + random.below(2 * gap), number)));
            }
        }
        let mut attackers = Vec::new();
        let (mut network, mut given) = (0, setup.world.traps.domains);
        for spec in &setup.world.attackers {
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
                let own_domain = spec.own_domain;
                attackers.push(Attacker { first_network, networks, domains, victims, own_domain, gap, ends });
            }
        }
        let end = u64::from(setup.days) * 24 * HOUR;
        Schedule { setup, random, end, nth: 0, next, again: BinaryHeap::new(), attackers }
    }

    /// The next occasions, in order of time; empty at the end of the simulation.
    fn next_batch(&mut self, actors: &[Actor]) -> Vec<MailOccasion> {
        let mut batch = Vec::with_capacity(BATCH_OCCASIONS);
        while batch.len() < BATCH_OCCASIONS {
            let first = self.next.peek().map(|Reverse((at, _))| *at);
            let again = self.again.peek().map(|Reverse((at, ..))| *at);
            match first.into_iter().chain(again).min() {
                None => break,
                Some(at) if at >= self.end => break,
                Some(at) if again == Some(at) => {
                    if let Some(Reverse((_, nth, repeat))) = self.again.pop() {
                        let Repeat { actor, trap_domain, injector, own_domain, at } = repeat;
                        let again = true;
                        batch.push(MailOccasion { nth, at, actor, trap_domain, injector, own_domain, again });
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
        let (actor, trap_domain, injector, own_domain, gap, ends) = match actors.get(who as usize) {
            Some(actor) => {
                let network = below_u32(&mut self.random, world.injectors.networks);
                let host = self.random.below(u64::from(world.injectors.hosts));
                let domain = below_u32(&mut self.random, world.traps.domains);
                (who, domain, actors::injector(network, host, false), false, actor.gap?, actor.ends)
            }
            None => {
                let attacker = self.attackers.get(who as usize - actors.len())?;
                let victim = self.random.pick(&attacker.victims).copied();
                let domain = self.random.pick(&attacker.domains).copied();
                let network = attacker.first_network + below_u32(&mut self.random, attacker.networks);
                let host = self.random.below(50);
                let injector = actors::injector(network, host, true);
                (victim?, domain?, injector, attacker.own_domain, attacker.gap, attacker.ends)
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
            let repeat = Repeat { actor, trap_domain, injector, own_domain, at: moment };
            self.again.push(Reverse((at + HOUR, self.nth, repeat)));
        }
        Some(MailOccasion {
            nth: self.nth,
            at: moment,
            actor,
            trap_domain,
            injector,
            own_domain,
            again: false,
        })
    }
}

fn below_u32(random: &mut SimulationRandom, limit: u32) -> u32 {
    u32::try_from(random.below(u64::from(limit))).unwrap_or(0)
}

/// A running simulation.
struct SimulationRun<'a> {
    setup: &'a SimulationSetup,
    actors: Vec<Actor>,
    /// The numbers of the actors, by address or IPv6 /64.
    by_prefix: BTreeMap<Prefix, Vec<u32>>,
    hasher: TrapHasher,
    blocklist: Blocklist,
    /// Number of entries so far.
    entries: u64,
    /// The fold's time.
    now: Timestamp,
    /// When the donor last reported its count of wanted mail.
    good_mail_told: Timestamp,
    /// Since when a listing has been held.
    held_since: Option<Timestamp>,
    reports: u64,
    held: u64,
    releases: u64,
    /// When each relay was first listed.
    listed: BTreeMap<u32, Timestamp>,
}

impl<'a> SimulationRun<'a> {
    fn new(setup: &'a SimulationSetup) -> Self {
        let actors = populate(setup);
        let mut by_prefix: BTreeMap<Prefix, Vec<u32>> = BTreeMap::new();
        for (number, actor) in (0..).zip(&actors) {
            by_prefix.entry(Relay::new(actor.address).line()).or_default().push(number);
        }
        SimulationRun {
            setup,
            actors,
            by_prefix,
            hasher: TrapHasher::new([7; 32]),
            blocklist: Blocklist::new(),
            entries: 0,
            now: setup.world.start,
            good_mail_told: setup.world.start,
            held_since: None,
            reports: 0,
            held: 0,
            releases: 0,
            listed: BTreeMap::new(),
        }
    }

    /// Adopts the zone and registers the traps.
    fn begin(&mut self, taken: &mut impl FnMut(&RecordedEntry)) {
        self.tick(taken);
        let zone = &self.setup.zone;
        let origin = crate::zone::read("zone", zone).map(|zone| zone.apex.origin.to_string());
        let origin = origin.unwrap_or_default();
        self.order(Order::AdoptZone { origin, text: zone.clone() }, taken);
        let world = &self.setup.world;
        let honest = (0..world.traps.domains).zip(world.traps.donors.iter().cycle());
        let mut donors: Vec<(u32, String)> = honest.map(|(at, donor)| (at, donor.clone())).collect();
        let mut given = world.traps.domains;
        for spec in world.attackers.iter().filter(|spec| spec.given_domains > 0) {
            for liar in 0..spec.count {
                for _ in 0..spec.given_domains {
                    donors.push((given, format!("{}-{liar}", spec.name)));
                    given += 1;
                }
            }
        }
        for (number, donor) in donors {
            let Ok(donor) = Donor::parse(&donor) else { continue };
            let key = self.hasher.domain(&actors::trap_domain(number));
            let silent_since = Some(Timestamp::default());
            let order = Order::AddTrap { key, scope: Scope::Domain, domain: key, donor, silent_since };
            self.order(order, taken);
        }
    }

    /// The evidence and observation that result from each occasion, computed on all processors.
    fn work_out(&self, occasions: &[MailOccasion]) -> Vec<Option<(Box<Evidence>, Observation)>> {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = occasions.len().div_ceil(workers).max(1);
        std::thread::scope(|scope| {
            let working: Vec<_> = occasions
                .chunks(share)
                .map(|part| scope.spawn(move || part.iter().map(|occasion| self.report(occasion)).collect()))
                .collect();
            let done: Vec<Vec<_>> = working
                .into_iter()
                .map(|worker| worker.join().expect("computing a report does not panic"))
                .collect();
            done.into_iter().flatten().collect()
        })
    }

    /// The evidence that a trap receives on an occasion, classified as in an SMTP session, and its
    /// observation. `None` if the relay sends no report.
    fn report(&self, occasion: &MailOccasion) -> Option<(Box<Evidence>, Observation)> {
        let actor = &self.actors[occasion.actor as usize];
        let made = respond(&self.setup.world, self.setup.seed, actor, occasion)?;
        let trap = Mailbox::parse(&made.trap)?;
        let relay = Relay::new(actor.address);
        let (verdict, report) = match &made.message {
            Some(message) => {
                let session = SessionFacts {
                    reverse_path: Some(ReversePath::Null),
                    client: Some(actor.address),
                    recipient: Some(trap.clone()),
                    trusted_hops: 0,
                };
                let verdict = classify::classify(&mail::read(message.as_bytes()), &session);
                (verdict, Some(Digest::of(message.as_bytes())))
            }
            None => (classify::callout(), None),
        };
        let mut id = Digester::default();
        id.add(&occasion.nth.to_be_bytes()).add(&[u8::from(occasion.again)]);
        let transaction = Transaction {
            traps: vec![trap.clone()],
            ..Transaction::new(occasion.at, Client::Relay(relay), made.helo, ReversePath::Null)
        };
        let parts = EvidenceParts {
            id: id.digest(),
            transaction: &transaction,
            relay,
            trap: &trap,
            wider: Vec::new(),
            verdict: &verdict,
            report,
            forwarded_by: None,
            node: "simulated",
        };
        let evidence = Evidence::of(parts, &self.hasher);
        let inquiry = Inquiry::about(&evidence, Some(trap.domain()));
        let observation = observe::observation(&inquiry, &made.answers);
        Some((Box::new(evidence), observation))
    }

    /// Advances the fold's time by ticks, and lets the operator and the donor act.
    fn advance(&mut self, until: Timestamp, taken: &mut impl FnMut(&RecordedEntry)) {
        while self.now.plus(self.setup.world.tick) <= until {
            self.now = self.now.plus(self.setup.world.tick);
            self.tick(taken);
            if self
                .held_since
                .is_some_and(|since| self.now.since(since) >= self.setup.world.operator.release_after)
            {
                self.held_since = None;
                self.releases += 1;
                self.order(Order::Release, taken);
            }
            if self.now.since(self.good_mail_told) >= GOOD_MAIL_EVERY {
                self.good_mail_told = self.now;
                self.tell_of_good_mail(taken);
            }
        }
    }

    /// Reports the donor's count of wanted mail.
    fn tell_of_good_mail(&mut self, taken: &mut impl FnMut(&RecordedEntry)) {
        let Ok(donor) = Donor::parse("isp-1") else { return };
        let wanted: Vec<(Relay, u64)> = self
            .actors
            .iter()
            .map(|actor| (actor, self.setup.world.relays[usize::from(actor.row)].wanted_messages))
            .filter(|(_, messages)| *messages > 0)
            .map(|(actor, messages)| (Relay::new(actor.address), messages))
            .collect();
        for (relay, messages) in wanted {
            self.order(Order::CountGoodMail { relay, donor: donor.clone(), messages }, taken);
        }
    }

    fn tick(&mut self, taken: &mut impl FnMut(&RecordedEntry)) {
        let number = self.now.seconds().unsigned_abs();
        self.take(Entry::Tick(number), taken);
    }

    fn order(&mut self, order: Order, taken: &mut impl FnMut(&RecordedEntry)) {
        let (by, last) = ("simulation".to_owned(), Offset::from_number(self.entries));
        let directive = Directive::new(by.clone(), by, order, self.now, last);
        self.take(Entry::Directive(directive), taken);
    }

    fn take(&mut self, entry: Entry, taken: &mut impl FnMut(&RecordedEntry)) {
        self.entries += 1;
        let recorded = RecordedEntry { offset: Offset::from_number(self.entries), at: self.now, entry };
        let changes = self.blocklist.apply(&recorded);
        for change in &changes.list {
            match change {
                ListChange::Listed { relay, .. } | ListChange::Extended { relay, .. } => {
                    self.note_listed(*relay)
                }
                ListChange::Held { .. } => {
                    self.held += 1;
                    self.held_since = self.held_since.or(Some(self.now));
                }
                _ => {}
            }
        }
        taken(&recorded);
    }

    /// Records the actors whose address is in a zone now, as an address or through a listed
    /// network.
    fn note_listed(&mut self, prefix: Prefix) {
        let snapshot = self.blocklist.snapshot();
        for &number in self.by_prefix.get(&Relay::new(prefix.network()).line()).into_iter().flatten() {
            let address = self.actors[number as usize].address;
            let listed = snapshot
                .zones()
                .iter()
                .any(|zone| zone.entries.find(address, u8::MAX, snapshot.time).is_some());
            if listed {
                self.listed.entry(number).or_insert(self.now);
            }
        }
    }
}

/// Creates the relays of a simulation.
fn populate(setup: &SimulationSetup) -> Vec<Actor> {
    let mut random = SimulationRandom::new(setup.seed, 0);
    let end = u64::from(setup.days) * 24 * HOUR;
    let mut actors: Vec<Actor> = Vec::new();
    let mut of_row: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (row, spec) in (0..).zip(&setup.world.relays) {
        let count = u64::from(setup.relays) * u64::from(spec.share_millionths) / 1_000_000;
        for nth in 0..count {
            let number = u32::try_from(actors.len()).unwrap_or(u32::MAX);
            let beside = spec.beside.as_deref().and_then(|name| {
                let hosts = of_row.get(name)?;
                hosts.get(usize::try_from(nth).ok()? % hosts.len().max(1))
            });
            let network = beside.copied().unwrap_or(number);
            let within = u64::try_from(spec.begins_within.milliseconds()).unwrap_or(0).min(end);
            let mut begins = random.below(within + 1);
            let mut ends = end;
            if let Some(&hours) = random.pick(&spec.episode_hours) {
                let lasts = u64::from(hours) * HOUR;
                begins = random.below(end.saturating_sub(lasts).max(1));
                ends = begins + lasts;
            }
            let rate = random.pick(&spec.reports_per_100_days).copied().filter(|&rate| rate > 0);
            actors.push(Actor {
                row,
                address: actors::relay_address(number, spec.ipv6.then_some(network)),
                style: *random.pick(&STYLES).unwrap_or(&STYLES[0]),
                begins,
                ends,
                gap: rate.map(|rate| 100 * 24 * HOUR / u64::from(rate)),
            });
            of_row.entry(&spec.name).or_default().push(number);
        }
    }
    actors
}
