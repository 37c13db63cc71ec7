//! What it costs an attacker to find out which of many names is a trap, from everything that is public:
//! the DNS with its TTLs and serials, the pages, and the history.
//!
//! The attacker owns relays whose cases lack one trap domain only, because he knows another trap. He
//! reports to the names that he wants to test, and looks what becomes public.

use std::collections::BTreeSet;

use backscatterd::time::Span;
use backscatterd::zone::QueryType;

use crate::support::world::{ORIGIN, World, laboratory_zone, prefix, relay};

const TABLE: &str = include_str!("../docs/JUDGING.md");
const KNOWN: &str = "a@known.example";
const INJECTORS: [&str; 3] = ["192.0.2.44", "198.51.100.66", "203.0.113.9"];
/// The number of names of which one is a trap.
const NAMES: usize = 8;

fn names() -> Vec<&'static str> {
    (0..NAMES).map(|nth| &*format!("a@name-{nth}.example").leak()).collect()
}

/// Relays in one site, or each in a site of its own.
#[derive(Clone, Copy, PartialEq)]
enum Sites {
    One,
    Each,
}

/// An attacker with relays whose cases lack one trap domain.
struct Attacker {
    world: World,
    relays: Vec<String>,
    sites: Sites,
    /// The injector of the next reports.
    injector: usize,
}

impl Attacker {
    fn new(count: usize, sites: Sites, bait: usize) -> Self {
        let mut world = World::bare();
        world.adopt(&laboratory_zone().replace("publish_every = \"0s\"", "publish_every = \"15m\""));
        world.add_trap("known.example");
        world.add_trap(names()[bait].split_once('@').unwrap().1);
        let address = |nth: usize| match sites {
            Sites::One => format!("198.18.0.{}", nth + 1),
            Sites::Each => format!("198.18.{nth}.1"),
        };
        let relays: Vec<String> = (0..count).map(address).collect();
        let mut attacker = Attacker { world, relays, sites, injector: 0 };
        for _ in 0..8 {
            attacker.world.tick(Span::from_hours(5));
            (0..count).for_each(|nth| attacker.report(nth, KNOWN));
            attacker.injector = (attacker.injector + 1) % INJECTORS.len();
        }
        attacker
    }

    fn report(&mut self, nth: usize, trap: &'static str) {
        let mut report = self.world.report(&self.relays[nth].clone());
        report.trap = trap;
        report.injector = INJECTORS[self.injector].parse().ok();
        let owner = if self.sites == Sites::One { 0 } else { nth };
        report.seen.as_mut().unwrap().organisation = Some(format!("owner-{owner}.example"));
        self.world.send(report);
    }

    /// Lets a minute pass.
    fn minute(&mut self) {
        self.world.tick(Span::from_seconds(60));
    }

    /// Everything that is public about the relays and the zone now.
    fn sees(&self) -> String {
        let of_relay = |address: &String| {
            let name = format!("{}.{ORIGIN}", backscatterd::zone::reversed(address.parse().unwrap()));
            let scored = format!("{}.score.{ORIGIN}", backscatterd::zone::reversed(address.parse().unwrap()));
            let record = self.world.blocklist.relay_record(prefix(address)).unwrap_or_default();
            let asked = [&name, &scored].map(|name| self.world.ask(name, QueryType::A));
            format!("{asked:?} {:?}", record.public(relay(address)))
        };
        let status = self.world.ask(&format!("_status.{ORIGIN}"), QueryType::Txt);
        let relays: Vec<String> = self.relays.iter().map(of_relay).collect();
        format!("{} {status:?} {relays:?}", self.world.serial())
    }
}

/// Tests each name by the relays that `by` names, and returns what was public at each minute until
/// `slots` slots later. The reports begin right after a slot.
fn transcript(
    count: usize,
    sites: Sites,
    slots: usize,
    bait: usize,
    by: impl Fn(usize) -> Vec<usize>,
) -> Vec<String> {
    let mut attacker = Attacker::new(count, sites, bait);
    attacker.minute();
    for (nth, name) in names().into_iter().enumerate() {
        by(nth).into_iter().for_each(|relay| attacker.report(relay, name));
    }
    let mut seen = vec![attacker.sees()];
    for _ in 1..slots * 15 {
        attacker.minute();
        seen.push(attacker.sees());
    }
    seen
}

