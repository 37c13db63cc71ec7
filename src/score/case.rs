//! A case: the counted reports of a ledger that may count towards the next listing.

use std::collections::{BTreeMap, BTreeSet};

use super::power::decay;
use super::{CountedReport, FACTORS, Ledger, Points, Policy, Relation, weighs};
use crate::classify::Kind;
use crate::evidence::{Channel, Offset};
use crate::relay::InjectorNetwork;
use crate::time::{Span, Timestamp};

/// Hints can add at most one part in this many to the weight of the reports to a trap domain.
const HINTS_SHARE: u64 = 10;

/// Selects counted reports from a ledger for a [`Case`].
#[derive(Clone, Copy, Debug)]
pub struct CaseWindow<'a> {
    /// The kinds of report.
    pub kinds: &'a [Kind],
    /// Counted reports start after this entry: an earlier listing used the evidence up to it, or a
    /// removal cleared it.
    pub after: Offset,
    /// The last entry that counts.
    pub until: Offset,
    /// The time at which the weights are computed.
    pub now: Timestamp,
    /// The number of wanted messages that donors received from the relay within the horizon.
    pub good_messages: u64,
}

/// The counted reports that a [`CaseWindow`] selects, in order of receipt.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    marks: Vec<&'a CountedReport>,
    /// Evidence from logs. Such evidence only adds weight and satisfies no rule.
    hints: Vec<&'a CountedReport>,
    policy: &'a Policy,
    now: Timestamp,
    good_messages: u64,
}

/// The total of the reports to one trap domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrapDomainSum {
    /// The total weight, in units of 2^-32. Its square root is in points.
    pub weight: u64,
    /// The number of separate injector networks and hours.
    pub bursts: usize,
    /// The donors of the traps, as [`Donor::short`](crate::trap::Donor::short).
    pub donors: BTreeSet<u32>,
}

impl TrapDomainSum {
    /// The square root of the weight. The root of units of 2^-32 is in units of 2^-16, as
    /// [`Points`] are.
    pub fn points(&self) -> Points {
        Points(self.weight.isqrt())
    }
}

impl<'a> Case<'a> {
    /// Selects the reports of a ledger in a window and that weigh anything.
    pub fn open(ledger: &'a Ledger, window: &CaseWindow<'_>, policy: &'a Policy) -> Self {
        let oldest = window.now.minus(policy.horizon);
        let counts = |mark: &&CountedReport| {
            let from = mark.counts_from();
            from > window.after
                && from <= window.until
                && window.kinds.contains(&mark.kind)
                && mark.seen_at >= oldest
                // A report without weight must not count towards the other rules either.
                && weighs(mark, &policy.weights)
        };
        let (hints, mut marks): (Vec<&CountedReport>, Vec<&CountedReport>) =
            ledger.marks().iter().filter(counts).partition(|mark| mark.channel == Channel::Logged);
        marks.sort_by_key(|mark| mark.seen_at);
        Case { marks, hints, policy, now: window.now, good_messages: window.good_messages }
    }

    /// The counted reports, in order of receipt, without the hints.
    pub fn marks(&self) -> &[&'a CountedReport] {
        &self.marks
    }

    /// The policy that the case is judged by.
    pub fn policy(&self) -> &Policy {
        self.policy
    }

    /// The weight of one counted report at the case's time, in units of 2^-32; at most 2^32.
    pub fn weight(&self, mark: &CountedReport) -> u64 {
        let age_hours = self.now.hour().saturating_sub(mark.seen_at.hour());
        let decayed = decay(age_hours, self.policy.half_life.hours());
        FACTORS.iter().fold(decayed, |weight, factor| {
            weight * u64::from((factor.thousandths)(mark, &self.policy.weights)) / 1_000
        })
    }

    /// For each trap domain, the sum of the heaviest report of each injector network and hour.
    pub fn trap_domain_sums(&self) -> BTreeMap<u32, TrapDomainSum> {
        let mut heaviest: BTreeMap<(u32, Option<InjectorNetwork>, u32), u64> = BTreeMap::new();
        let mut sums: BTreeMap<u32, TrapDomainSum> = BTreeMap::new();
        for mark in &self.marks {
            let slot = heaviest.entry((mark.trap_domain, mark.injector, mark.seen_at.hour())).or_insert(0);
            *slot = self.weight(mark).max(*slot);
            sums.entry(mark.trap_domain).or_default().donors.insert(mark.donor);
        }
        for ((trap_domain, _, _), weight) in heaviest {
            let sum = sums.entry(trap_domain).or_default();
            sum.weight += weight;
            sum.bursts += 1;
        }
        self.add_hints(&mut sums);
        sums
    }

    /// Adds the hints' weight, limited to a small part of the weight of the reports to the same
    /// trap domain. The donors of the hints count as donors of the trap domain too.
    fn add_hints(&self, sums: &mut BTreeMap<u32, TrapDomainSum>) {
        let mut hints: BTreeMap<u32, u64> = BTreeMap::new();
        for mark in &self.hints {
            if let Some(sum) = sums.get_mut(&mark.trap_domain) {
                *hints.entry(mark.trap_domain).or_default() += self.weight(mark);
                sum.donors.insert(mark.donor);
            }
        }
        for (trap_domain, weight) in hints {
            if let Some(sum) = sums.get_mut(&trap_domain) {
                sum.weight += weight.min(sum.weight / HINTS_SHARE);
            }
        }
    }

