//! From evidence to listing, rule by rule, for whoever asks why.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write};
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::blocklist::{RelayRecord, ZoneRecord, findings};
use crate::evidence::Sender;
use crate::listing::{Basis, Code, Ending, Listing, Record};
use crate::relay::Relay;
use crate::score::{Bucket, Case, Points, Quorum};
use crate::time::Timestamp;
use crate::trap::TrapKey;
use crate::zone::Config;

/// All that the fold knows of an address. For operators: it shows evidence that nobody else may see.
#[derive(Debug, Serialize)]
pub struct Explanation {
    pub address: String,
    /// What its evidence is grouped by.
    pub ledger: String,
    /// Why it may never be listed, if so.
    pub never_listed: Option<&'static str>,
    pub time: Timestamp,
    pub offset: u64,
    pub zones: Vec<ZoneExplanation>,
}

#[derive(Debug, Serialize)]
pub struct ZoneExplanation {
    pub zone: String,
    /// What the main zone answers.
    pub answer: Option<String>,
    pub policy: String,
    pub codes: Vec<CodeExplanation>,
}

#[derive(Debug, Serialize)]
pub struct CodeExplanation {
    pub value: u8,
    pub name: String,
    pub listing: Option<ListingExplanation>,
    pub past: Vec<PastExplanation>,
    /// Evidence at or before this entry counts no more.
    pub floor: u64,
    pub rules: Vec<RuleExplanation>,
    pub evidence: Vec<EvidenceExplanation>,
}

