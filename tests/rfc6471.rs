//! Checks how the list is run against RFC 6471: every listing has grounds and an end, every change
//! is on record, and a removal takes effect at once.

use backscatterd::blocklist::{AuditRecord, Blocklist, ListChange};
use backscatterd::classify::{Cause, Kind};
use backscatterd::evidence::{Entry, EvidenceSource, Observation, Offset, Order, OriginalSender};
use backscatterd::listing::{Criterion, ListingEnd};
use backscatterd::mail::ReversePath;
use backscatterd::relay::Prefix;
use backscatterd::time::{Span, Timestamp};
use backscatterd::trap::Donor;
use backscatterd::zone::QueryType;
use proptest::prelude::*;

use crate::support::server::Installation;
use crate::support::world::{ORIGIN, Value, World, exchanger, hasher, laboratory_zone, relay};

const RELAYS: [&str; 5] =
    ["198.18.0.25", "198.18.0.26", "198.19.7.7", "2001:db8:1:2::25", "2001:db8:1:2::26"];
const TRAPS: [&str; 4] =
    ["a@trap-one.example", "b@trap-two.example", "c@donated.example", "someone@elsewhere.example"];
const INJECTORS: [&str; 4] = ["192.0.2.44", "198.51.100.66", "203.0.113.9", "2001:db8::9"];

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Report { relay: usize, trap: usize, injector: usize, failed: u8, kind: usize, seen: u8, spoiled: u8 },
    Time { hours: u8 },
    Decide { what: u8, relay: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let report = (
        0..RELAYS.len(),
        0..TRAPS.len(),
        0..INJECTORS.len(),
        any::<u8>(),
        0..Kind::ALL.len(),
        0..5u8,
        0..12u8,
    )
        .prop_map(|(relay, trap, injector, failed, kind, seen, spoiled)| Step::Report {
            relay,
            trap,
            injector,
            failed,
            kind,
            seen,
            spoiled,
        });
    let full =
        (0..RELAYS.len(), 0..2usize, 0..3usize, any::<u8>()).prop_map(|(relay, trap, injector, failed)| {
            Step::Report { relay, trap, injector, failed, kind: 0, seen: 0, spoiled: 0 }
        });
    prop_oneof![
        2 => report,
        8 => full,
        4 => (0..30u8).prop_map(|hours| Step::Time { hours }),
        1 => (0..12u8, 0..RELAYS.len()).prop_map(|(what, relay)| Step::Decide { what, relay }),
    ]
}

fn take(world: &mut World, step: &Step) -> backscatterd::blocklist::ListChanges {
    match *step {
        Step::Time { hours } => world.tick(Span::from_hours(i64::from(hours))),
        Step::Report { relay, trap, injector, failed, kind, seen, spoiled } => {
            let mut report = world.report(RELAYS[relay]);
            report.trap = TRAPS[trap];
            report.injector = INJECTORS[injector].parse().ok();
            report.failed = format!("u{failed}@relay.example");
            report.kind = Kind::ALL[kind];
            report.seen = match seen {
                0 | 1 => Some(exchanger()),
                2 => Some(Observation { mx_of_recipient: Some(false), ..exchanger() }),
                3 => Some(Observation::unknown(backscatterd::digest::Digest::of(b""))),
                _ => None,
            };
            match spoiled {
                1 => report.sender = OriginalSender::Other,
                2 => report.recipients = 3,
                3 => report.reverse_path = ReversePath::parse("<a@b.example>"),
                4 => report.carried = true,
                5 => report.remote = true,
                6 => report.cause = Cause::Expired,
                7 => report.injector = None,
                _ => {}
            }
            world.send(report)
        }
        Step::Decide { what, relay: which } => {
            let prefix = Prefix::host(relay(RELAYS[which]));
            let origin = ORIGIN.to_owned();
            let soon = world.now.plus(Span::from_days(9));
            world.order(match what {
                0 | 1 => Order::Remove { relay: relay(RELAYS[which]) },
                2 => Order::Exempt { prefix, review_by: soon },
                3 => Order::EndExemption { prefix },
                4 => Order::List { origin, prefix, code: 2, until: soon },
                5 => Order::Void {
                    source: EvidenceSource::Donor(Donor::parse("isp").unwrap()),
                    since: Timestamp::default(),
                },
                6 => Order::Void {
                    source: EvidenceSource::Trap(hasher().domain("trap-one.example")),
                    since: world.now,
                },
                7 => Order::Freeze,
                8 => Order::Release,
                9 => {
                    return world
                        .adopt(&laboratory_zone().replace("half_life = \"7d\"", "half_life = \"6d\""));
                }
                10 => Order::ShutDown { origin },
                _ => Order::Reopen { origin },
            })
        }
    }
}

