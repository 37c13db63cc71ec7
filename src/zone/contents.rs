//! Lists the contents of a zone as address ranges that do not overlap, for exports.

use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr};

use super::apex::Apex;
use super::config::{CodeDisplay, CodeView};
use super::entries::FoundCodes;
use super::judged::JudgedZone;
use super::list_zone::ListZone;
use super::served::ZoneMatch;
use super::steps::Position;
use super::text::TextTemplate;

use crate::digest::Digest;
use crate::time::Timestamp;

/// The contents of a zone at one time.
#[derive(Clone, Copy, Debug)]
pub struct ZoneContents<'z> {
    within: ZoneMatch<'z>,
    now: Timestamp,
}

/// The contents below one name: the zone's origin, or a sublist.
#[derive(Clone, Copy, Debug)]
pub struct ZonePart<'z> {
    /// The sublist's label; `None` for the zone's origin.
    pub label: Option<&'z str>,
    source: PartSource<'z>,
    now: Timestamp,
}

#[derive(Clone, Copy, Debug)]
enum PartSource<'z> {
    Judged(&'z JudgedZone, &'z CodeView),
    List(&'z ListZone),
}

/// A range of addresses that all have the same records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRange<'z> {
    /// The first address of the range.
    pub first: IpAddr,
    /// The last address of the range, of the same family as `first`.
    pub last: IpAddr,
    /// The records of each address; at least one.
    pub said: Vec<ListedAnswer<'z>>,
    /// The earliest time at which one of the records ends; `None` if none of them ends.
    pub until: Option<Timestamp>,
    /// Whether this is a test entry of a judged zone (RFC 5782 §5).
    pub is_test: bool,
}

/// One A record and the TXT record that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAnswer<'z> {
    /// The TTL in seconds.
    pub ttl: u32,
    /// The address in the A record.
    pub value: Ipv4Addr,
    /// The text of the TXT record; `None` if there is no TXT record.
    pub text: Option<TextTemplate<'z>>,
    /// The names of the codes that the value's bits stand for. Empty in a list zone.
    pub codes: Vec<&'z str>,
}

impl<'z> ZoneContents<'z> {
    /// The contents of a zone at time `now`.
    pub const fn new(within: ZoneMatch<'z>, now: Timestamp) -> Self {
        ZoneContents { within, now }
    }

    /// The zone's origin and the records there.
    pub fn apex(&self) -> &'z Apex {
        self.within.apex()
    }

    /// The serial number of the zone's SOA.
    pub const fn serial(&self) -> u32 {
        match self.within {
            ZoneMatch::Judged(zone) => zone.serial,
            ZoneMatch::List(zone) => zone.serial,
        }
    }

    /// The time at which the contents are read.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The digest of a judged zone's configuration file; `None` for a list zone.
    pub fn policy(&self) -> Option<Digest> {
        match self.within {
            ZoneMatch::Judged(zone) => Some(zone.config.digest),
            ZoneMatch::List(_) => None,
        }
    }

    /// For a zone that was shut down: the TTL in seconds and the text of the TXT record at its
    /// origin (RFC 6471 §3.4).
    pub fn closing(&self) -> Option<(u32, &'z str)> {
        match self.within {
            ZoneMatch::Judged(zone) if zone.shut_down => {
                Some((zone.config.ttls.shut_down, zone.config.texts.shut_down()))
            }
            _ => None,
        }
    }

    /// The parts of the zone: the origin first, then each sublist. A zone that was shut down has
    /// none.
    pub fn parts(&self) -> Vec<ZonePart<'z>> {
        let part = |label, source| ZonePart { label, source, now: self.now };
        match self.within {
            ZoneMatch::Judged(zone) if zone.shut_down => Vec::new(),
            ZoneMatch::Judged(zone) => {
                let main = part(None, PartSource::Judged(zone, &zone.config.main));
                let sublists = zone.config.sublists.iter().map(|sublist| {
                    part(Some(sublist.label.as_str()), PartSource::Judged(zone, &sublist.view))
                });
                std::iter::once(main).chain(sublists).collect()
            }
            ZoneMatch::List(zone) => vec![part(None, PartSource::List(zone))],
        }
    }
}

