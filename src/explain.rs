//! From evidence to listing, rule by rule, for whoever asks why: enough to recompute every figure by hand.

mod notice;
mod text;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

pub use notice::{Envelope, notice};

use crate::blocklist::{Exemption, RelayRecord, findings};
use crate::classify::Kind;
use crate::evidence::{Offset, Sender};
use crate::listing::{Code, Criterion, Listing, Record};
use crate::relay::{Prefix, Relay};
use crate::score::{Case, Docket, FACTORS, Mark, Points, Quorum, RULES, Relation, decay};
use crate::time::Timestamp;
use crate::zone::{Config, Snapshot};

/// All that the fold knows of an address. For operators: it shows evidence that nobody else may see.
#[derive(Debug, Serialize)]
pub struct Explanation {
    pub address: String,
    /// What its evidence is grouped by.
    pub ledger: String,
    /// Why it may never be listed, if so.
    pub never_listed: Option<String>,
    pub time: Timestamp,
    pub offset: Offset,
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
    /// clear, noted (there is evidence), warned (half of everything is there), met, or listed.
    pub standing: &'static str,
    pub listing: Option<ListingExplanation>,
    pub past: Vec<PastExplanation>,
    /// Evidence at or before this entry counts no more.
    pub floor: Offset,
    pub rules: Vec<RuleExplanation>,
    pub score: ScoreExplanation,
    pub evidence: Vec<EvidenceExplanation>,
}

#[derive(Debug, Serialize)]
pub struct ListingExplanation {
    pub published: String,
    pub since: Timestamp,
    pub until: Timestamp,
    pub times: u32,
    pub policy: String,
    pub criterion: &'static str,
    pub completed_by_entry: Offset,
    /// The case's evidence lies behind this entry.
    pub after_entry: Offset,
    pub at: Timestamp,
    pub points: String,
    pub trap_domains: u32,
    pub injector_networks: u32,
    pub parties: u32,
    pub reports: u32,
    /// The entries that it stands on.
    pub evidence: Vec<Offset>,
    /// The case as it was when it was made, as far as its evidence lies within the horizon.
    pub score: ScoreExplanation,
    pub case: Vec<EvidenceExplanation>,
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

/// How the points come about.
#[derive(Debug, Serialize)]
pub struct ScoreExplanation {
    pub half_life_hours: u32,
    pub trap_domains: Vec<TrapDomainExplanation>,
    /// Before the donors' shares are capped and wanted mail is taken into account.
    pub sum: String,
    pub wanted_mail: u64,
    /// log2(2 + wanted mail), rounded down.
    pub divisor: u32,
    pub points: String,
}

#[derive(Debug, Serialize)]
pub struct TrapDomainExplanation {
    /// A letter, not the domain.
    pub trap_domain: String,
    pub donors: Vec<String>,
    /// Bursts: kinds apart, reports from one injector network within one hour weigh as the heaviest of them.
    pub bursts: usize,
    pub weight: String,
    /// The square root of it.
    pub points: String,
}

/// One mark of the ledger.
#[derive(Debug, Serialize)]
pub struct EvidenceExplanation {
    pub entry: Offset,
    pub seen_at: Timestamp,
    pub kind: &'static str,
    /// Letters and numbers stand for whom nobody may read here.
    pub trap_domain: String,
    pub donor: String,
    pub party: Option<String>,
    pub injector_network: Option<String>,
    pub original_sender: &'static str,
    pub relation: &'static str,
    pub cause: &'static str,
    pub forbidden: bool,
    /// Further reports that weigh nothing more.
    pub more: u32,
    /// 2^(-age / half-life).
    pub decay: String,
    /// What each factor gives, in thousandths.
    pub factors: BTreeMap<&'static str, u32>,
    /// The product.
    pub weight: String,
    pub counts: bool,
}

/// Explains an address by its record, at the snapshot's time.
pub fn explain(
    relay: Relay,
    record: Option<&RelayRecord>,
    exemptions: &BTreeMap<Prefix, Exemption>,
    snapshot: &Snapshot,
    offset: Offset,
) -> Explanation {
    let none = RelayRecord::default();
    let record = record.unwrap_or(&none);
    let letters = Letters::of(record);
    let configs: Vec<&Config> = snapshot.zones().iter().map(|zone| &*zone.config).collect();
    let explain_zone = |config: &&Config| ZoneExplanation {
        zone: config.apex.origin.to_string(),
        answer: match answer_mask(relay, record, config) {
            0 => None,
            mask => Some(Ipv4Addr::new(127, 0, 0, mask).to_string()),
        },
        policy: config.digest.to_string(),
        codes: config
            .codes
            .iter()
            .filter_map(|code| explain_code(code, record, config, &letters, snapshot.time))
            .collect(),
    };
    let special = configs.iter().map(|config| config.listable.permits(relay.address()).err());
    let special = special.collect::<Option<Vec<_>>>().and_then(|all| all.first().map(|reason| reason.what));
    let exempt = exemptions.iter().find(|(prefix, _)| prefix.overlaps(Prefix::host(relay)));
    let exempt = exempt.map(|(prefix, exemption)| {
        let Exemption { since, review_by, by, why } = exemption;
        format!("{prefix} was exempted at {since} by {by} ({why}), to be reviewed by {review_by}")
    });
    Explanation {
        address: relay.to_string(),
        ledger: Prefix::host(relay).to_string(),
        never_listed: special.map(|what| format!("{what} (RFC 6471 §3.5)")).or(exempt),
        time: snapshot.time,
        offset,
        zones: configs.iter().map(explain_zone).collect(),
    }
}

/// The listing of a relay under a code in a zone.
pub fn record_of<'a>(record: &'a RelayRecord, config: &Config, code: u8) -> Option<&'a Record> {
    let origin = config.apex.origin.to_string();
    record.records.get(&(origin.into(), code))
}

