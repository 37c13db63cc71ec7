//! The ledger of one relay: its counted reports within the horizon.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use minicbor::{Decode, Encode};

use super::CountedReport;
use crate::digest::Digest;
use crate::evidence::{Observation, Offset};
use crate::relay::{Prefix, RelaySite};
use crate::time::{Span, Timestamp};

/// The maximum number of counted reports in one ledger.
///
/// A full ledger drops reports without weight first, and then reports of the hours with the most
/// reports. A relay therefore cannot displace its older reports by sending many new ones.
pub const MARKS_MAX: usize = 512;
/// The maximum number of reports stored for one burst. A burst weighs as one report in any case. The
/// domains of the failed recipients have equal shares: the answers of the relay's side decide by domain
/// which reports count.
pub const BURST_MARKS_MAX: usize = 8;
/// The maximum number of merged reports that are remembered to recognise a repeated one.
const MERGED_MAX: usize = 256;
/// The length of the intervals, in hours, among which a full ledger distributes its reports.
const SLOT_HOURS: u32 = 6;
/// The minimum number of reports by which the storage grows. Doubling would leave most ledgers half
/// empty.
const ROOM_GROWS_BY: usize = 2;

/// The counted reports against one relay within the horizon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ledger {
    /// In the order in which they were counted.
    #[n(0)]
    marks: Vec<CountedReport>,
    /// The entry of the last removal. In every zone and under every code, counted reports start
    /// after it.
    #[n(1)]
    forgiven: Offset,
    /// Short digests of reports that were merged into another one, the latest last.
    #[n(2)]
    merged: Vec<u64>,
    /// The last known registered domain of the relay's confirmed name: the first four octets of its
    /// digest.
    #[n(3)]
    organisation: Option<NonZeroU32>,
    /// The last known number of the relay's autonomous system.
    #[n(4)]
    system: Option<NonZeroU32>,
}

/// The result of [`Ledger::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerAddition {
    /// The report was stored and may have changed the weight of the ledger.
    Counted,
    /// The report was merged into a burst that weighs as much without it, or the ledger had no
    /// room.
    Merged,
    /// The same report was counted before.
    Repeated,
}

impl Ledger {
    /// Whether the report with this short digest was counted before.
    pub fn knows(&self, report: u64) -> bool {
        self.merged.contains(&report) || self.marks.iter().any(|mark| mark.report == report)
    }

    /// Adds a report. `weighs` decides whether a report may have weight under the policy of any
    /// zone.
    pub fn add(&mut self, mark: CountedReport, weighs: impl Fn(&CountedReport) -> bool) -> LedgerAddition {
        if self.knows(mark.report) {
            return LedgerAddition::Repeated;
        }
        let (counts, outranked) = (weighs(&mark), mark.is_outranked());
        // A report without weight must not take the place of one that has weight.
        let is_beside = |known: &CountedReport| {
            known.burst() == mark.burst() && weighs(known) == counts && known.is_outranked() == outranked
        };
        let (mut count, mut adds, mut nearest) = (0, true, None);
        for (at, known) in self.marks.iter().enumerate().filter(|(_, known)| is_beside(known)) {
            (count, adds) = (count + 1, adds && known.adds_to(&mark));
            // A report is merged into one about the same domain, if there is one.
            let is_nearer = |nearest: usize| self.marks[nearest].domain != mark.domain;
            if known.domain == mark.domain || nearest.is_none_or(is_nearer) {
                nearest = Some(at);
            }
        }
        if let (Some(nearest), true) = (nearest, !adds || count >= BURST_MARKS_MAX) {
            let Some((last, other)) = self.crowding(&mark, is_beside).filter(|_| adds) else {
                self.merge(mark.report, 0, nearest);
                return LedgerAddition::Merged;
            };
            let gone = self.marks.remove(last);
            self.merge(gone.report, gone.more, other);
        }
        if self.marks.len() >= MARKS_MAX && !self.make_room(&mark, weighs) {
            return LedgerAddition::Merged;
        }
        if self.marks.len() == self.marks.capacity() {
            let more = ROOM_GROWS_BY.max(self.marks.len() / 4);
            self.marks.reserve_exact(if self.marks.is_empty() { 1 } else { more });
        }
        self.marks.push(mark);
        LedgerAddition::Counted
    }

    /// Drops the report with this short digest if it weighs nothing because of its donor, so that it
    /// does not keep out the same report by another way.
    pub fn drop_outranked(&mut self, report: u64) {
        self.marks.retain(|mark| mark.report != report || !mark.is_outranked());
    }

    /// Merges a report, with `more` that were merged into it, into the stored one at a place before it.
    fn merge(&mut self, report: u64, more: u32, into: usize) {
        let into = &mut self.marks[into];
        into.more = into.more.saturating_add(more).saturating_add(1);
        // What its donor outranks must not keep out the same report by another way.
        if into.is_outranked() {
            return;
        }
        if self.merged.len() >= MERGED_MAX {
            self.merged.remove(0);
        }
        self.merged.push(report);
    }

