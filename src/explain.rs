//! Explanations: how the evidence against an address led to its listing, rule by rule. The figures
//! are sufficient to recompute every result by hand.

mod notice;
mod text;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

pub use notice::{NoticeEnvelope, notice};

use crate::blocklist::{Exemption, RelayRecord, findings};
use crate::classify::Kind;
use crate::evidence::{Offset, OriginalSender};
use crate::listing::{Criterion, Listing, ListingRecord, ReturnCode};
use crate::relay::{Prefix, Relay};
use crate::score::{Case, CaseWindow, CountedReport, FACTORS, Points, Quorum, RULES, Relation, decay};
use crate::time::Timestamp;
use crate::zone::{Config, Snapshot};

/// The state of an address in every zone. It is for operators only, because it shows evidence.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The address.
    pub address: String,
    /// The prefix under which its evidence is stored.
    pub ledger: String,
    /// Why the address may never be listed, if that is the case.
    pub never_listed: Option<String>,
    /// The fold's time.
    pub time: Timestamp,
    /// The last entry that was applied.
    pub offset: Offset,
    /// One explanation for each published zone.
    pub zones: Vec<ZoneExplanation>,
}

/// The state of an address in one zone.
#[derive(Debug, Serialize)]
pub struct ZoneExplanation {
    /// The zone's origin.
    pub zone: String,
    /// The answer of the main zone, such as `127.0.0.2`, or `None` if the address is not listed.
    pub answer: Option<String>,
    /// The digest of the zone's file.
    pub policy: String,
    /// One explanation for each code that is based on reports.
    pub codes: Vec<CodeExplanation>,
}

/// The state of an address under one code.
#[derive(Debug, Serialize)]
pub struct CodeExplanation {
    /// The value of the code.
    pub value: u8,
    /// The name of the code.
    pub name: String,
    /// One of: `clear` (no counted reports), `noted` (there are counted reports), `warned` (at
    /// least half of every requirement is satisfied), `met` (every rule is satisfied), `listed`.
    pub standing: &'static str,
    /// The current listing.
    pub listing: Option<ListingExplanation>,
    /// The past listings, the oldest first.
    pub past: Vec<PastExplanation>,
    /// Counted reports start after this entry.
    pub floor: Offset,
    /// The result of each rule for the next listing or extension.
    pub rules: Vec<RuleExplanation>,
    /// How the points are computed.
    pub score: ScoreExplanation,
    /// Every stored report of the code's kinds.
    pub evidence: Vec<EvidenceExplanation>,
}

/// A current listing.
#[derive(Debug, Serialize)]
pub struct ListingExplanation {
    /// The published address or network.
    pub published: String,
    /// When the listing began.
    pub since: Timestamp,
    /// When the listing ends.
    pub until: Timestamp,
    /// The number of listings within the repeat window, this one included.
    pub times: u32,
    /// The digest of the zone file whose policy was applied.
    pub policy: String,
    /// What the listing is based on: `case` or `decision`.
    pub criterion: &'static str,
    /// The entry that completed the case, or the entry of the decision.
    pub completed_by_entry: Offset,
    /// The counted reports of the case start after this entry.
    pub after_entry: Offset,
    /// When the case was completed.
    pub at: Timestamp,
    /// The points of the case.
    pub points: String,
    /// The number of distinct trap domains.
    pub trap_domains: u32,
    /// The number of distinct networks the forged mail came from.
    pub injector_networks: u32,
    /// The number of distinct failed recipients.
    pub failed_recipients: u32,
    /// The number of reports.
    pub reports: u32,
    /// The grounds: the first entries that contain the evidence, or the entry of the decision.
    pub evidence: Vec<Offset>,
    /// How the points were computed when the case was completed. Evidence beyond the horizon is
    /// missing.
    pub score: ScoreExplanation,
    /// The counted reports of the case. Evidence beyond the horizon is missing.
    pub case: Vec<EvidenceExplanation>,
}

/// A past listing.
#[derive(Debug, Serialize)]
pub struct PastExplanation {
    /// When the listing began.
    pub since: Timestamp,
    /// When the listing ended.
    pub ended: Timestamp,
    /// Why the listing ended.
    pub how: &'static str,
}

/// The result of one rule.
#[derive(Debug, Serialize)]
pub struct RuleExplanation {
    /// The name of the rule.
    pub rule: &'static str,
    /// The value that the case has.
    pub has: String,
    /// The value that the quorum requires.
    pub needs: String,
    /// Whether the rule is satisfied.
    pub met: bool,
    /// The reason for the rule.
    pub why: &'static str,
}

/// How the points are computed.
#[derive(Debug, Serialize)]
pub struct ScoreExplanation {
    /// The half-life of a report's weight, in hours.
    pub half_life_hours: u32,
    /// The weight of the reports to each trap domain.
    pub trap_domains: Vec<TrapDomainExplanation>,
    /// The sum over the trap domains, before the limit for each donor and the division.
    pub sum: String,
    /// The number of wanted messages that donors received from the relay.
    pub wanted_mail: u64,
    /// log2(2 + wanted messages), rounded down.
    pub divisor: u32,
    /// The points.
    pub points: String,
}