fn listings(blocklist: &Blocklist) -> Vec<(Prefix, backscatterd::listing::Listing)> {
    let records = blocklist
        .relays()
        .into_iter()
        .filter_map(|prefix| Some((prefix, blocklist.relay_record(prefix)?.records)));
    records
        .flat_map(|(prefix, records)| {
            records
                .into_values()
                .filter_map(move |record| Some((prefix, record.current?)))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn rfc6471_o2_o4_o5_whatever_happens_a_listing_has_grounds_an_end_and_a_record() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(48));
    let ever = std::cell::Cell::new(0);
    runner
        .run(&proptest::collection::vec(step(), 120), |steps| {
            let mut world = World::new();
            let order = Order::AddTrap {
                key: hasher().domain("donated.example"),
                scope: backscatterd::trap::Scope::Domain,
                domain: hasher().domain("donated.example"),
                donor: Donor::parse("isp").unwrap(),
                silent_since: Some(Timestamp::default()),
            };
            world.order(order);
            let mut record: Vec<AuditRecord> = Vec::new();
            for step in &steps {
                let changes = take(&mut world, step);
                // docs/STANDARDS.md O4: one record for each change, chained to the record before
                // it.
                let changed = changes.list.iter().filter(|change| {
                    matches!(
                        change,
                        ListChange::Listed { .. }
                            | ListChange::Extended { .. }
                            | ListChange::Ended { .. }
                            | ListChange::Held { .. }
                    )
                });
                let acts = ["listed", "extended", "held"].into_iter().chain(
                    [
                        ListingEnd::Expired,
                        ListingEnd::Removed,
                        ListingEnd::Withdrawn,
                        ListingEnd::Voided,
                        ListingEnd::Exempted,
                    ]
                    .map(ListingEnd::name),
                );
                let acts: Vec<&str> = acts.collect();
                let recorded = changes.audit.iter().filter(|record| acts.contains(&record.act.as_str()));
                prop_assert_eq!(changed.count(), recorded.count(), "{:?}", changes);
                for made in changes.audit {
                    prop_assert!(made.follows(record.last()), "{:?}", made);
                    prop_assert!(!made.by.is_empty() && !made.why.is_empty(), "{:?}", made);
                    if made.act == "listed" {
                        prop_assert!(!made.evidence.is_empty() && !made.policy.is_empty(), "{:?}", made);
                    }
                    record.push(made);
                }
                for (prefix, listing) in listings(&world.blocklist) {
                    ever.set(ever.get() + 1);
                    // docs/STANDARDS.md O2: a criterion, and the entries that the listing stands
                    // on.
                    let grounds = &listing.grounds;
                    prop_assert!(!grounds.evidence.is_empty(), "{:?}", listing);
                    for entry in &grounds.evidence {
                        let recorded = &world.entries[entry.number() as usize - 1];
                        let about = match (&recorded.entry, grounds.criterion) {
                            (Entry::Evidence(evidence), Criterion::Case) => {
                                Prefix::host(evidence.relay) == prefix
                            }
                            (Entry::Directive(directive), Criterion::Decision) => {
                                matches!(directive.order, Order::List { .. })
                            }
                            _ => false,
                        };
                        prop_assert!(about, "{:?} {:?}", listing, recorded);
                    }
                    prop_assert!(grounds.criterion == Criterion::Decision || grounds.evidence.len() >= 5);
                    // docs/STANDARDS.md O5: an end within 28 days.
                    let lasts = listing.until.since(world.now);
                    prop_assert!(
                        lasts <= Span::from_days(28) && listing.until > listing.since,
                        "{:?}",
                        listing
                    );
                }
            }
            // The same entries make the same record.
            let mut again = Blocklist::new();
            let replayed: Vec<AuditRecord> =
                world.entries.iter().flat_map(|recorded| again.apply(recorded).audit).collect();
            prop_assert_eq!(
                replayed.iter().rev().take(record.len()).rev().collect::<Vec<_>>(),
                record.iter().collect::<Vec<_>>()
            );
            Ok(())
        })
        .unwrap();
    assert!(ever.get() > 100, "too few listings to mean anything: {}", ever.get());
}

#[test]
fn rfc6471_o13_a_closed_list_answers_no_address_for_anything() {
    let mut world = World::new();
    world.make_case(RELAYS[0]);
    let open = world.serial();
    world.order(Order::ShutDown { origin: ORIGIN.to_owned() });
    assert!(world.serial() > open, "the serial rises, so that secondary servers notice");
    let labels = ["25.0.18.198.", "2.0.0.127.", "2.0.0.127.dsn.", "198.", "", "dsn.", "all.", "anything."];
    let types = [QueryType::A, QueryType::Aaaa, QueryType::Txt, QueryType::Any, QueryType::Other];
    for label in labels {
        for query_type in types {
            let answer = world.ask(&format!("{label}{ORIGIN}"), query_type);
            let addresses = answer.answers.iter().any(|record| matches!(record.data, Value::Address(_)));
            assert!(!addresses, "{label} {query_type:?}: {answer:?}");
        }
    }
    let warning = world.ask(ORIGIN, QueryType::Txt);
    assert!(matches!(&warning.answers[..], [record] if record.ttl >= 86_400
        && matches!(&record.data, Value::Txt(text) if text.contains("closed"))));
    let negative = world.ask(&format!("2.0.0.127.{ORIGIN}"), QueryType::A).negative.unwrap().1;
    assert!(negative.ttl >= 3_600, "a long negative TTL: {negative:?}");
    assert!(
        !world.ask(ORIGIN, QueryType::Soa).answers.is_empty(),
        "the SOA is still answered, because the zone is still delegated"
    );
    world.order(Order::Reopen { origin: ORIGIN.to_owned() });
    assert!(world.is_listed(RELAYS[0]) && world.is_listed("127.0.0.2"));
}

#[test]
fn rfc6471_o16_what_stood_on_a_voided_source_goes_and_the_public_is_told() {
    let mut world = World::new();
    let donor = Donor::parse("isp").unwrap();
    for name in ["one.example", "two.example"] {
        let key = hasher().domain(name);
        let (scope, silent_since) = (backscatterd::trap::Scope::Domain, Some(Timestamp::default()));
        world.order(Order::AddTrap { key, scope, domain: key, donor: donor.clone(), silent_since });
    }
    // The first relay's case stands on the operator's traps alone, the second one's on the donor's
    // traps too.
    world.make_case(RELAYS[0]);
    for nth in 0..9 {
        world.tick(Span::from_hours(5));
        let mut report = world.report(RELAYS[1]);
        report.trap = ["a@trap-one.example", "b@one.example", "c@two.example"][nth % 3];
        report.injector = INJECTORS[nth % 2].parse().ok();
        world.send(report);
    }
    assert!(world.is_listed(RELAYS[0]) && world.is_listed(RELAYS[1]));
    let changes =
        world.order(Order::Void { source: EvidenceSource::Donor(donor), since: Timestamp::default() });
    let ended = |change: &&ListChange| matches!(change, ListChange::Ended { how: ListingEnd::Voided, .. });
    assert_eq!(changes.list.iter().filter(ended).count(), 1, "{changes:?}");
    assert!(world.is_listed(RELAYS[0]) && !world.is_listed(RELAYS[1]));
    let notes = world.blocklist.status().notes;
    assert!(notes.last().unwrap().text.contains("a donor") && notes.last().unwrap().text.contains("test"));
    assert!(!notes.last().unwrap().text.contains("isp"), "the note does not name the donor");
    // A voided listing does not make the next one last longer.
    let changes = world.make_case(RELAYS[1]);
    let until = changes.iter().find_map(|change| match change {
        ListChange::Listed { until, .. } => Some(until.since(world.now)),
        _ => None,
    });
    assert!(until.unwrap() <= Span::from_days(3));
}

#[test]
fn rfc6471_o18_no_fault_lists_the_world() {
    let mut world = World::new();
    // Two relays at most are in one /24, so that no share of a site holds anything.
    let ip = |nth: u32| format!("198.{}.{}.{}", 18 + nth % 2, nth / 2 % 256, nth / 512 + 1);
    let round = |world: &mut World, trap: &'static str| {
        let mut held = 0;
        for nth in 0..1_000 {
            let mut report = world.report(&ip(nth));
            report.trap = trap;
            held += world
                .send(report)
                .list
                .iter()
                .filter(|change| matches!(change, ListChange::Held { .. }))
                .count();
        }
        held
    };
    let mut held = 0;
    for nth in 0..9 {
        world.tick(Span::from_hours(5));
        held += round(&mut world, TRAPS[nth % 2]);
    }
    let listed = |world: &World| world.blocklist.snapshot().zones()[0].entries.len();
    // The limit is 200 additions an hour, or a twentieth of the list.
    assert!(listed(&world) >= 200 && listed(&world) <= 3 * 220, "{}", listed(&world));
    assert!(held > 300, "{held}");
    let waiting = world.blocklist.status().held[ORIGIN].zone;
    let before = listed(&world);
    // What the zone's limit holds does not come in by itself.
    world.tick(Span::from_hours(1));
    assert_eq!((listed(&world), world.blocklist.status().held[ORIGIN].zone), (before, waiting));
    // Removals are not held. The operator's release admits the additions that are held.
    world.order(Order::Remove { relay: relay(&ip(0)) });
    assert!(!world.is_listed(&ip(0)));
    world.order(Order::Release);
    assert!(listed(&world) > before + waiting / 2, "{} of {waiting}", listed(&world) - before);
    assert!(world.blocklist.status().held.is_empty());
    // Many endings at once raise an alarm, but are not held.
    let changes = world.tick(Span::from_days(4));
    assert!(changes.list.iter().any(|change| matches!(change, ListChange::Shrinking { .. })));
    assert_eq!(listed(&world), 0);
    for wide in ["198.18.0.0/16", "198.18.0.0/24", "2001:db8::/48"] {
        let until = world.now.plus(Span::from_days(1));
        let order = Order::List { origin: ORIGIN.to_owned(), prefix: wide.parse().unwrap(), code: 2, until };
        assert!(matches!(world.order(order).list[..], [ListChange::Ignored { .. }]), "{wide}");
    }
}