    /// The places of the last two reports about the domain that has most reports of the burst: the last
    /// and the one before. `None` if the domain of the new report has its share of the burst.
    fn crowding(
        &self,
        mark: &CountedReport,
        is_beside: impl Fn(&CountedReport) -> bool,
    ) -> Option<(usize, usize)> {
        let mut domains: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, known) in self.marks.iter().enumerate().filter(|(_, known)| is_beside(known)) {
            domains.entry(known.domain).or_default().push(at);
        }
        let own = domains.get(&mark.domain).map_or(0, Vec::len);
        let most = domains.into_values().max_by_key(Vec::len).filter(|most| most.len() > own + 1)?;
        let (last, others) = most.split_last()?;
        Some((*last, *others.last()?))
    }

    /// Drops a report without weight for a new one: one that is outranked by its donor first, and no
    /// other if the new one is outranked too. If there is none and the new report has weight, drops
    /// the last report of the fullest interval. Returns whether there is room.
    fn make_room(&mut self, new: &CountedReport, weighs: impl Fn(&CountedReport) -> bool) -> bool {
        let slot = |mark: &CountedReport| mark.seen_at.hour() / SLOT_HOURS;
        let outranked = self.marks.iter().position(CountedReport::is_outranked);
        let weightless = || self.marks.iter().position(|mark| !new.is_outranked() && !weighs(mark));
        let counts = weighs(new);
        let gone = outranked.or_else(weightless).or_else(|| {
            let mut slots: BTreeMap<u32, usize> = BTreeMap::new();
            self.marks.iter().for_each(|mark| *slots.entry(slot(mark)).or_default() += 1);
            let fullest = slots.into_iter().max_by_key(|&(slot, count)| (count, slot))?.0;
            self.marks.iter().rposition(|mark| slot(mark) == fullest).filter(|_| counts)
        });
        gone.map(|gone| self.marks.remove(gone)).is_some()
    }

    /// The counted reports, in the order in which they were counted.
    pub fn marks(&self) -> &[CountedReport] {
        &self.marks
    }

    /// Records what an observation says about the relay's sites. What it does not say stays as it
    /// was, so that a relay does not leave its sites when its DNS does not answer.
    pub fn locate(&mut self, observation: &Observation) {
        let digest = |domain: &String| (Digest::of(domain.as_bytes()).short() >> 32) as u32;
        let organisation = observation.organisation.as_ref().map(digest).and_then(NonZeroU32::new);
        self.organisation = organisation.or(self.organisation);
        self.system = observation.network.and_then(NonZeroU32::new).or(self.system);
    }

    /// The known sites of the relay at `address`, whose ledger this is: the network around it first.
    /// If its autonomous system is not known, the IPv6 /32 takes the place.
    pub fn sites(&self, address: IpAddr) -> impl Iterator<Item = RelaySite> + use<> {
        let shared = RelaySite::Network(Prefix::shared(address));
        let organisation = self.organisation.map(RelaySite::Organisation);
        let provider = Prefix::provider(address).map(RelaySite::Network);
        let system = self.system.map(RelaySite::System).or(provider);
        [Some(shared), organisation, system].into_iter().flatten()
    }

    /// The counted report with this short digest. A report that was merged into another one is not
    /// found.
    pub fn report(&self, report: u64) -> Option<&CountedReport> {
        self.marks.iter().find(|mark| mark.report == report)
    }

    /// Replaces the counted report of the same evidence.
    pub fn replace(&mut self, mark: CountedReport) {
        if let Some(known) = self.marks.iter_mut().find(|known| known.offset == mark.offset) {
            *known = mark;
        }
    }

    /// Records a removal at an entry: counted reports start after it.
    pub fn forgive(&mut self, at: Offset) {
        self.forgiven = at;
    }

    /// The entry of the last removal.
    pub fn forgiven(&self) -> Offset {
        self.forgiven
    }

    /// Removes the reports that `struck` selects, and returns the entries from which they counted.
    pub fn strike(&mut self, struck: impl Fn(&CountedReport) -> bool) -> Vec<Offset> {
        let mut gone = Vec::new();
        self.marks.retain(|mark| {
            let strikes = struck(mark);
            if strikes {
                gone.push(mark.counts_from());
            }
            !strikes
        });
        gone
    }

    /// Drops reports that are older than the horizon, and returns whether there were any.
    pub fn forget(&mut self, now: Timestamp, horizon: Span) -> bool {
        let oldest = now.minus(horizon);
        !self.strike(|mark| mark.seen_at < oldest).is_empty()
    }

    /// Whether the ledger contains no reports.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

impl CountedReport {
    /// Whether another report of the same burst differs in anything that the rules or factors use.
    fn adds_to(&self, other: &CountedReport) -> bool {
        let same = |mark: &CountedReport| {
            let of_original = (mark.sender, mark.forbidden);
            let of_source = (mark.author, mark.donor, mark.channel);
            (mark.failed_recipient, of_original, mark.relation, mark.cause, of_source)
        };
        same(self) != same(other)
    }
}