/// What the main zone returns for the relay, as bits.
pub fn answer_mask(relay: Relay, record: &RelayRecord, config: &Config) -> u8 {
    let listed = |listing: &&Listing| listing.prefix.contains(relay.address());
    let mut mask = 0;
    for code in &config.codes {
        let current = record_of(record, config, code.value).and_then(|record| record.current.as_ref());
        if let Some(listing) = current.filter(listed) {
            mask |= code.value;
            let beside = config.codes.iter().filter(|other| other.basis.goes_with(listing));
            mask |= beside.fold(0, |mask, other| mask | other.value);
        }
    }
    mask & config.main.mask
}

/// Letters that stand for trap domains, donors and parties, the same all over one explanation.
#[derive(Default)]
struct Letters {
    trap_domains: BTreeMap<u32, String>,
    donors: BTreeMap<u32, String>,
    parties: BTreeMap<u64, String>,
}

impl Letters {
    fn of(record: &RelayRecord) -> Self {
        let mut letters = Letters::default();
        for mark in record.ledger.marks() {
            let next = letters.trap_domains.len();
            letters.trap_domains.entry(mark.trap_domain).or_insert_with(|| match u8::try_from(next) {
                Ok(next) if next < 26 => char::from(b'A' + next).to_string(),
                _ => format!("#{next}"),
            });
            let next = letters.donors.len() + 1;
            letters.donors.entry(mark.donor).or_insert_with(|| format!("donor {next}"));
            let next = letters.parties.len() + 1;
            letters.parties.entry(mark.party).or_insert_with(|| format!("party {next}"));
        }
        letters
    }
}

fn explain_code(
    code: &Code,
    record: &RelayRecord,
    config: &Config,
    letters: &Letters,
    time: Timestamp,
) -> Option<CodeExplanation> {
    let (kinds, quorum) = config.quorum(code.value)?;
    let none = Record::default();
    let of_code = record_of(record, config, code.value).unwrap_or(&none);
    let docket = Docket {
        kinds,
        after: of_code.floor.max(record.ledger.forgiven()),
        until: record.offset,
        now: time,
        good_messages: record.good_messages,
    };
    let case = Case::open(&record.ledger, &docket, &config.policy);
    let (standing, rules) = explain_rules(&case, quorum, of_code);
    let of_kind = record.ledger.marks().iter().filter(|mark| kinds.contains(&mark.kind));
    let past = of_code.past.iter().map(|past| PastExplanation {
        since: past.since,
        ended: past.ended,
        how: past.how.name(),
    });
    Some(CodeExplanation {
        value: code.value,
        name: code.name.clone(),
        standing,
        listing: of_code
            .current
            .as_ref()
            .map(|listing| explain_listing(listing, kinds, record, config, letters)),
        past: past.collect(),
        floor: of_code.floor.max(record.ledger.forgiven()),
        rules,
        score: explain_score(&case, letters),
        evidence: of_kind.map(|mark| explain_mark(mark, &case, letters, time)).collect(),
    })
}