#[test]
fn rfc8098_s10_receipts_feedback_and_aggregate_reports_can_never_score() {
    for kind in ["mdn", "feedback-report", "dmarc-report", "tls-report", "list-response", "dsn-delayed"] {
        let zone =
            laboratory_zone().replace("dsn-failed = 1000", &format!("dsn-failed = 1000\n{kind} = 1000"));
        let complaints = backscatterd::zone::read("zone", &zone).unwrap_err();
        assert!(complaints[0].to_string().contains("may never score"), "{kind}: {complaints:?}");
    }
}

#[test]
fn rfc3834_s9_an_automatic_reply_that_breaks_the_rules_is_told() {
    let doubts = |message: &str| {
        let read = backscatterd::mail::read(message.as_bytes());
        let verdict =
            backscatterd::classify::classify(&read, &backscatterd::classify::SessionFacts::default());
        assert!(matches!(verdict.kind, Kind::AutoReply | Kind::Challenge), "{:?}", verdict.kind);
        verdict.doubts.join("\n")
    };
    let reply = "From: alice@relay.example\nTo: jdoe@trap.example\nSubject: Out of office: hello\nMessage-ID: <1@x.example>\n";
    let marked = format!(
        "{reply}Auto-Submitted: auto-replied\nPrecedence: bulk\n\nI am out of the office until Monday.\n"
    );
    assert_eq!(doubts(&marked), "");
    let bare = format!("{reply}X-Autoreply: yes\n\nI am out of the office until Monday.\n");
    assert!(doubts(&bare).contains("RFC 3834 §5"), "{}", doubts(&bare));
    let to_list = format!(
        "{reply}Auto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\n\
         I am out of the office until Monday.\n--B\nContent-Type: message/rfc822\n\nFrom: jdoe@trap.example\n\
         To: alice@relay.example\nSubject: hello\nList-Id: <news.trap.example>\n\nhello\n--B--\n"
    );
    assert!(doubts(&to_list).contains("RFC 3834 §2"), "{}", doubts(&to_list));
}

