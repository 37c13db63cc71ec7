//! An explanation as text.

use std::fmt::{self, Display, Formatter};

use super::{
    CodeExplanation, EvidenceExplanation, Explanation, ListingExplanation, ScoreExplanation, ZoneExplanation,
};
use crate::evidence::Offset;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {}, after entry {}", self.address, self.time, self.offset)?;
        if self.ledger != self.address {
            writeln!(f, "  its evidence is kept for {}", self.ledger)?;
        }
        if let Some(reason) = &self.never_listed {
            writeln!(f, "  never listed: {reason}")?;
        }
        if !self.zones.iter().flat_map(|zone| &zone.codes).any(CodeExplanation::tells_something) {
            writeln!(f, "  nothing is known of it within the horizon")?;
        }
        self.zones.iter().try_for_each(|zone| write!(f, "{zone}"))
    }
}

impl Display for ZoneExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let answer = self.answer.as_deref().unwrap_or("not listed");
        writeln!(f, "\n{} answers: {answer} (policy {})", self.zone, self.policy)?;
        let told = self.codes.iter().filter(|code| code.tells_something());
        told.into_iter().try_for_each(|code| write!(f, "{code}"))
    }
}

impl CodeExplanation {
    fn tells_something(&self) -> bool {
        self.listing.is_some() || !self.past.is_empty() || !self.evidence.is_empty()
    }
}

impl Display for CodeExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  code {} ({}): {}", self.value, self.name, self.standing)?;
        match &self.listing {
            Some(listing) => write!(f, "{listing}")?,
            None => writeln!(f, "    not listed")?,
        }
        for past in &self.past {
            writeln!(f, "    was listed from {} to {} ({})", past.since, past.ended, past.how)?;
        }
        if self.floor > Offset::START {
            writeln!(f, "    evidence up to entry {} counts no more", self.floor)?;
        }
        writeln!(f, "    towards the next listing:")?;
        for rule in &self.rules {
            let mark = if rule.met { "met " } else { "open" };
            writeln!(
                f,
                "      {mark} {:<18} has {:>6}, needs {:>6}  ({})",
                rule.rule, rule.has, rule.needs, rule.why
            )?;
        }
        write!(f, "{}", self.score)?;
        self.evidence.iter().try_for_each(|evidence| write!(f, "{evidence}"))
    }
}

impl Display for ScoreExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for domain in &self.trap_domains {
            writeln!(
                f,
                "      trap domain {} ({}): {} bursts weigh {}, the root of which is {}",
                domain.trap_domain,
                domain.donors.join(", "),
                domain.bursts,
                domain.weight,
                domain.points
            )?;
        }
        if self.trap_domains.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "      points: {} in all, {} with no donor above half but trusted ones, and {} wanted messages (divided by {})",
            self.sum, self.points, self.wanted_mail, self.divisor
        )
    }
}

impl Display for ListingExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "    {} is listed from {} until {} (time {}, by {})",
            self.published, self.since, self.until, self.times, self.criterion
        )?;
        let evidence: Vec<String> = self.evidence.iter().map(Offset::to_string).collect();
        writeln!(
            f,
            "    entry {} completed the case at {}: {} points, {} trap domains, {} injector networks, {} parties, {} reports",
            self.completed_by_entry,
            self.at,
            self.points,
            self.trap_domains,
            self.injector_networks,
            self.parties,
            self.reports
        )?;
        writeln!(
            f,
            "    its evidence lies behind entry {}: entries {}",
            self.after_entry,
            evidence.join(", ")
        )?;
        if !self.case.is_empty() {
            writeln!(f, "    its case, as it was then:")?;
        }
        write!(f, "{}", self.score)?;
        self.case.iter().try_for_each(|evidence| write!(f, "{evidence}"))
    }
}

impl Display for EvidenceExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "      entry {}: {} {} ({}) to trap domain {}, injected from {}, in the name of {}, about {}, relation {}{}{}",
            self.entry,
            self.seen_at,
            self.kind,
            self.cause,
            self.trap_domain,
            self.injector_network.as_deref().unwrap_or("an unknown network"),
            self.original_sender,
            self.party.as_deref().unwrap_or("nobody"),
            self.relation,
            if self.forbidden { ", forbidden" } else { "" },
            if self.more > 0 { format!(", and {} more", self.more) } else { String::new() },
        )?;
        let factors: Vec<String> =
            self.factors.iter().map(|(name, thousandths)| format!("{name} {thousandths}")).collect();
        writeln!(
            f,
            "        {} {} x {} / 1000 each = {}",
            if self.counts { "weighs" } else { "does not count:" },
            self.decay,
            factors.join(" x "),
            self.weight
        )
    }
}
