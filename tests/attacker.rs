//! Tries every row of the table in docs/JUDGING.md that says what an attack on a relay's reputation
//! costs.

use backscatterd::time::Span;

use crate::support::world::{World, laboratory_zone};

const TABLE: &str = include_str!("../docs/JUDGING.md");
const VICTIM: &str = "198.18.0.25";

/// The means of an attacker.
#[derive(Clone, Copy, Debug)]
struct Budget {
    networks: usize,
    trap_domains: usize,
    recipients: usize,
    hours: i64,
}

struct Row {
    zone: String,
    occasions: usize,
    apart: i64,
    needs: Budget,
}

/// The rows of the table. The last four columns are what the attacker needs. The others are named
/// after keys of the quorum.
fn rows() -> Vec<Row> {
    let heading = "| injector_networks |";
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut table = TABLE.lines().skip_while(|line| !line.starts_with(heading));
    let heads = cells(table.next().unwrap());
    let keys = &heads[..heads.len() - 4];
    table
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = cells(line);
            let (policy, needs) = cells.split_at(keys.len());
            let mut zone = laboratory_zone();
            for (key, value) in keys.iter().zip(policy) {
                set(&mut zone, key, value);
            }
            let of = |key: &str| &policy[keys.iter().position(|other| other == key).unwrap()];
            let number = |cell: &String| cell.parse::<usize>().unwrap();
            Row {
                zone,
                occasions: number(of("occasions")),
                apart: of("occasions_apart").trim_end_matches('h').parse().unwrap(),
                needs: Budget {
                    networks: number(&needs[0]),
                    trap_domains: number(&needs[1]),
                    recipients: number(&needs[2]),
                    hours: number(&needs[3]) as i64,
                },
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
                report.failed = format!("u{name}@relay.example");
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
    assert!(rows.len() >= 5);
    for (nth, row) in rows.iter().enumerate() {
        let Budget { networks, trap_domains, recipients, hours } = row.needs;
        assert!(succeeds(row, row.needs), "row {nth}: {:?} does not list the victim", row.needs);
        for less in [
            Budget { networks: networks - 1, ..row.needs },
            Budget { trap_domains: trap_domains - 1, ..row.needs },
            Budget { recipients: recipients - 1, ..row.needs },
            Budget { hours: hours - 1, ..row.needs },
        ] {
            assert!(!succeeds(row, less), "row {nth}: {less:?} already lists the victim");
        }
    }
}
