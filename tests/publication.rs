//! Publication: additions become public at slots, endings at once, and nothing public tells more.

use backscatterd::blocklist::{Blocklist, ListChange, PublicRelay};
use backscatterd::evidence::Order;
use backscatterd::listing::ListingEnd;
use backscatterd::time::{Span, Timestamp};
use backscatterd::zone::QueryType;

use crate::support::server::Installation;
use crate::support::world::{ORIGIN, World, laboratory_zone, prefix, relay};

const RELAY: &str = "192.0.2.99";
/// The number of reports, one in five hours, that complete a case.
const REPORTS_OF_CASE: usize = 7;

fn minutes(minutes: i64) -> Span {
    Span::from_seconds(60 * minutes)
}

/// A world whose zone has slots of a quarter of an hour. Its clock stands on a slot.
fn world() -> World {
    let mut world = World::new();
    world.adopt(&with_slots("15m"));
    world
}

fn with_slots(every: &str) -> String {
    laboratory_zone().replace("publish_every = \"0s\"", &format!("publish_every = \"{every}\""))
}

/// Sends reports, one in five hours, until one of them completes a case.
fn decide(world: &mut World, address: &str) {
    for _ in 0..12 {
        world.tick(Span::from_hours(5));
        let report = world.report(address);
        let changes = world.send(report).list;
        if changes
            .iter()
            .any(|change| matches!(change, ListChange::Listed { .. } | ListChange::Extended { .. }))
        {
            return;
        }
    }
    panic!("no case in twelve reports");
}

fn public(world: &World, address: &str) -> PublicRelay {
    let record = world.blocklist.relay_record(prefix(address)).unwrap_or_default();
    record.public(relay(address))
}

fn published_since(world: &World, address: &str) -> Option<Timestamp> {
    public(world, address).listings.values().map(|listing| listing.since).next()
}

fn ttl(world: &World, address: &str) -> u32 {
    let name = format!("{}.{ORIGIN}", backscatterd::zone::reversed(address.parse().unwrap()));
    world.ask(&name, QueryType::A).answers[0].ttl
}

fn until(world: &World, address: &str) -> Timestamp {
    public(world, address).listings.values().map(|listing| listing.until).next().unwrap()
}

#[test]
fn what_was_decided_is_public_at_the_next_slot_and_ends_at_once() {
    let mut world = world();
    let serial = world.serial();
    decide(&mut world, RELAY);
    world.tick(minutes(14));
    assert!(!world.is_listed(RELAY));
    assert_eq!((public(&world, RELAY), world.serial()), (PublicRelay::default(), serial));
    let changes = world.tick(minutes(1));
    assert!(matches!(&changes.list[..], [ListChange::Published { .. }]), "{changes:?}");
    assert!(world.is_listed(RELAY));
    assert_eq!(world.serial(), serial + 1);
    assert_eq!(published_since(&world, RELAY), Some(world.now));
    world.tick(minutes(3));
    world.order(Order::Remove { relay: relay(RELAY) });
    assert!(!world.is_listed(RELAY));
    assert_eq!(world.serial(), serial + 2);
    let past = public(&world, RELAY).past;
    assert_eq!((past.len(), past[0].ended, past[0].how), (1, world.now, ListingEnd::Removed));
}

/// The same relay is listed in two worlds. In one, the case is complete right after a slot, in the
/// other, right before the next one. Afterwards nothing public differs, at any minute of the term.
#[test]
fn nothing_public_tells_which_report_of_a_slot_completed_the_case() {
    let listed_after = |wait: i64| {
        let mut world = world();
        for _ in 0..REPORTS_OF_CASE - 1 {
            world.tick(Span::from_hours(5));
            let report = world.report(RELAY);
            assert!(
                !world.send(report).list.iter().any(|change| matches!(change, ListChange::Listed { .. }))
            );
        }
        world.tick(Span::from_hours(5));
        world.tick(minutes(wait));
        let report = world.report(RELAY);
        assert!(
            world.send(report).list.iter().any(|change| matches!(change, ListChange::Listed { .. })),
            "the last report completes the case"
        );
        world.tick(minutes(15 - wait));
        world
    };
    let (mut early, mut late) = (listed_after(1), listed_after(14));
    for minute in 0..(4 * 24 * 60) {
        assert_eq!(early.now, late.now);
        assert_eq!(public(&early, RELAY), public(&late, RELAY), "minute {minute}");
        assert_eq!(early.serial(), late.serial(), "minute {minute}");
        assert_eq!(early.is_listed(RELAY), late.is_listed(RELAY), "minute {minute}");
        if early.is_listed(RELAY) {
            assert_eq!(ttl(&early, RELAY), ttl(&late, RELAY), "minute {minute}");
        }
        early.tick(minutes(1));
        late.tick(minutes(1));
    }
    assert!(!early.is_listed(RELAY), "the term is over");
    assert_eq!(public(&early, RELAY).past.len(), 1);
}

