//! The outcome of a simulation as text.

use std::fmt::{self, Display, Formatter};

use super::kinds::Truth;
use super::outcome::{AttackOutcome, RowOutcome, SimulationOutcome};

impl Display for RowOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let truth = match self.truth {
            Truth::Source => "source",
            Truth::Good => "good",
            Truth::Other => "other",
        };
        let hours = self.median_hours_to_list.map_or_else(String::new, |hours| hours.to_string());
        write!(
            f,
            "{:<28} {truth:>6} {:>8} {:>10} {:>8} {:>8} {:>8} {:>10} {:>9} {:>8} {:>8} {hours:>12}",
            self.name,
            self.relays,
            self.persistent,
            self.listed,
            self.listed_in_main,
            self.vetoed,
            self.unanswered,
            self.not_asked,
            self.escaped,
            self.ended_early
        )
    }
}

impl Display for AttackOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<28} {:>9} {:>12} {:>13} {:>9}",
            self.name, self.attackers, self.good_victims, self.good_listed, self.good_listed_in_sublists
        )
    }
}

impl Display for SimulationOutcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>6} {:>8} {:>10} {:>8} {:>8} {:>8} {:>10} {:>9} {:>8} {:>8} {:>12}",
            "relays",
            "truth",
            "count",
            "persistent",
            "listed",
            "in main",
            "vetoed",
            "unanswered",
            "not asked",
            "escaped",
            "repaired",
            "median hours"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        writeln!(
            f,
            "\n{:<28} {:>9} {:>12} {:>13} {:>9}",
            "attackers", "count", "good victims", "listed: main", "sublists"
        )?;
        self.attacks.iter().try_for_each(|attack| writeln!(f, "{attack}"))?;
        writeln!(f, "\nsources that the main zone cannot list:")?;
        for row in self.rows.iter().filter(|row| row.lost.is_some()) {
            writeln!(
                f,
                "{}: {} of {}; {}",
                row.name,
                row.escaped,
                row.relays,
                row.lost.as_deref().unwrap_or_default()
            )?;
        }
        let hours = self.median_hours_to_list.map_or_else(|| "none".to_owned(), |hours| hours.to_string());
        writeln!(
            f,
            "\n{} relays, {} days, {} reports; {} listings held, released {} times",
            self.relays, self.days, self.reports, self.held, self.releases
        )?;
        writeln!(f, "good relays listed: {} {}", self.good_listed, self.good_listed_named.join(", "))?;
        writeln!(f, "good relays in sublists alone: {}", self.good_listed_in_sublists)?;
        writeln!(
            f,
            "persistent sources listed: {} of {} ({:.2} %), median time to list {hours} hours",
            self.persistent_sources_listed,
            self.persistent_sources,
            self.sources_listed_share * 100.0
        )?;
        writeln!(f, "digest {}", self.digest)
    }
}