fn explain_rules(case: &Case<'_>, quorum: &Quorum, record: &Record) -> (&'static str, Vec<RuleExplanation>) {
    let found = findings(case, quorum);
    let standing = match &record.current {
        Some(_) => "listed",
        None if case.marks().is_empty() => "clear",
        None if found.iter().all(|finding| finding.met) => "met",
        None if found.iter().all(|finding| finding.half_met) => "warned",
        None => "noted",
    };
    let explained = found.into_iter().zip(RULES).map(|(finding, rule)| RuleExplanation {
        rule: finding.rule,
        has: finding.has,
        needs: finding.needs,
        met: finding.met,
        why: rule.why,
    });
    (standing, explained.collect())
}

fn explain_score(case: &Case<'_>, letters: &Letters) -> ScoreExplanation {
    let sums = case.trap_domain_sums();
    let name = |names: &BTreeMap<u32, String>, of: &u32| names.get(of).cloned().unwrap_or_default();
    ScoreExplanation {
        half_life_hours: case.policy().half_life.hours(),
        sum: sums.values().map(|sum| sum.points()).fold(Points::default(), |a, b| a + b).to_string(),
        trap_domains: sums
            .iter()
            .map(|(trap_domain, sum)| TrapDomainExplanation {
                trap_domain: name(&letters.trap_domains, trap_domain),
                donors: sum.donors.iter().map(|donor| name(&letters.donors, donor)).collect(),
                bursts: sum.bursts,
                weight: fraction(sum.weight),
                points: sum.points().to_string(),
            })
            .collect(),
        wanted_mail: case.good_messages(),
        divisor: case.good_mail_divisor(),
        points: case.points().to_string(),
    }
}

fn explain_mark(mark: &Mark, case: &Case<'_>, letters: &Letters, time: Timestamp) -> EvidenceExplanation {
    let policy = case.policy();
    let age = time.hour().saturating_sub(mark.seen_at.hour());
    let factors = FACTORS.iter().map(|factor| (factor.name, (factor.thousandths)(mark, &policy.weights)));
    EvidenceExplanation {
        entry: mark.offset,
        seen_at: mark.seen_at,
        kind: mark.kind.name(),
        trap_domain: letters.trap_domains.get(&mark.trap_domain).cloned().unwrap_or_default(),
        donor: letters.donors.get(&mark.donor).cloned().unwrap_or_default(),
        party: letters.parties.get(&mark.party).filter(|_| mark.party != 0).cloned(),
        injector_network: mark.injector.map(|network| network.to_string()),
        original_sender: match mark.sender {
            Sender::Trap => "the trap",
            Sender::Unknown => "unknown",
            Sender::Other => "another",
        },
        relation: match mark.relation {
            Relation::Confirmed => "confirmed",
            Relation::Unknown => "unknown",
            Relation::Refuted => "refuted",
            Relation::NotAsked => "not asked",
        },
        cause: mark.cause.name(),
        forbidden: mark.forbidden,
        more: mark.more,
        decay: fraction(decay(age, policy.half_life.hours())),
        factors: factors.collect(),
        weight: fraction(case.weight(mark)),
        counts: case.marks().iter().any(|counted| std::ptr::eq(*counted, mark)),
    }
}

fn explain_listing(
    listing: &Listing,
    kinds: &[Kind],
    record: &RelayRecord,
    config: &Config,
    letters: &Letters,
) -> ListingExplanation {
    let grounds = &listing.grounds;
    let case = Case::open(&record.ledger, &grounds.docket(kinds), &config.policy);
    let marks = case.marks().iter().map(|mark| explain_mark(mark, &case, letters, grounds.at));
    ListingExplanation {
        published: listing.prefix.to_string(),
        since: listing.since,
        until: listing.until,
        times: listing.times,
        policy: listing.policy.to_string(),
        criterion: match grounds.criterion {
            Criterion::Case => "case",
            Criterion::Decision => "decision",
        },
        completed_by_entry: grounds.completed,
        after_entry: grounds.after,
        at: grounds.at,
        points: grounds.points.to_string(),
        trap_domains: grounds.trap_domains,
        injector_networks: grounds.injector_networks,
        parties: grounds.parties,
        reports: grounds.reports,
        evidence: grounds.evidence.clone(),
        score: explain_score(&case, letters),
        case: marks.collect(),
    }
}

/// Units of 2^-32 with four places behind the point, rounded down.
fn fraction(units: u64) -> String {
    let ten_thousandths = (u128::from(units) * 10_000) >> 32;
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}