    /// The points of the case: the sum over trap domains of the square root of their weight,
    /// divided by log2(2 + wanted messages). A donor that the policy does not trust contributes at
    /// most half of the sum, so that one dishonest donor cannot list a relay.
    pub fn points(&self) -> Points {
        let sums = self.trap_domain_sums();
        let total: u64 = sums.values().map(|sum| sum.points().0).sum();
        let donors: BTreeSet<u32> = sums.values().flat_map(|sum| &sum.donors).copied().collect();
        let part = |donor: u32| -> u64 {
            sums.values().filter(|sum| sum.donors.contains(&donor)).map(|sum| sum.points().0).sum()
        };
        let largest = donors
            .into_iter()
            .filter(|donor| !self.policy.trusted_donors.contains(donor))
            .map(part)
            .max()
            .unwrap_or(0);
        let capped = total.min((total - largest) * 2);
        Points(capped / u64::from(self.good_mail_divisor()))
    }

    /// The number of counted reports that the relay delivered to the server itself.
    pub fn direct_reports(&self) -> usize {
        self.marks.iter().filter(|mark| mark.channel == Channel::Direct).count()
    }

    /// The number of wanted messages that donors received from the relay.
    pub fn good_messages(&self) -> u64 {
        self.good_messages
    }

    /// log2(2 + wanted messages), rounded down. The divisor is one if there is no wanted mail.
    pub fn good_mail_divisor(&self) -> u32 {
        self.good_messages.saturating_add(2).ilog2()
    }

    /// The number of distinct trap domains.
    pub fn trap_domains(&self) -> usize {
        distinct(self.marks.iter().map(|mark| mark.trap_domain))
    }

    /// The number of distinct networks the forged mail came from. Unknown injectors do not count.
    pub fn injector_networks(&self) -> usize {
        distinct(self.marks.iter().filter_map(|mark| mark.injector))
    }

    /// The number of distinct donors.
    pub fn donors(&self) -> usize {
        distinct(self.marks.iter().map(|mark| mark.donor))
    }

    /// Whether only records of the failed recipients' domains lead to the relay.
    pub fn has_only_claims(&self) -> bool {
        let is_claim = |mark: &&CountedReport| mark.relation == Relation::Claimed && !mark.is_of_own_name;
        !self.marks.is_empty() && self.marks.iter().all(is_claim)
    }

    /// The number of distinct registered domains of failed recipients whose records lead to the relay.
    pub fn claimed_domains(&self) -> usize {
        let claimed = self.marks.iter().filter(|mark| mark.relation == Relation::Claimed);
        distinct(claimed.map(|mark| mark.organisation).filter(|&organisation| organisation != 0))
    }

    /// The number of distinct failed recipients or responders. Reports that name none do not count.
    pub fn failed_recipients(&self) -> usize {
        distinct(self.marks.iter().map(|mark| mark.failed_recipient).filter(|&recipient| recipient != 0))
    }

    /// The number of separate occasions, each at least `apart` after the last.
    ///
    /// An occasion needs a new failed recipient, or at least `many` distinct failed recipients
    /// since the last occasion. A report that names no failed recipient counts as new. Broken
    /// aliases report the same few addresses again and again, so they make no further occasions,
    /// and a temporary fault is one occasion.
    pub fn occasions(&self, apart: Span, many: usize) -> usize {
        let (mut known, mut since_last) = (BTreeSet::new(), BTreeSet::new());
        let (mut last, mut occasions): (Option<Timestamp>, _) = (None, 0);
        for mark in &self.marks {
            since_last.insert(mark.failed_recipient);
            let new = mark.failed_recipient == 0 || known.insert(mark.failed_recipient);
            let enough = since_last.len() >= many.max(1);
            if (new || enough) && last.is_none_or(|last| mark.seen_at.since(last) >= apart) {
                (last, occasions) = (Some(mark.seen_at), occasions + 1);
                since_last.clear();
            }
        }
        occasions
    }

    /// The time from the first report to the last.
    pub fn span(&self) -> Span {
        span(&self.marks)
    }

    /// The reports whose injector is unknown, as a case of their own.
    pub fn without_injector(&self) -> Case<'a> {
        let marks = self.marks.iter().copied().filter(|mark| mark.injector.is_none()).collect();
        Case { marks, hints: Vec::new(), ..*self }
    }

    /// The reports that `counts` selects, and all hints, as a case of their own.
    pub fn only(self, counts: impl Fn(&CountedReport) -> bool) -> Case<'a> {
        Case { marks: self.marks.into_iter().filter(|mark| counts(mark)).collect(), ..self }
    }

    /// The number of reports, including those merged into a burst.
    pub fn reports(&self) -> u64 {
        self.marks.iter().map(|mark| 1 + u64::from(mark.more)).sum()
    }

    /// The entries that contain the evidence, including the hints.
    pub fn evidence(&self) -> impl Iterator<Item = Offset> {
        self.marks.iter().chain(&self.hints).map(|mark| mark.offset)
    }

    /// The share of counted reports whose original the SPF or DMARC record of the trap's domain
    /// forbade, in thousandths.
    pub fn forbidden_thousandths(&self) -> usize {
        let forbidden = self.marks.iter().filter(|mark| mark.forbidden).count();
        (forbidden * 1_000).checked_div(self.marks.len()).unwrap_or(0)
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<BTreeSet<_>>().len()
}

fn span(marks: &[&CountedReport]) -> Span {
    match marks {
        [] => Span::ZERO,
        [first, .., last] => last.seen_at.since(first.seen_at),
        [_] => Span::ZERO,
    }
}
