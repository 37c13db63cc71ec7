//! The part of a ledger that may count towards the next listing.

use std::collections::{BTreeMap, BTreeSet};

use super::power::decay;
use super::{Bucket, Ledger, Points, Policy};
use crate::classify::Kind;
use crate::digest::Digest;
use crate::evidence::Offset;
use crate::relay::Relay;
use crate::time::{Span, Timestamp};

/// The buckets that count: of the kinds asked for, opened after the floor, inside the horizon.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    buckets: Vec<&'a Bucket>,
    now: Timestamp,
}

impl<'a> Case<'a> {
    /// Evidence at or before the floor was used up by an earlier listing, or forgiven by a removal.
    pub fn open(ledger: &'a Ledger, kinds: &[Kind], floor: Offset, policy: &Policy, now: Timestamp) -> Self {
        let oldest = now.minus(policy.horizon);
        let counts = |bucket: &&Bucket| {
            kinds.contains(&bucket.kind)
                && bucket.opened > floor.max(ledger.forgiven())
                && bucket.last >= oldest
                // What weighs nothing must not make up the numbers either.
                && policy.weights.of(bucket) > 0
        };
        Case { buckets: ledger.buckets().iter().filter(counts).collect(), now }
    }

    pub fn buckets(&self) -> &[&'a Bucket] {
        &self.buckets
    }

    /// The sum over trap domains of the square root of the sum of their weights (DESIGN: policy). Buckets of several
    /// kinds that share trap domain, injector network and hour weigh as their heaviest.
    pub fn points(&self, policy: &Policy) -> Points {
        let mut heaviest = BTreeMap::new();
        for bucket in &self.buckets {
            let weight = self.weight(bucket, policy);
            let slot =
                heaviest.entry((bucket.trap_domain, bucket.injector_network, bucket.hour)).or_insert(0);
            *slot = weight.max(*slot);
        }
        let mut sums: BTreeMap<_, u64> = BTreeMap::new();
        for ((trap_domain, _, _), weight) in heaviest {
            *sums.entry(trap_domain).or_insert(0) += weight;
        }
        // The root of units of 2^-32 is in units of 2^-16, which is what points are in.
        sums.into_values().map(|sum| Points(sum.isqrt())).fold(Points::default(), |a, b| a + b)
    }

    /// What one bucket weighs now, in units of 2^-32.
    pub fn weight(&self, bucket: &Bucket, policy: &Policy) -> u64 {
        let age_hours = self.now.hour().saturating_sub(bucket.hour);
        let decayed = decay(age_hours, policy.half_life.hours());
        let thousandths = policy.weights.of(bucket);
        // At most 2^32 * 1000^3, which fits u64; the quotient is at most 2^32.
        decayed * thousandths / 1_000_000_000
    }

    pub fn trap_domains(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.trap_domain).collect::<BTreeSet<_>>().len()
    }

    /// Injectors that are not known count for nothing here.
    pub fn injector_networks(&self) -> usize {
        self.buckets.iter().filter_map(|bucket| bucket.injector_network).collect::<BTreeSet<_>>().len()
    }

    pub fn failed_recipients(&self) -> usize {
        self.buckets.iter().flat_map(|bucket| &bucket.recipients).collect::<BTreeSet<_>>().len()
    }

    /// The IPv6 addresses that earned it, of each bucket the first two; none for IPv4, whose ledger is one address.
    pub fn addresses(&self) -> BTreeSet<Relay> {
        self.buckets.iter().flat_map(|bucket| bucket.addresses.iter().copied()).collect()
    }

    /// From the first report to the last.
    pub fn span(&self) -> Span {
        let first = self.buckets.iter().map(|bucket| bucket.first).min().unwrap_or_default();
        self.buckets.iter().map(|bucket| bucket.last).max().unwrap_or_default().since(first)
    }

    pub fn reports(&self) -> u64 {
        self.buckets.iter().map(|bucket| u64::from(bucket.reports)).sum()
    }

    /// The evidence that is remembered by name.
    pub fn evidence(&self) -> impl Iterator<Item = Digest> {
        self.buckets.iter().flat_map(|bucket| bucket.evidence.iter().copied())
    }
}
