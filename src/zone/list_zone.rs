//! A list zone: a zone that is built from operators' list files, and how it answers queries. It is
//! built as a whole and never changed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::answer::{Answer, AnswerRecords, ExtendedError, QueryType, Rcode};
use super::apex::Apex;
use super::dataset::{Dataset, ListMatches, ListReason};
use super::ipv4::MemorySpot;
use super::query_name::QueryLabels;
use super::record::minimal_any;
use crate::time::Timestamp;

/// A zone that is built from list files only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListZone {
    /// The zone's origin and the records there.
    pub apex: Arc<Apex>,
    /// The serial number of the SOA record.
    pub serial: u32,
    /// The lists of the zone.
    pub lists: Vec<Arc<Dataset>>,
    /// The time after which the data is too old to be served; `None` if it does not expire.
    pub expires: Option<Timestamp>,
}

impl ListZone {
    /// The memory that holds an IPv4 address in the first list, to be read ahead of the lookup.
    pub(super) fn spot(&self, address: Ipv4Addr) -> MemorySpot<'_> {
        self.lists.first().map_or(MemorySpot::default(), |list| list.addresses.spot(address))
    }

    /// Answers a query for a name, given as the labels to the left of the zone's origin.
    pub(super) fn answer(
        &self,
        labels: &QueryLabels<'_>,
        query_type: QueryType,
        now: Timestamp,
    ) -> Answer<'_> {
        if self.expires.is_some_and(|expires| expires < now) {
            return Answer::failed(Rcode::ServFail, ExtendedError::NotReady);
        }
        if labels.is_empty() {
            return self.apex.answer(query_type, self.serial);
        }
        let (v4, v6) = (labels.ipv4(), labels.ipv6());
        let whole = v4.and_then(|start| start.whole().map(IpAddr::V4));
        let whole = whole.or_else(|| v6.and_then(|start| start.whole().map(IpAddr::V6)));
        if let Some(address) = whole {
            let found = self.lists.iter().filter(|list| list.lists(address));
            // All records of one name and type must have the same TTL (RFC 2181 §5.2).
            if let Some(ttl) = found.map(|list| list.ttl).min() {
                let matches = ListMatches::new(address, ttl, query_type == QueryType::Txt, &self.lists);
                return match query_type {
                    QueryType::Any => Answer::one(minimal_any()),
                    QueryType::A | QueryType::Txt if matches.clone().next().is_some() => {
                        Answer::of(AnswerRecords::Matches(matches))
                    }
                    _ => self.apex.negative(Rcode::NoError, self.serial),
                };
            }
        }
        let below = |list: &Arc<Dataset>| {
            v4.is_some_and(|start| start.labels < 4 && list.any_below_ipv4(start))
                || v6.is_some_and(|start| start.labels < 32 && list.any_below_ipv6(start))
        };
        let rcode = if self.lists.iter().any(below) { Rcode::NoError } else { Rcode::NameError };
        self.apex.negative(rcode, self.serial)
    }

    /// The reasons that all lists have for an address itself, not for its mapped address, and the
    /// TTL of their records in seconds.
    pub(super) fn reasons(&self, address: IpAddr) -> (u32, impl Iterator<Item = &ListReason>) {
        let found = || self.lists.iter().filter_map(move |list| Some((list.ttl, list.reasons(address)?)));
        let ttl = found().map(|(ttl, _)| ttl).min().unwrap_or_default();
        (ttl, found().flat_map(|(_, reasons)| reasons))
    }

    /// The number of entries in all lists, exclusions included.
    pub fn len(&self) -> usize {
        self.lists.iter().map(|list| list.entries).sum()
    }

    /// Whether no list has an entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