/// The serial rises with every decision that changes the zone, and with no other.
#[test]
fn rfc1982_every_decision_that_changes_the_zone_moves_its_serial() {
    let mut world = World::new();
    world.make_case(RELAYS[0]);
    let mut last = world.serial();
    let (origin, prefix) = (ORIGIN.to_owned(), Prefix::host(relay(RELAYS[0])));
    for order in [
        Order::Exempt { prefix, review_by: world.now.plus(Span::from_days(9)) },
        Order::EndExemption { prefix },
        Order::List { origin: origin.clone(), prefix, code: 2, until: world.now.plus(Span::from_days(9)) },
        Order::ShutDown { origin: origin.clone() },
        Order::Reopen { origin },
    ] {
        let before = world.blocklist.snapshot().zones()[0].digest();
        world.order(order.clone());
        let after = world.blocklist.snapshot().zones()[0].digest();
        assert_eq!(world.serial() > last, before != after, "{order:?}");
        last = world.serial();
    }
    assert!(!world.ask(ORIGIN, QueryType::Soa).answers.is_empty());
    assert_eq!(world.blocklist.offset(), Offset::from_number(world.entries.len() as u64));
}

#[test]
fn rfc6471_o6_o8_o9_a_listed_client_is_off_at_once_by_asking() {
    let installation = Installation::new();
    let config = std::fs::read_to_string(installation.config()).unwrap();
    std::fs::write(
        installation.config(),
        config.replace("[http]\n", "[http]\nremovals_per_client_max = 2\n"),
    )
    .unwrap();
    let server = installation.start();
    installation.add_traps();
    let others = ["198.18.9.1", "198.18.9.2"];
    installation.make_cases(&["198.18.0.25", others[0], others[1]], 0);
    let listed = |address: &str| installation.ok(&["lookup", address]).contains("is listed");
    assert!(listed("198.18.0.25"));

    // docs/STANDARDS.md O6: mail of the listed relay to removal@ is accepted, also from the null
    // reverse-path.
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    for sender in ["", "postmaster@relay.example"] {
        let reply =
            smtp.deliver(sender, "removal@trap.backscatter.example", "Subject: please\n\nremove us\n");
        assert!(reply.unwrap().starts_with("250"));
    }
    assert_eq!(std::fs::read_dir(installation.path().join("operator/new")).unwrap().count(), 2);

    // docs/STANDARDS.md O8: the removal needs no person.
    let (_, page) = installation.get("/ip/198.18.0.25").unwrap();
    assert!(page.contains("action=\"/ip/198.18.0.25/removal\" method=\"post\""), "{page}");
    // docs/STANDARDS.md O9: the form asks for nothing.
    for condition in ["price", "payment", "donat", "captcha", "password", "account", "login", "reverse DNS"] {
        let form = page.split("<form").nth(1).unwrap_or_default().split("</form>").next().unwrap_or_default();
        assert!(!form.to_lowercase().contains(condition) && !form.contains("<input"), "{condition}: {form}");
    }
    let (status, page) = installation.post("/ip/198.18.0.25/removal", b"").unwrap();
    assert!(status == 200 && listed("198.18.0.25"), "{page}");
    // Nothing is to be filled in on the page of the second step either.
    let form = page.split("<form").nth(1).unwrap().split("</form>").next().unwrap();
    assert_eq!((form.matches("<input").count(), form.matches("type=\"hidden\"").count()), (1, 1), "{form}");
    let token = form.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let (status, _) =
        installation.post("/ip/198.18.0.25/removal", format!("token={token}").as_bytes()).unwrap();
    assert_eq!(status, 303);
    assert!(!listed("198.18.0.25"));
    let remove = |address: &str| {
        let head = format!("POST /api/v1/addresses/{address}/removal");
        installation.request(&head, &[("Content-Type", "application/json")], b"").0
    };
    assert_eq!(remove("198.18.0.25"), 404);

    // The removal is on record, and the removals of one client are limited.
    let audit = installation.ok(&["audit", "198.18.0.25"]);
    assert!(audit.contains("self-service from 127.0.0.0/24: removed 198.18.0.25"), "{audit}");
    assert!(installation.ok(&["audit", "--verify"]).contains("all unaltered"));
    assert_eq!([remove(others[0]), remove(others[1])], [200, 429]);
    let metrics = installation.metrics();
    assert!(
        metrics.contains("backscatterd_frozen 0") && metrics.contains("backscatterd_exemptions_overdue 0")
    );
    // A record whose last lines are missing is a valid chain, but shorter than the list's own
    // count.
    let file = std::fs::read_dir(installation.path().join("audit")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    let shorter: Vec<&str> = text.lines().take(text.lines().count() - 1).collect();
    std::fs::write(&file, shorter.join("\n") + "\n").unwrap();
    let cut = installation.run(&["audit", "--verify"]);
    assert_eq!(cut.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&cut.stderr).contains("cut off"));
    server.stop();
}

