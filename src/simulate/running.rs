//! A running simulation: the fold, the journal's entries and the operator.

use std::collections::BTreeMap;

use super::actors::{self, Actor, MailOccasion, respond};
use super::answers::answer;
use super::population::populate;
use super::setup::SimulationSetup;
use crate::blocklist::{Blocklist, HoldingGuard, ListChange, VerificationQuestion};
use crate::classify::{self, SessionFacts};
use crate::digest::{Digest, Digester};
use crate::evidence::{
    Directive, Entry, Evidence, EvidenceParts, Observation, Offset, Order, RecordedEntry, Verification,
};
use crate::mail::{self, Mailbox, ReversePath};
use crate::observe::{self, Inquiry};
use crate::relay::{Prefix, Relay};
use crate::score::short_domain;
use crate::time::{Span, Timestamp};
use crate::transaction::{Client, Transaction};
use crate::trap::{Donor, Scope, TrapHasher};

/// How often the donor reports its count of wanted mail.
const GOOD_MAIL_EVERY: Span = Span::from_days(7);
/// How often a relay's side is asked about the same domain.
const ASKED_EVERY: Span = Span::from_days(1);
/// A running simulation.
pub(super) struct SimulationRun<'a> {
    pub(super) setup: &'a SimulationSetup,
    pub(super) actors: Vec<Actor>,
    /// The numbers of the actors, by address or IPv6 /64.
    by_prefix: BTreeMap<Prefix, Vec<u32>>,
    /// The domains of failed recipients, by their short digests.
    domains: BTreeMap<u64, String>,
    hasher: TrapHasher,
    pub(super) blocklist: Blocklist,
    /// Number of entries so far.
    pub(super) entries: u64,
    /// The fold's time.
    now: Timestamp,
    /// When the donor last reported its count of wanted mail.
    good_mail_told: Timestamp,
    /// Since when a listing has been held.
    held_since: Option<Timestamp>,
    pub(super) reports: u64,
    pub(super) held: u64,
    pub(super) releases: u64,
    /// When each relay was first listed.
    pub(super) listed: BTreeMap<u32, Timestamp>,
}

impl<'a> SimulationRun<'a> {
    pub(super) fn new(setup: &'a SimulationSetup) -> Self {
        let actors = populate(setup);
        let mut by_prefix: BTreeMap<Prefix, Vec<u32>> = BTreeMap::new();
        for (number, actor) in (0..).zip(&actors) {
            by_prefix.entry(Relay::new(actor.address).line()).or_default().push(number);
        }
        SimulationRun {
            setup,
            actors,
            by_prefix,
            domains: BTreeMap::new(),
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
    pub(super) fn begin(&mut self, taken: &mut impl FnMut(&RecordedEntry)) {
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
    pub(super) fn work_out(&self, occasions: &[MailOccasion]) -> Vec<Option<(Box<Evidence>, Observation)>> {
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
    pub(super) fn advance(&mut self, until: Timestamp, taken: &mut impl FnMut(&RecordedEntry)) {
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
        self.verify(taken);
    }

    /// Puts the open questions to the relays' sides, each at most once a day.
    fn verify(&mut self, taken: &mut impl FnMut(&RecordedEntry)) {
        let due = |question: &VerificationQuestion| {
            question.asked.is_none_or(|asked| self.now.since(asked) >= ASKED_EVERY)
        };
        let mut entries = Vec::new();
        for prefix in self.blocklist.questioned() {
            let Some(actor) = self.actor_at(prefix) else { continue };
            for question in self.blocklist.questions(prefix).iter().filter(|question| due(question)) {
                entries.extend(self.answered(actor, question));
            }
        }
        for verification in entries {
            self.take(Entry::Verification(Box::new(verification)), taken);
        }
    }

    /// The answer of a relay's side to a question.
    fn answered(&self, actor: &Actor, question: &VerificationQuestion) -> Option<Verification> {
        let domain = self.domains.get(&question.domain)?;
        let answer = answer(self.setup.world.relays[usize::from(actor.row)].behaviour, question.side);
        let relay = Relay::new(actor.address);
        Some(Verification::new(relay, domain.clone(), question.side, (answer, answer.name()), self.now))
    }

    /// The relay with an address.
    fn actor_at(&self, prefix: Prefix) -> Option<&Actor> {
        let near = self.by_prefix.get(&Relay::new(prefix.network()).line())?;
        let mut near = near.iter().map(|&number| &self.actors[number as usize]);
        near.find(|actor| actor.address == prefix.network())
    }

    fn order(&mut self, order: Order, taken: &mut impl FnMut(&RecordedEntry)) {
        let (by, last) = ("simulation".to_owned(), Offset::from_number(self.entries));
        let directive = Directive::new(by.clone(), by, order, self.now, last);
        self.take(Entry::Directive(directive), taken);
    }

    pub(super) fn take(&mut self, entry: Entry, taken: &mut impl FnMut(&RecordedEntry)) {
        if let Entry::Evidence(evidence) = &entry
            && let Some(domain) = evidence.facts.failed_recipient().and_then(|recipient| recipient.domain)
        {
            self.domains.entry(short_domain(&domain)).or_insert(domain);
        }
        self.entries += 1;
        let recorded = RecordedEntry { offset: Offset::from_number(self.entries), at: self.now, entry };
        let changes = self.blocklist.apply(&recorded);
        for change in &changes.list {
            match change {
                ListChange::Listed { relay, .. } | ListChange::Extended { relay, .. } => {
                    self.note_listed(*relay)
                }
                ListChange::Held { guard, .. } => {
                    self.held += 1;
                    // What the share of a site holds begins by itself.
                    if !matches!(guard, HoldingGuard::Site(_)) {
                        self.held_since = self.held_since.or(Some(self.now));
                    }
                }
                ListChange::Crowded { .. } => self.held_since = self.held_since.or(Some(self.now)),
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
