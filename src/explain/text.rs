//! The text form of an explanation.

use std::fmt::{self, Display, Formatter};

use super::model::{
    CodeExplanation, EvidenceExplanation, Explanation, HoldExplanation, ListingExplanation, ScoreExplanation,
    ZoneExplanation,
};
use crate::evidence::Offset;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {}, after entry {}", self.address, self.time, self.offset)?;
        if self.ledger != self.address {
            writeln!(f, "  its evidence is stored under {}", self.ledger)?;
        }
        if let Some(reason) = &self.never_listed {
            writeln!(f, "  never listed: {reason}")?;
        }
        for known in &self.answers {
            writeln!(
                f,
                "  asked at {} about made-up recipients at {}: {} at {} ({})",
                known.asked, known.domain, known.answer, known.answered, known.reply
            )?;
        }
        if !self.zones.iter().flat_map(|zone| &zone.codes).any(CodeExplanation::tells_something) {
            writeln!(f, "  no evidence and no listing within the horizon")?;
        }
        self.zones.iter().try_for_each(|zone| write!(f, "{zone}"))
    }
}

impl Display for ZoneExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let answer = self.answer.as_deref().unwrap_or("not listed");
        writeln!(f, "\n{} answers: {answer} (policy {})", self.zone, self.policy)?;
        let shown = self.codes.iter().filter(|code| code.tells_something());
        shown.into_iter().try_for_each(|code| write!(f, "{code}"))
    }
}

impl CodeExplanation {
    /// Whether there is a listing, a past listing or a report to show.
    fn tells_something(&self) -> bool {
        self.listing.is_some() || !self.past.is_empty() || !self.evidence.is_empty()
    }

    /// The standing in words.
    fn standing_in_words(&self) -> &'static str {
        match self.standing {
            "clear" => "no counted reports",
            "noted" => "counted reports, but too few for a listing",
            "warned" => "at least half of every requirement is satisfied",
            "unverified" => {
                "every rule is satisfied, and the relay's side is to be asked about made-up recipients"
            }
            "met" => "every rule is satisfied",
            "held" => "the listing is held",
            "decided" => "the listing is decided and not public yet",
            other => other,
        }
    }
}

impl Display for CodeExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  code {} ({}): {}", self.value, self.name, self.standing_in_words())?;
        match &self.listing {
            Some(listing) => write!(f, "{listing}")?,
            None => writeln!(f, "    not listed")?,
        }
        if let Some(HoldExplanation { since_entry, why, ends, .. }) = &self.held {
            writeln!(f, "    held since entry {since_entry}: {why}; {ends}")?;
        }
        for past in &self.past {
            writeln!(f, "    was listed from {} to {} ({})", past.since, past.ended, past.how)?;
        }
        if self.floor > Offset::START {
            writeln!(f, "    counted reports start after entry {}", self.floor)?;
        }
        writeln!(f, "    rules for the next listing:")?;
        for rule in &self.rules {
            let mark = if rule.met { "satisfied    " } else { "still missing" };
            writeln!(
                f,
                "      {mark} {:<34} has {:>6}, needs {:>6}  ({})",
                rule.term, rule.has, rule.needs, rule.why
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
                "      trap domain {} ({}): {} bursts, total weight {}, square root {}",
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
            "      points: {} in all, {} after limiting each untrusted donor to half and, for {} wanted messages, dividing by {}",
            self.sum, self.points, self.wanted_mail, self.divisor
        )
    }
}

impl Display for ListingExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "    {} is listed from {} until {} (number {} within the repeat window, based on a {})",
            self.published, self.since, self.until, self.times, self.criterion
        )?;
        if let Some(slot) = self.next_slot {
            writeln!(
                f,
                "    this becomes public at {slot}, or at a later slot if another relay of the same site comes first"
            )?;
        }
        let evidence: Vec<String> = self.evidence.iter().map(Offset::to_string).collect();
        writeln!(
            f,
            "    entry {} completed the case at {}: {}",
            self.completed_by_entry, self.at, self.figures
        )?;
        writeln!(
            f,
            "    counted reports start after entry {}: entries {}",
            self.after_entry,
            evidence.join(", ")
        )?;
        if !self.case.is_empty() {
            writeln!(f, "    the case at that time:")?;
        }
        write!(f, "{}", self.score)?;
        self.case.iter().try_for_each(|evidence| write!(f, "{evidence}"))
    }
}