/// Recomputes the points from the published explanation alone: decay by age, factors, the heaviest
/// report of each burst, square root.
#[test]
fn rfc6471_o4_a_stranger_recomputes_the_score_by_hand() {
    let mut world = World::new();
    world.make_case(RELAYS[0]);
    let record = world.blocklist.relay_record(Prefix::host(relay(RELAYS[0])));
    let exemptions = world.blocklist.status().exemptions;
    let snapshot = world.blocklist.snapshot();
    let explained = backscatterd::explain::explain(
        relay(RELAYS[0]),
        record.as_ref(),
        &exemptions,
        &snapshot,
        world.blocklist.offset(),
    );
    println!("{explained}");
    let json = serde_json::to_value(&explained).unwrap();
    let listing = &json["zones"][0]["codes"][0]["listing"];
    let at: Timestamp = listing["at"].as_str().unwrap().parse().unwrap();
    let half_life = listing["score"]["half_life_hours"].as_f64().unwrap();
    let mut bursts: std::collections::BTreeMap<(String, String, u32), f64> =
        std::collections::BTreeMap::new();
    for evidence in listing["case"].as_array().unwrap() {
        let seen: Timestamp = evidence["seen_at"].as_str().unwrap().parse().unwrap();
        let age = f64::from(at.hour() - seen.hour());
        let factors = evidence["factors"].as_object().unwrap().values();
        let product: f64 = factors.map(|thousandths| thousandths.as_f64().unwrap() / 1_000.0).product();
        let weight = (-age / half_life).exp2() * product;
        let burst = (
            evidence["trap_domain"].as_str().unwrap().to_owned(),
            evidence["injector_network"].to_string(),
            seen.hour(),
        );
        let heaviest = bursts.entry(burst).or_insert(0.0);
        *heaviest = heaviest.max(weight);
    }
    let mut sums: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    for ((trap_domain, ..), weight) in bursts {
        *sums.entry(trap_domain).or_insert(0.0) += weight;
    }
    let points: f64 = sums.values().map(|sum| sum.sqrt()).sum();
    let told: f64 = listing["points"].as_str().unwrap().parse().unwrap();
    assert!((points - told).abs() < 0.03, "by hand {points}, in the explanation {told}");
    assert!(points >= 3.0 && listing["case"].as_array().unwrap().len() == 7);
    // The entries that the listing names are evidence in the journal.
    let entries: Vec<u64> =
        listing["evidence"].as_array().unwrap().iter().map(|entry| entry.as_u64().unwrap()).collect();
    for entry in entries {
        assert!(matches!(world.entries[entry as usize - 1].entry, Entry::Evidence(_)));
    }
}
