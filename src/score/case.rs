//! The part of a ledger that may count towards the next listing.

use std::collections::{BTreeMap, BTreeSet};

use super::power::decay;
use super::{FACTORS, Ledger, Mark, Points, Policy, weighs};
use crate::classify::Kind;
use crate::evidence::{Offset, Way};
use crate::relay::Network;
use crate::time::{Span, Timestamp};

/// Of what reports to a trap domain weigh, the part that hints can add.
const HINTS_SHARE: u64 = 10;

/// Which marks are asked for: of these kinds, behind `after`, up to `until`.
#[derive(Clone, Copy, Debug)]
pub struct Docket<'a> {
    pub kinds: &'a [Kind],
    /// Evidence at or before this entry was used up by an earlier listing, or forgiven by a removal.
    pub after: Offset,
    pub until: Offset,
    pub now: Timestamp,
    /// Wanted mail that donors had from the relay within the horizon.
    pub good_messages: u64,
}

/// The marks that count, in the order they were seen.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    marks: Vec<&'a Mark>,
    /// Marks that add a little to what the others show, and show nothing themselves.
    hints: Vec<&'a Mark>,
    policy: &'a Policy,
    now: Timestamp,
    good_messages: u64,
}

/// What the reports to one trap domain come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrapDomainSum {
    /// In units of 2^-32; under the square root, points.
    pub weight: u64,
    pub bursts: usize,
    /// Who gave traps there.
    pub donors: BTreeSet<u32>,
}

impl TrapDomainSum {
    /// The root of units of 2^-32 is in units of 2^-16, which is what points are in.
    pub fn points(&self) -> Points {
        Points(self.weight.isqrt())
    }
}

impl<'a> Case<'a> {
    pub fn open(ledger: &'a Ledger, docket: &Docket<'_>, policy: &'a Policy) -> Self {
        let oldest = docket.now.minus(policy.horizon);
        let counts = |mark: &&Mark| {
            mark.offset > docket.after
                && mark.offset <= docket.until
                && docket.kinds.contains(&mark.kind)
                && mark.seen_at >= oldest
                // What weighs nothing must not make up the numbers either.
                && weighs(mark, &policy.weights)
        };
        let (hints, mut marks): (Vec<&Mark>, Vec<&Mark>) =
            ledger.marks().iter().filter(counts).partition(|mark| mark.way == Way::Logged);
        marks.sort_by_key(|mark| mark.seen_at);
        Case { marks, hints, policy, now: docket.now, good_messages: docket.good_messages }
    }

    pub fn marks(&self) -> &[&'a Mark] {
        &self.marks
    }

    pub fn policy(&self) -> &Policy {
        self.policy
    }

    /// What one mark weighs now, in units of 2^-32; at most 2^32.
    pub fn weight(&self, mark: &Mark) -> u64 {
        let age_hours = self.now.hour().saturating_sub(mark.seen_at.hour());
        let decayed = decay(age_hours, self.policy.half_life.hours());
        FACTORS.iter().fold(decayed, |weight, factor| {
            weight * u64::from((factor.thousandths)(mark, &self.policy.weights)) / 1_000
        })
    }

    /// By trap domain: the sum of the heaviest mark of each injector network and hour.
    pub fn trap_domain_sums(&self) -> BTreeMap<u32, TrapDomainSum> {
        let mut heaviest: BTreeMap<(u32, Option<Network>, u32), u64> = BTreeMap::new();
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

    /// What hints add: a small part of what reports to the same trap domain weigh, on their donors' account too.
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

    /// The sum over trap domains of the square root of the sum of their weights, as far as no donor gives more than half
    /// of it whom the operator doesn't trust (PITFALLS 16), over log2(2 + wanted mail) (PITFALLS 8).
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

    /// Whether the relay itself brought something.
    pub fn has_direct(&self) -> bool {
        self.marks.iter().any(|mark| mark.way == Way::Direct)
    }

    pub fn good_messages(&self) -> u64 {
        self.good_messages
    }

    /// log2(2 + wanted mail), rounded down: one where there is none.
    pub fn good_mail_divisor(&self) -> u32 {
        self.good_messages.saturating_add(2).ilog2()
    }

    pub fn trap_domains(&self) -> usize {
        distinct(self.marks.iter().map(|mark| mark.trap_domain))
    }

    /// Injectors that are not known count for nothing here.
    pub fn injector_networks(&self) -> usize {
        distinct(self.marks.iter().filter_map(|mark| mark.injector))
    }

    pub fn donors(&self) -> usize {
        distinct(self.marks.iter().map(|mark| mark.donor))
    }

    /// Those that the relay failed to reach, or that wrote; who isn't named counts for nothing.
    pub fn parties(&self) -> usize {
        distinct(self.marks.iter().map(|mark| mark.party).filter(|&party| party != 0))
    }

    /// How often, no two times closer than `apart`, it showed somebody new, or as many as `parties` since the last time; where
    /// nobody is ever named, anything.
    ///
    /// Broken aliases report the same few names for ever, and a fault that passes is one occasion.
    pub fn occasions(&self, apart: Span, parties: usize) -> usize {
        let (mut known, mut since_last) = (BTreeSet::new(), BTreeSet::new());
        let (mut last, mut occasions): (Option<Timestamp>, _) = (None, 0);
        for mark in &self.marks {
            since_last.insert(mark.party);
            let new = mark.party == 0 || known.insert(mark.party);
            let many = since_last.len() >= parties.max(1);
            if (new || many) && last.is_none_or(|last| mark.seen_at.since(last) >= apart) {
                (last, occasions) = (Some(mark.seen_at), occasions + 1);
                since_last.clear();
            }
        }
        occasions
    }

    /// From the first report to the last.
    pub fn span(&self) -> Span {
        span(&self.marks)
    }

    /// The part whose injectors are not known.
    pub fn without_injector(&self) -> Case<'a> {
        let marks = self.marks.iter().copied().filter(|mark| mark.injector.is_none()).collect();
        Case { marks, hints: Vec::new(), ..*self }
    }

    pub fn reports(&self) -> u64 {
        self.marks.iter().map(|mark| 1 + u64::from(mark.more)).sum()
    }

    /// The entries that hold the evidence.
    pub fn evidence(&self) -> impl Iterator<Item = Offset> {
        self.marks.iter().chain(&self.hints).map(|mark| mark.offset)
    }

    /// The share of marks of which the trap's domain had forbidden the original, in thousandths.
    pub fn forbidden_thousandths(&self) -> usize {
        let forbidden = self.marks.iter().filter(|mark| mark.forbidden).count();
        (forbidden * 1_000).checked_div(self.marks.len()).unwrap_or(0)
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<BTreeSet<_>>().len()
}

fn span(marks: &[&Mark]) -> Span {
    match marks {
        [] => Span::ZERO,
        [first, .., last] => last.seen_at.since(first.seen_at),
        [_] => Span::ZERO,
    }
}