#[derive(Debug, Serialize)]
pub struct ListingExplanation {
    pub published: String,
    pub since: Timestamp,
    pub until: Timestamp,
    pub times: u32,
    pub policy: String,
    pub completed_by_entry: u64,
    pub points: String,
    pub trap_domains: u32,
    pub injector_networks: u32,
    pub failed_recipients: u32,
    pub reports: u32,
    pub evidence: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct PastExplanation {
    pub since: Timestamp,
    pub ended: Timestamp,
    pub how: &'static str,
}

#[derive(Debug, Serialize)]
pub struct RuleExplanation {
    pub rule: &'static str,
    pub has: String,
    pub needs: String,
    pub met: bool,
    pub why: &'static str,
}

/// One bucket of the ledger.
#[derive(Debug, Serialize)]
pub struct EvidenceExplanation {
    pub kind: &'static str,
    /// A letter, not the domain.
    pub trap_domain: String,
    pub injector_network: Option<String>,
    pub original_sender: &'static str,
    pub first: Timestamp,
    pub reports: u32,
    pub failed_recipients: usize,
    /// What it adds under the square root of its trap domain, in points; none where it no longer counts.
    pub weight: Option<String>,
    pub evidence: Vec<String>,
}

/// Explains an address by its record, at the fold's time.
pub fn explain(relay: Relay, record: &RelayRecord, time: Timestamp) -> Explanation {
    let letters = letters(record);
    let zones: Vec<_> =
        record.zones.iter().map(|zone| explain_zone(relay, record, zone, &letters, time)).collect();
    let refusal = |zone: &ZoneRecord| zone.config.listable.permits(relay.address()).err();
    let never_listed = record.zones.iter().map(refusal).collect::<Option<Vec<_>>>();
    Explanation {
        address: relay.to_string(),
        ledger: record.prefix.to_string(),
        never_listed: never_listed.and_then(|all| all.first().map(|reason| reason.what)),
        time,
        offset: record.offset.0,
        zones,
    }
}

fn letters(record: &RelayRecord) -> BTreeMap<TrapKey, String> {
    let mut letters = BTreeMap::new();
    for bucket in record.ledger.buckets() {
        let next = letters.len();
        letters.entry(bucket.trap_domain).or_insert_with(|| match u8::try_from(next) {
            Ok(next) if next < 26 => char::from(b'A' + next).to_string(),
            _ => format!("#{next}"),
        });
    }
    letters
}

fn explain_zone(
    relay: Relay,
    record: &RelayRecord,
    zone: &ZoneRecord,
    letters: &BTreeMap<TrapKey, String>,
    time: Timestamp,
) -> ZoneExplanation {
    let none = Record::default();
    let codes = zone.config.codes.iter().filter_map(|code| match &code.basis {
        Basis::Kinds { kinds, quorum } => {
            let of_code = zone.records.get(&code.value).unwrap_or(&none);
            let case = Case::open(&record.ledger, kinds, of_code.floor, &zone.config.policy, time);
            Some(explain_code(code, quorum, of_code, &case, record, &zone.config, letters))
        }
        Basis::Repeated { .. } => None,
    });
    let mask = answer_mask(relay, zone);
    ZoneExplanation {
        zone: zone.config.origin.to_string(),
        answer: (mask != 0).then(|| Ipv4Addr::new(127, 0, 0, mask).to_string()),
        policy: zone.config.digest.to_string(),
        codes: codes.collect(),
    }
}

/// What the main zone returns for the relay, as bits.
pub fn answer_mask(relay: Relay, zone: &ZoneRecord) -> u8 {
    let listed = |listing: &&Listing| listing.prefix.contains(relay.address());
    let current = zone.records.iter().filter_map(|(code, record)| {
        record.current.as_ref().filter(listed).map(|listing| (*code, listing.times as usize))
    });
    let mut mask = 0;
    for (code, times) in current {
        mask |= code;
        for repeated in &zone.config.codes {
            match repeated.basis {
                Basis::Repeated { times: needed } if times >= needed => mask |= repeated.value,
                _ => {}
            }
        }
    }
    mask & zone.config.main_mask
}

fn explain_code(
    code: &Code,
    quorum: &Quorum,
    record: &Record,
    case: &Case<'_>,
    relay: &RelayRecord,
    config: &Config,
    letters: &BTreeMap<TrapKey, String>,
) -> CodeExplanation {
    let Basis::Kinds { kinds, .. } = &code.basis else {
        unreachable!("the caller asked for codes with kinds")
    };
    let counts = |bucket: &Bucket| case.buckets().iter().any(|counted| std::ptr::eq(*counted, bucket));
    let rules = findings(case, config, quorum);
    CodeExplanation {
        value: code.value,
        name: code.name.clone(),
        listing: record.current.as_ref().map(explain_listing),
        past: record
            .past
            .iter()
            .map(|past| PastExplanation { since: past.since, ended: past.ended, how: ending(past.how) })
            .collect(),
        floor: record.floor.max(relay.ledger.forgiven()).0,
        rules: rules
            .into_iter()
            .map(|finding| RuleExplanation {
                why: crate::score::RULES
                    .iter()
                    .find(|rule| rule.name == finding.rule)
                    .map_or("", |rule| rule.why),
                rule: finding.rule,
                has: finding.has,
                needs: finding.needs,
                met: finding.met,
            })
            .collect(),
        evidence: relay
            .ledger
            .buckets()
            .iter()
            .filter(|bucket| kinds.contains(&bucket.kind))
            .map(|bucket| EvidenceExplanation {
                kind: bucket.kind.name(),
                trap_domain: letters.get(&bucket.trap_domain).cloned().unwrap_or_default(),
                injector_network: bucket
                    .injector_network
                    .map(|net| format!("{}/{}", net.network(), net.length())),
                original_sender: match bucket.sender {
                    Sender::Trap => "the trap",
                    Sender::Unknown => "unknown",
                    Sender::Other => "another",
                },
                first: bucket.first,
                reports: bucket.reports,
                failed_recipients: bucket.recipients.len(),
                weight: counts(bucket)
                    .then(|| Points::of_weight(case.weight(bucket, &config.policy)).to_string()),
                evidence: bucket.evidence.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }
}

fn explain_listing(listing: &Listing) -> ListingExplanation {
    let grounds = &listing.grounds;
    ListingExplanation {
        published: listing.prefix.to_string(),
        since: listing.since,
        until: listing.until,
        times: listing.times,
        policy: listing.policy.to_string(),
        completed_by_entry: grounds.completed.0,
        points: grounds.points.to_string(),
        trap_domains: grounds.trap_domains,
        injector_networks: grounds.injector_networks,
        failed_recipients: grounds.failed_recipients,
        reports: grounds.reports,
        evidence: grounds.evidence.iter().map(ToString::to_string).collect(),
    }
}

const fn ending(how: Ending) -> &'static str {
    match how {
        Ending::Expired => "expired",
        Ending::Removed => "removed",
        Ending::Withdrawn => "the zone changed",
    }
}

/// The same for people.
impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at {}, after entry {}", self.address, self.time, self.offset)?;
        if self.ledger != self.address {
            writeln!(f, "  its evidence is kept for {}", self.ledger)?;
        }
        if let Some(reason) = self.never_listed {
            writeln!(f, "  never listed: {reason} (RFC 6471 §3.5)")?;
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
        writeln!(f, "\n  code {} ({})", self.value, self.name)?;
        match &self.listing {
            Some(listing) => write!(f, "{listing}")?,
            None => writeln!(f, "    not listed")?,
        }
        for past in &self.past {
            writeln!(f, "    was listed from {} to {} ({})", past.since, past.ended, past.how)?;
        }
        if self.floor > 0 {
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
        for evidence in &self.evidence {
            write!(f, "{evidence}")?;
        }
        Ok(())
    }
}

impl Display for ListingExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "    {} is listed from {} until {} (time {})",
            self.published, self.since, self.until, self.times
        )?;
        writeln!(
            f,
            "    entry {} completed the case: {} points, {} trap domains, {} injector networks, {} failed recipients, {} reports",
            self.completed_by_entry,
            self.points,
            self.trap_domains,
            self.injector_networks,
            self.failed_recipients,
            self.reports
        )
    }
}

impl Display for EvidenceExplanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut line = format!(
            "{} {} to trap domain {}, injected from {}, in the name of {}, {} report(s), {} recipient(s)",
            self.first,
            self.kind,
            self.trap_domain,
            self.injector_network.as_deref().unwrap_or("an unknown network"),
            self.original_sender,
            self.reports,
            self.failed_recipients,
        );
        match &self.weight {
            Some(weight) => write!(line, ": weighs {weight}")?,
            None => write!(line, ": used up")?,
        }
        writeln!(f, "      {line}")
    }
}