/// The number of positions of the bait that the attacker can tell from each other.
fn told_apart(count: usize, sites: Sites, slots: usize, by: impl Fn(usize) -> Vec<usize> + Copy) -> usize {
    (0..NAMES).map(|bait| transcript(count, sites, slots, bait, by)).collect::<BTreeSet<_>>().len()
}

/// The relays whose number is a one in the binary form of a name's number.
fn bits(name: usize, relays: usize) -> Vec<usize> {
    (0..relays).filter(|relay| name >> relay & 1 == 1).collect()
}

#[test]
fn until_the_slot_all_names_look_alike() {
    for sites in [Sites::One, Sites::Each] {
        let mut seen: Vec<Vec<String>> =
            (0..NAMES).map(|bait| transcript(NAMES, sites, 1, bait, |name| vec![name])).collect();
        // The last look is at the slot itself.
        seen.iter_mut().for_each(|seen| drop(seen.pop()));
        let different: BTreeSet<_> = seen.into_iter().collect();
        assert_eq!(different.len(), 1);
    }
}

/// The rows of the table of docs/JUDGING.md: sites, relays, how the names are spread, slots, names.
#[test]
fn the_price_of_a_bait_is_the_stated_one() {
    let mut rows = 0;
    let mut table = TABLE.lines().skip_while(|line| !line.starts_with("| sites | relays in each |")).skip(2);
    for line in table.by_ref().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let number = |nth: usize| cells[nth].parse::<usize>().unwrap();
        let (sites, each, slots, names) = (number(0), number(1), number(3), number(4));
        let (kind, count) = if sites == 1 { (Sites::One, each) } else { (Sites::Each, sites) };
        assert!(sites == 1 || each == 1, "{line}");
        let spread = cells[2].to_owned();
        let by = |name: usize| match spread.as_str() {
            "one name to each relay" if name < count => vec![name],
            "one name to each relay" => Vec::new(),
            "half of the names to each relay" => bits(name, count),
            other => panic!("{other}"),
        };
        assert_eq!(told_apart(count, kind, slots, by), names, "{line}");
        rows += 1;
    }
    assert!(rows >= 5, "{rows} rows");
}

/// Ten thousand times, an attacker reports to a trap or to another name, at any second of a slot, and
/// looks again and again until right before the next slot. Nothing differs.
#[test]
fn ten_thousand_tries_tell_nothing_before_the_slot() {
    const RELAYS: usize = 250;
    const SECONDS: usize = 899;
    const TRIES_PER_RELAY: usize = 40;
    let [bait, other] = [0, 1].map(|nth| names()[nth]);
    let mut attacker = Attacker::new(RELAYS, Sites::Each, 0);
    let (unseen, mut tries) = (attacker.sees(), 0);
    for second in 0..SECONDS {
        attacker.world.tick(Span::from_seconds(1));
        for nth in 0..RELAYS {
            // Every relay has seconds of its own, and every other relay names the trap once.
            let turn = (second + nth * 337) % SECONDS;
            if turn < TRIES_PER_RELAY {
                let names_trap = nth % 2 == 0 && turn == nth % TRIES_PER_RELAY;
                // A trap that only one network uses would be burned.
                attacker.injector = tries % INJECTORS.len();
                attacker.report(nth, if names_trap { bait } else { other });
                tries += 1;
            }
        }
        if second % 90 == 0 || second == SECONDS - 1 {
            assert_eq!(attacker.sees(), unseen, "second {second}");
        }
    }
    assert_eq!(tries, RELAYS * TRIES_PER_RELAY);
    let decided = attacker.world.blocklist.status().unpublished.values().sum::<usize>();
    assert_eq!(decided, RELAYS / 2, "these reports completed their cases, and nothing shows it");
}
