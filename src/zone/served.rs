//! All zones that the server answers from, and the zone that a name belongs to.

use std::sync::Arc;

use super::answer::{Answer, ExtendedError, QueryType, Question, Rcode};
use super::apex::Apex;
use super::ipv4::MemorySpot;
use super::judged::{Freshness, JudgedZone};
use super::list_zone::ListZone;
use super::query_name::{QueryLabels, QueryName};
use crate::time::{Span, Timestamp};

/// All judged zones at one point of the journal.
///
/// A judged zone is built from this server's own listings. A snapshot is immutable: a new one
/// replaces it as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    zones: Vec<JudgedZone>,
    /// The time up to which the journal was applied. This time says how fresh the data is.
    pub time: Timestamp,
}

/// All zones built from operators' list files. Immutable: a new value replaces it as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListZones {
    zones: Vec<Arc<ListZone>>,
}

/// All zones that the server answers from.
#[derive(Clone, Copy, Debug)]
pub struct ServedZones<'z> {
    /// The zones built from listings.
    pub judged: &'z Snapshot,
    /// The zones built from operators' list files.
    pub lists: &'z ListZones,
}

/// The zone that a name belongs to.
#[derive(Clone, Copy, Debug)]
pub enum ZoneMatch<'z> {
    /// A zone built from listings.
    Judged(&'z JudgedZone),
    /// A zone built from list files.
    List(&'z ListZone),
}

impl Snapshot {
    /// Makes a snapshot of zones as of `time`.
    pub fn new(mut zones: Vec<JudgedZone>, time: Timestamp) -> Self {
        // The zone with the most labels comes first, so that a zone below another zone is found.
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.config.apex.origin.labels().len()));
        Snapshot { zones, time }
    }

    /// The zones, those with the most labels in their origin first.
    pub fn zones(&self) -> &[JudgedZone] {
        &self.zones
    }

    /// Answers a question at time `now`. The TTL of an answer never exceeds the remaining time of
    /// the listing (RFC 5782 §4). A name outside of all zones gets REFUSED. The age of the data is
    /// not checked.
    pub fn answer(&self, question: &Question<'_>, now: Timestamp) -> Answer<'_> {
        const NO_LISTS: &ListZones = &ListZones { zones: Vec::new() };
        // A caller that queries a snapshot directly does not want its age checked.
        let fresh = Freshness { time: now, age_max: Span::ZERO };
        let zones = ServedZones { judged: self, lists: NO_LISTS };
        match zones.find(question.name) {
            Some((zone, labels)) => zone.answer(&labels, question.query_type, now, fresh),
            None => Answer::failed(Rcode::Refused, ExtendedError::NotAuthoritative),
        }
    }
}

impl ListZones {
    /// Collects the zones of operators' lists.
    pub fn new(mut zones: Vec<Arc<ListZone>>) -> Self {
        zones.sort_by_key(|zone| std::cmp::Reverse(zone.apex.origin.labels().len()));
        ListZones { zones }
    }

    /// The zones, those with the most labels in their origin first.
    pub fn zones(&self) -> &[Arc<ListZone>] {
        &self.zones
    }
}

impl<'z> ServedZones<'z> {
    /// Finds the most specific zone that a name belongs to, and the labels to the left of its
    /// origin. `None` if the name belongs to none of the zones.
    pub fn find<'q>(&self, name: QueryName<'q>) -> Option<(ZoneMatch<'z>, QueryLabels<'q>)> {
        let judged = self.judged.zones.iter().find_map(|zone| {
            let labels = name.under(zone.config.apex.origin_wire())?;
            Some((ZoneMatch::Judged(zone), labels))
        });
        let list = self.lists.zones.iter().find_map(|zone| {
            let labels = name.under(zone.apex.origin_wire())?;
            Some((ZoneMatch::List(zone), labels))
        });
        match (judged, list) {
            (Some(judged), Some(list)) => {
                let longer = judged.0.apex().origin_wire().len() > list.0.apex().origin_wire().len();
                Some(if longer { judged } else { list })
            }
            (judged, list) => judged.or(list),
        }
    }
}

impl<'z> ZoneMatch<'z> {
    /// The zone's origin and the records there.
    pub fn apex(self) -> &'z Apex {
        match self {
            ZoneMatch::Judged(zone) => &zone.config.apex,
            ZoneMatch::List(zone) => &zone.apex,
        }
    }

    /// NXDOMAIN with the zone's SOA, the answer to every name below the origin for a client that is
    /// shown an empty zone.
    pub fn nothing(self) -> Answer<'z> {
        match self {
            ZoneMatch::Judged(zone) => zone.config.apex.negative(Rcode::NameError, zone.serial),
            ZoneMatch::List(zone) => zone.apex.negative(Rcode::NameError, zone.serial),
        }
    }

    /// An answer without data (NODATA), for a name that exists (RFC 2308 §2.2).
    pub fn no_data(self) -> Answer<'z> {
        match self {
            ZoneMatch::Judged(zone) => zone.config.apex.negative(Rcode::NoError, zone.serial),
            ZoneMatch::List(zone) => zone.apex.negative(Rcode::NoError, zone.serial),
        }
    }

    /// The memory that holds the address which the labels stand for, to be read ahead of the
    /// lookup. It has no effect on the answer.
    pub fn spot(self, labels: &QueryLabels<'_>) -> MemorySpot<'z> {
        match self {
            ZoneMatch::Judged(zone) => zone.spot(labels),
            ZoneMatch::List(zone) => labels
                .ipv4()
                .and_then(|start| start.whole())
                .map_or(MemorySpot::default(), |address| zone.spot(address)),
        }
    }

    /// Answers a query for a name, given as the labels to the left of the zone's origin.
    pub fn answer(
        self,
        labels: &QueryLabels<'_>,
        query_type: QueryType,
        now: Timestamp,
        fresh: Freshness,
    ) -> Answer<'z> {
        match self {
            ZoneMatch::Judged(zone) => zone.answer(labels, query_type, now, fresh),
            ZoneMatch::List(zone) => zone.answer(labels, query_type, now),
        }
    }
}
