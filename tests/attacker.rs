//! Tries every row of the table in docs/JUDGING.md that says what an attack on a relay's reputation
//! costs.

use backscatterd::classify::Cause;
use backscatterd::evidence::{Observation, VerificationAnswer};
use backscatterd::time::Span;

use crate::support::world::{World, exchanger, laboratory_zone, relay};

const TABLE: &str = include_str!("../docs/JUDGING.md");
const VICTIM: &str = "198.18.0.25";

/// The means of an attacker.
#[derive(Clone, Copy, Debug)]
struct Budget {
    networks: usize,
    trap_domains: usize,
    recipients: usize,
    /// Unrelated registered domains of the recipients.
    domains: usize,
    hours: i64,
}

/// More of everything than any row needs.
const UNLIMITED: Budget = Budget { networks: 8, trap_domains: 4, recipients: 40, domains: 3, hours: 150 };

struct Row {
    zone: String,
    /// What the victim's side answers about made-up recipients.
    answer: VerificationAnswer,
    /// Whether only the records of the recipients' domains lead to the victim.
    is_claimed: bool,
    occasions: usize,
    apart: i64,
    /// `None` if the attack never succeeds.
    needs: Option<Budget>,
}

/// The columns that say what the attacker needs.
const NEEDS: usize = 5;
/// The columns before the keys of the quorum: the setting of `verification`, the victim's side and the
/// relation.
const CIRCUMSTANCES: usize = 3;

/// The rows of the table. The last columns are what the attacker needs. Those in the middle are named
/// after keys of the quorum.
fn rows() -> Vec<Row> {
    let heading = "| verification | its side |";
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut table = TABLE.lines().skip_while(|line| !line.starts_with(heading));
    let heads = cells(table.next().unwrap());
    let keys = &heads[CIRCUMSTANCES..heads.len() - NEEDS];
    table
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = cells(line);
            let (circumstances, cells) = cells.split_at(CIRCUMSTANCES);
            let (policy, needs) = cells.split_at(keys.len());
            let mode = format!("verification = {:?}", circumstances[0]);
            let mut zone = laboratory_zone().replace("verification = \"off\"", &mode);
            assert!(zone.contains(&mode));
            for (key, value) in keys.iter().zip(policy) {
                set(&mut zone, key, value);
            }
            let of = |key: &str| &policy[keys.iter().position(|other| other == key).unwrap()];
            let number = |cell: &String| cell.parse::<usize>().unwrap();
            Row {
                zone,
                answer: match circumstances[1].as_str() {
                    "takes all" => VerificationAnswer::TakesAll,
                    "refuses" => VerificationAnswer::RefusesUnknown,
                    other => panic!("{other}"),
                },
                is_claimed: circumstances[2] == "claimed",
                occasions: number(of("occasions")),
                apart: of("occasions_apart").trim_end_matches('h').parse().unwrap(),
                needs: needs.iter().all(|cell| cell != "never").then(|| Budget {
                    networks: number(&needs[0]),
                    trap_domains: number(&needs[1]),
                    recipients: number(&needs[2]),
                    domains: number(&needs[3]),
                    hours: number(&needs[4]) as i64,
                }),
            }
        })
        .collect()
}

/// Replaces a value of the policy's own quorum in the text of a zone's file.
fn set(zone: &mut String, key: &str, value: &str) {
    // The quorums of single codes stand before the policy's own one in the file.
    let quorum = zone.find("\n[policy.quorum]\n").unwrap();
    let line = format!("\n{key} = ");
    let at = quorum + zone[quorum..].find(&line).unwrap_or_else(|| panic!("{line}")) + line.len();
    let end = at + zone[at..].find('\n').unwrap();
    let value = if value.parse::<usize>().is_ok() { value.to_owned() } else { format!("{value:?}") };
    zone.replace_range(at..end, &value);
}

