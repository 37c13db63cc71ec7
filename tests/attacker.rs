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

fn rows() -> Vec<Row> {
    let heading = "| injector_networks |";
    let table = TABLE.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<String> = cells(line);
            let number = |at: usize| cells[at].parse::<usize>().unwrap();
            let mut zone = laboratory_zone();
            for (key, shipped, value) in [
                ("injector_networks", "2", &cells[0]),
                ("trap_domains", "2", &cells[1]),
                ("failed_recipients", "5", &cells[2]),
                ("span", "\"24h\"", &format!("{:?}", cells[3])),
                ("occasions", "3", &cells[4]),
                ("occasions_apart", "\"12h\"", &format!("{:?}", cells[5])),
            ] {
                // The quorums of single codes stand before the policy's own one in the file.
                let quorum = zone.find("\n[policy.quorum]\n").unwrap();
                let written = format!("{key} = {shipped}\n");
                let at = quorum + zone[quorum..].find(&written).unwrap_or_else(|| panic!("{written}"));
                zone.replace_range(at..at + written.len(), &format!("{key} = {value}\n"));
            }
            Row {
                zone,
                occasions: number(4),
                apart: cells[5].trim_end_matches('h').parse().unwrap(),
                needs: Budget {
                    networks: number(6),
                    trap_domains: number(7),
                    recipients: number(8),
                    hours: number(9) as i64,
                },
            }
        })
        .collect()
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
