//! Building an explanation from the record of a relay.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::letters::Letters;
use super::lookup::{hold_of, record_of};
use super::model::{
    AnswerExplanation, CodeExplanation, EvidenceExplanation, Explanation, FactorExplanation, HoldExplanation,
    ListingExplanation, PastExplanation, RuleExplanation, ScoreExplanation, TrapDomainExplanation,
    ZoneExplanation,
};
use crate::blocklist::{Exemption, RelayAnswer, RelayRecord};
use crate::classify::{Cause, Kind};
use crate::evidence::{Offset, OriginalSender};
use crate::listing::{Criterion, Listing, ListingRecord, ReturnCode};
use crate::relay::{Prefix, Relay};
use crate::score::{Case, CaseWindow, CountedReport, FACTORS, Points, Quorum, Relation, decay, findings};
use crate::time::{Span, Timestamp};
use crate::zone::{Config, Snapshot};

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
    let (letters, public) = (Letters::of(record), record.public(relay));
    let configs: Vec<&Config> = snapshot.zones().iter().map(|zone| &*zone.config).collect();
    let explain_zone = |config: &&Config| ZoneExplanation {
        zone: config.apex.origin.to_string(),
        answer: match public.answer_mask(config) {
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
        answers: record.answers.values().map(explain_answer).collect(),
        zones: configs.iter().map(explain_zone).collect(),
    }
}

fn explain_answer(known: &RelayAnswer) -> AnswerExplanation {
    AnswerExplanation {
        domain: known.domain.clone(),
        answer: known.answer.name(),
        reply: known.reply.clone(),
        answered: known.answered,
        asked: known.asked,
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
    let window = CaseWindow {
        kinds,
        after: of_code.floor.max(record.ledger.forgiven()),
        until: record.offset,
        now: time,
        good_messages: record.good_messages,
    };
    let needs_answer = config.verifies(code.value);
    let is_open = |mark: &CountedReport| {
        let known = record.answers.get(&mark.domain);
        !needs_answer || !known.is_some_and(|known| known.vetoes(time, config.policy.horizon))
    };
    let case = Case::open(&record.ledger, &window, &config.policy).only(is_open);
    let (standing, rules) = explain_rules(&case, quorum, of_code);
    let standing = if needs_answer && standing == "met" { "unverified" } else { standing };
    let held = hold_of(record, config, code.value).map(|hold| HoldExplanation {
        guard: hold.guard.name(),
        since_entry: hold.since,
        why: hold.guard.to_string(),
        ends: hold.guard.ends(),
    });
    let of_kind = record.ledger.marks().iter().filter(|mark| kinds.contains(&mark.kind));
    let past = of_code.past.iter().map(|past| PastExplanation {
        since: past.since,
        ended: past.ended,
        how: past.how.name(),
    });
    Some(CodeExplanation {
        value: code.value,
        name: code.name.clone(),
        standing: if held.is_some() { "held" } else { standing },
        held,
        listing: of_code.current.as_ref().map(|listing| {
            let next_slot = next_slot(of_code, listing, config, time);
            explain_listing(listing, next_slot, kinds, (record, config), letters)
        }),
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
    let found: Vec<_> = findings(case, quorum).collect();
    let standing = match &record.current {
        Some(_) if record.published.is_none() => "decided",
        Some(_) => "listed",
        None if case.marks().is_empty() => "clear",
        None if found.iter().all(|(_, finding)| finding.met) => "met",
        None if found.iter().all(|(_, finding)| finding.half_met) => "warned",
        None => "noted",
    };
    let explained = found.into_iter().map(|(rule, finding)| RuleExplanation {
        rule: rule.name,
        term: rule.term,
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
    let factors = FACTORS.iter().map(|factor| {
        let thousandths = (factor.thousandths)(mark, &policy.weights);
        (factor.name, FactorExplanation { thousandths, less: (factor.less)(mark) })
    });
    EvidenceExplanation {
        entry: mark.offset,
        counts_from: mark.counts_from(),
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
            Relation::Claimed => "claimed",
            Relation::Unknown => "unknown",
            Relation::Refuted => "refuted",
            Relation::NotAsked => "not asked",
        },
        cause: mark.cause.map(Cause::name),
        author: mark.author.name(),
        forbidden: mark.forbidden,
        more: mark.more,
        decay: fraction(decay(age, policy.half_life.hours())),
        factors: factors.collect(),
        weight: fraction(case.weight(mark)),
        counts: case.marks().iter().any(|counted| std::ptr::eq(*counted, mark)),
    }
}

/// The slot at which a listing or its extension becomes public, if it waits for one.
fn next_slot(
    of_code: &ListingRecord,
    listing: &Listing,
    config: &Config,
    time: Timestamp,
) -> Option<Timestamp> {
    let is_public = of_code.published.as_ref().is_some_and(|published| published.until >= listing.until);
    let after = time.plus(Span::from_milliseconds(1));
    (!is_public).then(|| config.slots.first(after))
}

fn explain_listing(
    listing: &Listing,
    next_slot: Option<Timestamp>,
    kinds: &[Kind],
    (record, config): (&RelayRecord, &Config),
    letters: &Letters,
) -> ListingExplanation {
    let grounds = &listing.grounds;
    let case =
        Case::open(&record.ledger, &grounds.window(kinds), &config.policy).only(|mark| grounds.permits(mark));
    let marks = case.marks().iter().map(|mark| explain_mark(mark, &case, letters, grounds.at));
    ListingExplanation {
        published: listing.prefix.to_string(),
        since: listing.since,
        until: listing.until,
        next_slot,
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
        figures: grounds.figures(),
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