impl Display for EvidenceExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "      entry {}: {} {}{} to trap domain {}, forged mail from {}, original sender {}, {}, relation {}{}{}",
            self.entry,
            self.seen_at,
            self.kind,
            self.cause.map(|cause| format!(" ({cause})")).unwrap_or_default(),
            self.trap_domain,
            self.injector_network.as_deref().unwrap_or("an unknown network"),
            match self.original_sender {
                "another" => "another address",
                other => other,
            },
            self.failed_recipient.as_deref().unwrap_or("no failed recipient named"),
            self.relation,
            if self.forbidden { ", SPF or DMARC forbade the original" } else { "" },
            if self.more > 0 { format!(", and {} more", self.more) } else { String::new() },
        )?;
        let verb = if self.counts { "weighs" } else { "does not count for this case; its weight is" };
        let (factors, weight) = (self.factors_below_one(), rounded(&self.weight));
        if factors.is_empty() {
            return writeln!(f, "        {verb} {weight}");
        }
        writeln!(f, "        {verb} {} = {weight}", factors.join(" x "))
    }
}

impl EvidenceExplanation {
    /// The decay with age and the factors, each with its reason. Those that are one are omitted.
    fn factors_below_one(&self) -> Vec<String> {
        let mut factors = Vec::new();
        if trimmed(&self.decay) != "1" {
            factors.push(format!("{} (age)", rounded(&self.decay)));
        }
        for factor in self.factors.values().filter(|factor| factor.thousandths != 1_000) {
            let value = format!("{}.{:03}", factor.thousandths / 1_000, factor.thousandths % 1_000);
            factors.push(format!("{} ({})", trimmed(&value), factor.less));
        }
        factors
    }
}

/// A number with four decimal places, rounded to two. A number below 0.01 keeps its places.
fn rounded(number: &str) -> String {
    match number.parse::<f64>() {
        Ok(value) if value >= 0.01 => format!("{value:.2}"),
        _ => trimmed(number).to_owned(),
    }
}

/// A decimal number without the zeros at its end.
fn trimmed(number: &str) -> &str {
    number.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::explain::FactorExplanation;
    use crate::time::Timestamp;

    fn evidence(decay: &str, factors: &[(&'static str, u32, &str)], weight: &str) -> EvidenceExplanation {
        EvidenceExplanation {
            entry: Offset::from_number(6),
            counts_from: Offset::from_number(7),
            seen_at: Timestamp::default(),
            kind: "dsn-failed",
            trap_domain: "A".to_owned(),
            donor: "donor 1".to_owned(),
            failed_recipient: Some("failed recipient 1".to_owned()),
            injector_network: Some("198.51.0.0/16".to_owned()),
            original_sender: "the trap",
            relation: "confirmed",
            cause: Some("address"),
            author: "mail-system",
            forbidden: false,
            more: 0,
            decay: decay.to_owned(),
            factors: factors
                .iter()
                .map(|&(name, thousandths, less)| {
                    (name, FactorExplanation { thousandths, less: less.to_owned() })
                })
                .collect::<BTreeMap<_, _>>(),
            weight: weight.to_owned(),
            counts: true,
        }
    }

    #[test]
    fn a_weight_shows_only_the_factors_that_differ_from_one() {
        let unasked = "no SPF or DMARC record forbade the original";
        let whole = [("authentication", 800, unasked), ("cause", 1_000, ""), ("kind", 1_000, "")];
        for (evidence, shown) in [
            (
                evidence("0.8876", &whole, "0.7101"),
                "\n        weighs 0.89 (age) x 0.8 (no SPF or DMARC record forbade the original) = 0.71\n",
            ),
            (evidence("1.0000", &[("cause", 1_000, "")], "1.0000"), "\n        weighs 1.00\n"),
            (
                evidence("1.0000", &[("cause", 0, "cause address")], "0.0000"),
                "\n        weighs 0 (cause address) = 0\n",
            ),
            (
                evidence("0.0042", &[("cause", 1_000, "")], "0.0042"),
                "\n        weighs 0.0042 (age) = 0.0042\n",
            ),
        ] {
            let text = evidence.to_string();
            assert!(text.ends_with(shown), "{text}");
        }
    }
}
