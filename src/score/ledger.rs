//! The evidence against one relay, in buckets.

use minicbor::{Decode, Encode};

use crate::classify::Kind;
use crate::digest::Digest;
use crate::evidence::{Evidence, Offset, Sender};
use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};
use crate::trap::TrapKey;

/// Most buckets of one ledger; the oldest makes room.
pub const BUCKETS_MAX: usize = 512;
/// Most evidence named in one bucket, and most failed recipients counted in it; it weighs once in any case.
const NAMED_MAX: usize = 8;
/// Most reports remembered in one bucket, so that the same one, sent again hours later, counts for nothing.
const REPORTS_MAX: usize = 64;
/// Most addresses of an IPv6 /64 remembered in one bucket: a second one is what widens a listing.
const ADDRESSES_MAX: usize = 2;

/// What a relay did within the horizon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ledger {
    /// In the order they were opened.
    #[n(0)]
    buckets: Vec<Bucket>,
    /// A removal forgave what was taken at or before this entry, whatever the zone and the code.
    #[n(1)]
    forgiven: Offset,
}

/// Reports of one kind, to one trap domain, injected from one network, within one hour.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Bucket {
    #[n(0)]
    pub kind: Kind,
    #[n(1)]
    pub trap_domain: TrapKey,
    #[n(2)]
    pub injector_network: Option<Prefix>,
    /// Hours since 1970.
    #[n(3)]
    pub hour: u32,
    /// The entry that opened it.
    #[n(4)]
    pub opened: Offset,
    #[n(5)]
    pub reports: u32,
    /// The best of its reports.
    #[n(6)]
    pub sender: Sender,
    #[n(7)]
    pub first: Timestamp,
    #[n(8)]
    pub last: Timestamp,
    /// The first of its evidence.
    #[n(9)]
    pub evidence: Vec<Digest>,
    /// Short digests of the recipients that could not be reached.
    #[n(10)]
    pub recipients: Vec<u64>,
    /// Short digests of the reports.
    #[n(11)]
    seen: Vec<u64>,
    /// The first two addresses of an IPv6 /64 that earned it; none for IPv4, whose ledger is one address.
    #[n(12)]
    pub addresses: Vec<Relay>,
}

impl Ledger {
    /// Adds evidence seen at a time that the fold has bounded, with the network of its injector; `false` where the
    /// same report is there already.
    pub fn add(
        &mut self,
        evidence: &Evidence,
        seen_at: Timestamp,
        injector_network: Option<Prefix>,
        offset: Offset,
    ) -> bool {
        // A session without a message has nothing but its own id.
        let report = evidence.report.unwrap_or(evidence.id).short();
        if self.buckets.iter().any(|bucket| bucket.seen.contains(&report)) {
            return false;
        }
        let key = (evidence.facts.kind, evidence.trap_domain, injector_network, seen_at.hour());
        let found = self.buckets.iter().position(|bucket| bucket.key() == key);
        let at = found.unwrap_or_else(|| {
            if self.buckets.len() >= BUCKETS_MAX {
                self.buckets.remove(0);
            }
            self.buckets.push(Bucket {
                kind: evidence.facts.kind,
                trap_domain: evidence.trap_domain,
                injector_network,
                hour: seen_at.hour(),
                opened: offset,
                reports: 0,
                sender: Sender::Other,
                first: seen_at,
                last: seen_at,
                evidence: Vec::new(),
                recipients: Vec::new(),
                seen: Vec::new(),
                addresses: Vec::new(),
            });
            self.buckets.len() - 1
        });
        self.buckets[at].add(evidence, seen_at, report, offset);
        true
    }

    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    pub fn forgive(&mut self, at: Offset) {
        self.forgiven = at;
    }

    pub fn forgiven(&self) -> Offset {
        self.forgiven
    }

    /// Drops what is older than the horizon; `false` where nothing is left.
    pub fn forget(&mut self, now: Timestamp, horizon: Span) -> bool {
        let oldest = now.minus(horizon);
        self.buckets.retain(|bucket| bucket.last >= oldest);
        !self.buckets.is_empty()
    }
}

impl Bucket {
    fn key(&self) -> (Kind, TrapKey, Option<Prefix>, u32) {
        (self.kind, self.trap_domain, self.injector_network, self.hour)
    }

    fn add(&mut self, evidence: &Evidence, seen_at: Timestamp, report: u64, offset: Offset) {
        // Evidence that waited may be older than the bucket; what a floor covers in part, it covers whole.
        self.opened = self.opened.min(offset);
        let tells = evidence.relay.address().is_ipv6() && !self.addresses.contains(&evidence.relay);
        if tells && self.addresses.len() < ADDRESSES_MAX {
            self.addresses.push(evidence.relay);
        }
        self.reports = self.reports.saturating_add(1);
        self.sender = self.sender.max(evidence.facts.sender);
        self.first = self.first.min(seen_at);
        self.last = self.last.max(seen_at);
        if self.evidence.len() < NAMED_MAX {
            self.evidence.push(evidence.id);
        }
        if self.seen.len() < REPORTS_MAX {
            self.seen.push(report);
        }
        for failure in &evidence.facts.failures {
            let recipient = failure.recipient.short();
            if self.recipients.len() < NAMED_MAX && !self.recipients.contains(&recipient) {
                self.recipients.push(recipient);
            }
        }
    }
}