#[test]
fn a_term_begins_at_the_slot_and_ends_on_one() {
    let mut world = world();
    world.tick(minutes(7));
    decide(&mut world, RELAY);
    world.tick(minutes(15));
    let (since, until) = (published_since(&world, RELAY).unwrap(), until(&world, RELAY));
    assert_eq!(until.since(since), Span::from_days(3));
    assert_eq!(until.milliseconds() % minutes(15).milliseconds(), 0);
    // An extension is not seen before its slot either.
    decide(&mut world, RELAY);
    assert_eq!(self::until(&world, RELAY), until);
    world.tick(minutes(15));
    let extended = self::until(&world, RELAY);
    assert!(extended > until);
    assert_eq!(extended.milliseconds() % minutes(15).milliseconds(), 0);
    assert_eq!(published_since(&world, RELAY), Some(since), "it is the same listing");
}

#[test]
fn at_one_slot_a_site_gets_one_new_listing() {
    let mut world = world();
    let neighbours = ["198.51.100.7", "198.51.100.8", "198.51.100.9"];
    let elsewhere = "203.0.113.7";
    for round in 0..REPORTS_OF_CASE {
        world.tick(Span::from_hours(5));
        for (nth, address) in neighbours.into_iter().chain([elsewhere]).enumerate() {
            world.nth = (1_000 * (nth + 1) + round) as u64;
            let mut report = world.report(address);
            // Each relay belongs to an organisation of its own, so that only the networks count.
            report.seen.as_mut().unwrap().organisation = Some(format!("mx{address}.example"));
            world.send(report);
        }
    }
    let listed = |world: &World| neighbours.iter().filter(|address| world.is_listed(address)).count();
    let waiting = world.blocklist.status().unpublished.values().sum::<usize>();
    assert_eq!(waiting, 4, "all cases are complete");
    let serial = world.serial();
    world.tick(minutes(15));
    assert_eq!((listed(&world), world.is_listed(elsewhere)), (1, true));
    assert_eq!(world.serial(), serial + 1, "one slot is one change, however many listings it brings");
    world.tick(minutes(15));
    assert_eq!(listed(&world), 2);
    world.tick(minutes(15));
    assert_eq!(listed(&world), 3);
}

#[test]
fn a_listing_that_ends_before_its_slot_was_never_public() {
    let mut world = world();
    let serial = world.serial();
    decide(&mut world, RELAY);
    world.order(Order::Remove { relay: relay(RELAY) });
    for _ in 0..3 {
        world.tick(minutes(15));
        assert_eq!(public(&world, RELAY), PublicRelay::default());
    }
    assert_eq!(world.serial(), serial);
}

#[test]
fn a_freeze_holds_what_waits_for_a_slot_and_endings_pass() {
    let mut world = world();
    decide(&mut world, "203.0.113.7");
    world.tick(minutes(15));
    decide(&mut world, RELAY);
    world.order(Order::Freeze);
    world.tick(minutes(15));
    assert!(!world.is_listed(RELAY));
    world.order(Order::Remove { relay: relay("203.0.113.7") });
    assert!(!world.is_listed("203.0.113.7"));
    world.order(Order::Release);
    world.tick(minutes(15));
    assert!(world.is_listed(RELAY));
}

/// Extensions of the relays of one site would tell as much as new listings.
#[test]
fn an_extension_uses_up_the_slot_of_its_site() {
    let mut world = world();
    let relays = ["198.51.100.7", "198.51.100.8"];
    let extend = |world: &mut World| {
        for round in 0..REPORTS_OF_CASE {
            world.tick(Span::from_hours(5));
            for (nth, address) in relays.into_iter().enumerate() {
                world.nth =
                    (10_000 + 1_000 * (nth + 1) + round) as u64 + world.entries.len() as u64 * 100_000;
                world.nth -= world.nth % 6;
                world.nth += round as u64;
                let report = world.report(address);
                world.send(report);
            }
        }
    };
    extend(&mut world);
    (0..2).for_each(|_| drop(world.tick(minutes(15))));
    let ends = |world: &World| relays.map(|address| until(world, address));
    let before = ends(&world);
    extend(&mut world);
    let longer = |world: &World| ends(world).iter().zip(before).filter(|(now, before)| *now > before).count();
    assert_eq!(longer(&world), 0);
    world.tick(minutes(15));
    assert_eq!(longer(&world), 1);
    world.tick(minutes(15));
    assert_eq!(longer(&world), 2);
}

/// What is public ends at its end, although an extension waits: the serial says so, and the API too.
#[test]
fn a_listing_whose_extension_waits_through_a_freeze_ends_and_comes_back_as_a_new_one() {
    let mut world = world();
    decide(&mut world, RELAY);
    world.tick(minutes(15));
    let end = until(&world, RELAY);
    decide(&mut world, RELAY);
    world.order(Order::Freeze);
    let serial = world.serial();
    let rest = end.since(world.now);
    world.tick(rest);
    assert!(!world.is_listed(RELAY));
    assert_eq!(public(&world, RELAY).listings.len(), 0);
    assert_eq!(world.serial(), serial + 1);
    world.order(Order::Release);
    world.tick(minutes(15));
    assert!(world.is_listed(RELAY));
    assert_eq!(world.serial(), serial + 2);
    assert_eq!(published_since(&world, RELAY), Some(world.now));
    assert_eq!(public(&world, RELAY).past.len(), 1);
}