/// The weight of the reports to one trap domain.
#[derive(Debug, Serialize)]
pub struct TrapDomainExplanation {
    /// A letter that stands for the domain.
    pub trap_domain: String,
    /// The donors of the traps in the domain.
    pub donors: Vec<String>,
    /// The number of distinct pairs of injector network and hour. The reports of each pair weigh as
    /// the heaviest of them.
    pub bursts: usize,
    /// The total weight, with four decimal places.
    pub weight: String,
    /// The square root of the weight.
    pub points: String,
}

/// One stored report of the ledger.
#[derive(Debug, Serialize)]
pub struct EvidenceExplanation {
    /// The entry that contains the evidence.
    pub entry: Offset,
    /// When the trap node received it.
    pub seen_at: Timestamp,
    /// The kind of report.
    pub kind: &'static str,
    /// A letter that stands for the trap domain.
    pub trap_domain: String,
    /// A number that stands for the donor of the trap, as in `donor 1`.
    pub donor: String,
    /// A number that stands for the failed recipient or the responder, as in `failed recipient 1`.
    pub failed_recipient: Option<String>,
    /// The network the forged mail came from.
    pub injector_network: Option<String>,
    /// The sender of the original: `the trap`, `unknown` or `another`.
    pub original_sender: &'static str,
    /// Whether the DNS says that the relay serves the failed recipient's domain: `confirmed`,
    /// `unknown`, `refuted` or `not asked`.
    pub relation: &'static str,
    /// Why delivery failed.
    pub cause: &'static str,
    /// Whether the SPF or DMARC record of the trap's domain forbade the original.
    pub forbidden: bool,
    /// The number of further reports of the same burst, which do not add weight.
    pub more: u32,
    /// The decay with age, 2^(-age / half-life), with four decimal places.
    pub decay: String,
    /// The value of each factor, in thousandths.
    pub factors: BTreeMap<&'static str, u32>,
    /// The product of the decay and the factors, with four decimal places.
    pub weight: String,
    /// Whether the report counts for the rules of this case.
    pub counts: bool,
}

/// Explains an address from its record, at the snapshot's time. `offset` is the last entry applied.
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
        format!("{prefix} is exempt since {since} by decision of {by} ({why}), review due by {review_by}")
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

/// The listings of a relay under a code in a zone.
pub fn record_of<'a>(record: &'a RelayRecord, config: &Config, code: u8) -> Option<&'a ListingRecord> {
    let origin = config.apex.origin.to_string();
    record.records.get(&(origin.into(), code))
}

/// The codes that the main zone returns for the relay, as a bit mask; zero if it is not listed.
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

/// Letters and numbers that stand for trap domains, donors and failed recipients within one
/// explanation.
#[derive(Default)]
struct Letters {
    trap_domains: BTreeMap<u32, String>,
    donors: BTreeMap<u32, String>,
    recipients: BTreeMap<u64, String>,
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
            let next = letters.recipients.len() + 1;
            let role = match mark.kind {
                Kind::AutoReply | Kind::Challenge => "responder",
                _ => "failed recipient",
            };
            letters.recipients.entry(mark.failed_recipient).or_insert_with(|| format!("{role} {next}"));
        }
        letters
    }
}

fn explain_code(
    code: &ReturnCode,
    record: &RelayRecord,
    config: &Config,
    letters: &Letters,
    time: Timestamp,
) -> Option<CodeExplanation> {
    let (kinds, quorum) = config.quorum(code.value)?;
    let none = ListingRecord::default();
    let of_code = record_of(record, config, code.value).unwrap_or(&none);
    let docket = CaseWindow {
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

fn explain_rules(
    case: &Case<'_>,
    quorum: &Quorum,
    record: &ListingRecord,
) -> (&'static str, Vec<RuleExplanation>) {
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

fn explain_mark(
    mark: &CountedReport,
    case: &Case<'_>,
    letters: &Letters,
    time: Timestamp,
) -> EvidenceExplanation {
    let policy = case.policy();
    let age = time.hour().saturating_sub(mark.seen_at.hour());
    let factors = FACTORS.iter().map(|factor| (factor.name, (factor.thousandths)(mark, &policy.weights)));
    EvidenceExplanation {
        entry: mark.offset,
        seen_at: mark.seen_at,
        kind: mark.kind.name(),
        trap_domain: letters.trap_domains.get(&mark.trap_domain).cloned().unwrap_or_default(),
        donor: letters.donors.get(&mark.donor).cloned().unwrap_or_default(),
        failed_recipient: letters
            .recipients
            .get(&mark.failed_recipient)
            .filter(|_| mark.failed_recipient != 0)
            .cloned(),
        injector_network: mark.injector.map(|network| network.to_string()),
        original_sender: match mark.sender {
            OriginalSender::Trap => "the trap",
            OriginalSender::Unknown => "unknown",
            OriginalSender::Other => "another",
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
        failed_recipients: grounds.failed_recipients,
        reports: grounds.reports,
        evidence: grounds.evidence.clone(),
        score: explain_score(&case, letters),
        case: marks.collect(),
    }
}

/// A number in units of 2^-32 as text with four decimal places, rounded down.
fn fraction(units: u64) -> String {
    let ten_thousandths = (u128::from(units) * 10_000) >> 32;
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}