/// Whether the best attack within a budget succeeds: reports every hour, and a new failed recipient
/// at each time at which it makes a separate occasion.
fn succeeds(row: &Row, budget: Budget) -> bool {
    let mut world = World::bare();
    world.adopt(&row.zone);
    world.answers.insert(relay(VICTIM), row.answer);
    for number in 0..budget.trap_domains {
        world.add_trap(&format!("trap-{number}.example"));
    }
    let traps: Vec<&'static str> =
        (0..budget.trap_domains).map(|number| &*format!("a@trap-{number}.example").leak()).collect();
    let mut known = 0;
    for hour in 0..=budget.hours {
        // Most recipients are used in the first hour, and one is kept for each later occasion.
        let later = if hour == 0 { row.occasions - 1 } else { 0 };
        let new = match hour {
            0 => budget.recipients.saturating_sub(later),
            _ if hour % row.apart == 0 => 1,
            _ => 0,
        };
        let names: Vec<usize> = (known..(known + new).min(budget.recipients)).collect();
        known += names.len();
        let names = if names.is_empty() { vec![0] } else { names };
        for (nth, name) in names.iter().enumerate() {
            for (at, trap) in traps.iter().enumerate() {
                let mut report = world.report(VICTIM);
                let network = (hour as usize + nth + at) % budget.networks.max(1);
                report.trap = trap;
                report.injector = format!("203.{network}.113.9").parse().ok();
                let domain = match name % budget.domains {
                    0 => "relay.example".to_owned(),
                    other => format!("relay-{other}.example"),
                };
                report.failed = format!("u{name}@{domain}");
                let seen = report.seen.get_or_insert_with(exchanger);
                seen.recipient_organisation = Some(domain);
                seen.same_organisation = Some(!row.is_claimed);
                seen.named_within = Some(!row.is_claimed);
                report.message = format!("{hour} {nth} {at}");
                world.send(report);
            }
        }
        if hour < budget.hours {
            world.tick(Span::from_hours(1));
        }
    }
    world.is_listed(VICTIM)
}

#[test]
fn who_spends_what_the_table_says_succeeds_and_who_lacks_one_of_it_fails() {
    let rows = rows();
    assert!(rows.len() >= 12);
    for (nth, row) in rows.iter().enumerate() {
        let Some(needs) = row.needs else {
            assert!(!succeeds(row, UNLIMITED), "row {nth}: an attacker with all means lists the victim");
            continue;
        };
        let Budget { networks, trap_domains, recipients, domains, hours } = needs;
        assert!(succeeds(row, needs), "row {nth}: {needs:?} does not list the victim");
        let mut less = vec![
            Budget { networks: networks - 1, ..needs },
            Budget { trap_domains: trap_domains - 1, ..needs },
            Budget { recipients: recipients - 1, ..needs },
            Budget { hours: hours - 1, ..needs },
        ];
        // Without any domain there are no recipients.
        less.extend((domains > 1).then(|| Budget { domains: domains - 1, ..needs }));
        for less in less {
            assert!(!succeeds(row, less), "row {nth}: {less:?} already lists the victim");
        }
    }
}

#[test]
fn every_setting_of_verification_has_rows() {
    for mode in ["required", "claims", "off"] {
        let of_mode = |row: &&Row| row.zone.contains(&format!("verification = {mode:?}"));
        assert!(rows().iter().filter(of_mode).count() >= 3, "{mode}");
    }
}

/// Nobody can verify a report whose cause is policy. So it must not lead to an answer of the main zone
/// by way of the code for forbidden originals, which goes with other codes.
#[test]
fn what_cannot_be_verified_never_leads_to_the_main_zone() {
    let mut world = World::new();
    for nth in 0..20 {
        let mut report = world.report(VICTIM);
        report.cause = Cause::Policy;
        report.failed = format!("u{nth}@relay.example");
        report.seen = Some(Observation { original_forbidden: Some(true), ..exchanger() });
        world.send(report);
        world.tick(Span::from_hours(5));
    }
    let snapshot = world.blocklist.snapshot();
    let zone = &snapshot.zones()[0];
    let found = |mask: u8| zone.entries.find(VICTIM.parse().unwrap(), mask, snapshot.time);
    assert!(found(16).is_some(), "the sublist for content does not list it");
    assert!(found(zone.config.main.mask).is_none(), "the main zone lists it");
    assert!(!world.is_listed(VICTIM));
}