impl<'z> ZonePart<'z> {
    /// The address ranges: IPv4 first, then IPv6, each in ascending order. No two ranges overlap.
    pub fn listed(self) -> impl Iterator<Item = ListedRange<'z>> {
        let (ipv4, ipv6) = match self.source {
            PartSource::Judged(zone, view) => zone.edges(view),
            PartSource::List(zone) => zone.edges(),
        };
        let ipv4 = stretches(ipv4).map(|(first, last)| (IpAddr::V4(first.into()), IpAddr::V4(last.into())));
        let ipv6 = stretches(ipv6).map(|(first, last)| (IpAddr::V6(first.into()), IpAddr::V6(last.into())));
        ipv4.chain(ipv6).filter_map(move |(first, last)| self.about(first, last))
    }

    fn about(self, first: IpAddr, last: IpAddr) -> Option<ListedRange<'z>> {
        match self.source {
            PartSource::Judged(zone, view) => zone.listed(view, first, last, self.now),
            PartSource::List(zone) => {
                let (ttl, reasons) = zone.reasons(first);
                let said: Vec<ListedAnswer<'z>> = reasons
                    .map(|reason| ListedAnswer {
                        ttl,
                        value: reason.value,
                        text: reason.text.as_deref().map(TextTemplate::new),
                        codes: Vec::new(),
                    })
                    .collect();
                (!said.is_empty()).then_some(ListedRange { first, last, said, until: None, is_test: false })
            }
        }
    }
}

/// The first address of each range and the address after its last one, by family, in any order.
type Edges = (Vec<u32>, Vec<u128>);

/// Yields the range from each edge to the address before the next edge.
fn stretches<K: Position>(mut edges: Vec<K>) -> impl Iterator<Item = (K, K)> {
    edges.sort_unstable();
    edges.dedup();
    let mut edges: Peekable<_> = edges.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = edges.next()?;
        let last = edges.peek().and_then(|next| next.previous()).unwrap_or(K::LAST);
        Some((first, last))
    })
}

fn push<K: Position>(edges: &mut Vec<K>, first: K, last: K) {
    edges.push(first);
    edges.extend(last.next());
}

impl JudgedZone {
    fn edges(&self, view: &CodeView) -> Edges {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        let entries = self.entries.iter().filter(|(_, entry)| entry.mask() & view.mask != 0);
        for (prefix, _) in entries.chain(view.test_entries.iter()) {
            match (prefix.network(), prefix.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => push(&mut ipv4, first.into(), last.into()),
                (IpAddr::V6(first), IpAddr::V6(last)) => push(&mut ipv6, first.into(), last.into()),
                _ => {}
            }
        }
        (ipv4, ipv6)
    }

    fn listed(
        &self,
        view: &CodeView,
        first: IpAddr,
        last: IpAddr,
        now: Timestamp,
    ) -> Option<ListedRange<'_>> {
        let about = self.find(first, view, now)?;
        let FoundCodes { mask, confidence, until } = about.found;
        let third = if view.shows == CodeDisplay::Score { confidence } else { 0 };
        let codes = self.config.codes.iter().filter(|code| code.value & mask != 0);
        let said = ListedAnswer {
            ttl: self.ttl(&about, now),
            value: Ipv4Addr::new(127, 0, third, mask),
            text: Some(self.config.texts.template(about.test)),
            codes: codes.map(|code| code.name.as_str()).collect(),
        };
        Some(ListedRange { first, last, said: vec![said], until, is_test: about.test })
    }
}

impl ListZone {
    fn edges(&self) -> Edges {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for list in &self.lists {
            for (address, _) in list.addresses.iter() {
                push(&mut ipv4, address.into(), address.into());
            }
            ipv4.extend(list.ipv4.starts());
            ipv6.extend(list.ipv6.starts());
        }
        (ipv4, ipv6)
    }
}