/// A case that waited long is judged as of then. An innocent that was a source long ago is not listed.
#[test]
fn a_case_that_is_too_old_at_its_slot_is_dropped_without_a_trace() {
    let mut world = world();
    decide(&mut world, RELAY);
    world.order(Order::Freeze);
    world.tick(Span::from_days(25));
    world.order(Order::Release);
    let serial = world.serial();
    let changes = world.tick(minutes(15)).list;
    let dropped = |change: &ListChange| matches!(change, ListChange::Ended { how: ListingEnd::Dropped, .. });
    assert!(changes.iter().any(dropped), "{changes:?}");
    assert_eq!((public(&world, RELAY), world.serial()), (PublicRelay::default(), serial));
}

#[test]
fn a_listing_that_was_never_public_does_not_prolong_the_next_one() {
    let mut world = world();
    decide(&mut world, RELAY);
    world.order(Order::Remove { relay: relay(RELAY) });
    decide(&mut world, RELAY);
    world.tick(minutes(15));
    assert_eq!(until(&world, RELAY).since(published_since(&world, RELAY).unwrap()), Span::from_days(3));
}

#[test]
fn what_waits_survives_a_restart() {
    let mut world = world();
    decide(&mut world, RELAY);
    world.tick(minutes(3));
    world.blocklist = Blocklist::from_checkpoint(&world.blocklist.to_checkpoint()).unwrap();
    assert_eq!(world.blocklist.status().unpublished.values().sum::<usize>(), 1);
    world.tick(minutes(12));
    assert!(world.is_listed(RELAY));
    assert!(world.blocklist.status().unpublished.is_empty());
}

#[test]
fn an_operators_decision_waits_for_the_slot_and_keeps_its_end() {
    let mut world = world();
    let end = world.now.plus(Span::from_hours(7)).plus(minutes(4));
    let order = |until| Order::List { origin: ORIGIN.to_owned(), prefix: prefix(RELAY), code: 2, until };
    world.order(order(end));
    assert!(!world.is_listed(RELAY));
    world.tick(minutes(15));
    assert_eq!(until(&world, RELAY), end);
    // An earlier end is public at once.
    let earlier = world.now.plus(Span::from_hours(1));
    world.order(order(earlier));
    assert_eq!(until(&world, RELAY), earlier);
}

#[test]
fn without_slots_a_listing_is_public_when_it_is_decided() {
    let mut world = World::new();
    decide(&mut world, RELAY);
    assert!(world.is_listed(RELAY));
    assert_eq!(published_since(&world, RELAY), Some(world.now));
    // A file that sets slots changes nothing of what is public.
    world.adopt(&with_slots("15m"));
    assert!(world.is_listed(RELAY));
    assert_eq!(world.blocklist.status().unpublished.len(), 0);
}

/// What anybody may read about a relay over HTTP, without its address.
fn read_by_anybody(installation: &Installation, address: &str) -> Vec<(u16, String)> {
    let paths = ["/ip/{}", "/api/v1/addresses/{}", "/api/v1/addresses/{}/history"];
    let read = paths.map(|path| installation.get(&path.replace("{}", address)).unwrap());
    let removal = format!("POST /api/v1/addresses/{address}/removal");
    let removed = installation.request(&removal, &[("Content-Type", "application/json")], b"");
    let reversed = backscatterd::zone::reversed(address.parse().unwrap()).to_string();
    let without = |text: String| text.replace(&reversed, "REVERSED").replace(address, "ADDRESS");
    read.into_iter().chain([removed]).map(|(status, text)| (status, without(text))).collect()
}

/// To readers, a relay whose listing waits for its slot is like one of which nothing is known.
#[test]
fn to_anybody_a_waiting_listing_is_no_listing() {
    let installation = Installation::new();
    std::fs::write(installation.path().join("zones/backscatter.toml"), with_slots("24h")).unwrap();
    let server = installation.start();
    installation.add_traps();
    installation.make_case("198.18.0.25");
    let explained = installation.ok(&["explain", "198.18.0.25"]);
    assert!(explained.contains("the listing is decided and not public yet"), "{explained}");
    assert!(explained.contains("this becomes public at "), "{explained}");
    assert!(installation.ok(&["status"]).contains("become public at the next slots"));
    let waiting = read_by_anybody(&installation, "198.18.0.25");
    assert_eq!(waiting, read_by_anybody(&installation, "198.18.77.1"));
    assert_eq!(waiting[3].0, 404, "nothing can be removed: {:?}", waiting[3]);
    installation.ok(&["advance", "24h"]);
    let listed = read_by_anybody(&installation, "198.18.0.25");
    assert!(listed[1].1.contains("\"listed\":true"), "{listed:?}");
    assert_eq!(listed[3].0, 200, "{listed:?}");
    assert!(!listed[3].1.contains("offset") && !listed[3].1.contains("entry"), "{:?}", listed[3]);
    server.stop();
}
