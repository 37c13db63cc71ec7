//! A judged zone: a zone that lists relays by this server's own listings, and how it answers
//! queries.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::answer::{Answer, AnswerContent, ExtendedError, QueryType, Rcode};
use super::config::{CodeDisplay, CodeView, Sublist, ZoneConfig};
use super::entries::{FoundCodes, ListedEntries};
use super::ipv4::MemorySpot;
use super::query_name::{AddressStart, QueryLabels};
use super::record::{RecordData, ResourceRecord, SoaData, a, minimal_any};
use super::text::{TxtText, ZoneStatus};
use crate::digest::{Digest, Digester};
use crate::time::{Span, Timestamp};

/// The label whose TXT record reports the zone's state.
const STATUS: &[u8] = b"_status";
/// The TTL of that record, in seconds.
const STATUS_TTL: u32 = 5;

/// One judged zone: its configuration, its listings and its serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedZone {
    /// The checked configuration.
    pub config: Arc<ZoneConfig>,
    /// The listed prefixes.
    pub entries: Arc<ListedEntries>,
    /// The serial number of the SOA record.
    pub serial: u32,
    /// Whether the zone was shut down: it is empty for ever, without test entries (RFC 6471 §3.4).
    pub shut_down: bool,
}

/// When the data was last up to date, and how old it may be before it is no longer served.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// The time at which the data was last known to be up to date.
    pub time: Timestamp,
    /// The greatest age of data that is still served. Older data is answered with SERVFAIL.
    pub age_max: Span,
}

/// An address that the zone lists, or one of its test entries.
pub(super) struct AddressInfo {
    address: IpAddr,
    /// The codes, the confidence and the end of the listing.
    pub found: FoundCodes,
    /// Whether this is a test entry (RFC 5782 §5).
    pub test: bool,
}

impl JudgedZone {
    /// A digest of everything that a zone transfer would carry, so that zones with equal digests
    /// are equal. It does not cover values that change by themselves, such as the remaining time of
    /// a listing.
    pub fn digest(&self) -> Digest {
        let mut digester = Digester::default();
        digester.add(self.config.digest.octets()).add(&self.serial.to_be_bytes());
        digester.add(&[u8::from(self.shut_down)]);
        for (prefix, entry) in self.entries.iter() {
            let codes: Vec<u8> =
                entry.codes.iter().flat_map(|listed| [listed.code, listed.confidence]).collect();
            digester.add(prefix.to_string().as_bytes()).add(&codes);
        }
        digester.digest()
    }

    /// The view that a name's labels select, and the labels to the left of the sublist's label.
    fn view<'q>(&self, labels: QueryLabels<'q>) -> (&CodeView, QueryLabels<'q>) {
        let config = &self.config;
        let Some((last, rest)) = labels.split_last() else { return (&config.main, labels) };
        // The labels of an address are numbers, or one character long.
        if last.len() < 2 || last[0].is_ascii_digit() {
            return (&config.main, labels);
        }
        let named = |sublist: &&Sublist| last.eq_ignore_ascii_case(sublist.label.as_bytes());
        config.sublists.iter().find(named).map_or((&config.main, labels), |sublist| (&sublist.view, rest))
    }

    /// The memory that holds the address which the labels stand for, to be read ahead of the
    /// lookup.
    pub(super) fn spot(&self, labels: &QueryLabels<'_>) -> MemorySpot<'_> {
        let start = self.view(*labels).1.ipv4();
        start
            .and_then(AddressStart::<Ipv4Addr>::whole)
            .map_or(MemorySpot::default(), |address| self.entries.spot(address))
    }

    /// Answers a query for a name, given as the labels to the left of the zone's origin.
    pub(super) fn answer(
        &self,
        labels: &QueryLabels<'_>,
        query_type: QueryType,
        now: Timestamp,
        fresh: Freshness,
    ) -> Answer<'_> {
        let (view, rest) = self.view(*labels);
        match labels.split_last() {
            Some((last, left)) if left.is_empty() && last.eq_ignore_ascii_case(STATUS) => {
                self.status(query_type, now, fresh.time)
            }
            // A mail server accepts mail if the lookup fails. That is better than refusing a relay
            // that was removed after the data became stale.
            _ if now.since(fresh.time) > fresh.age_max => {
                Answer::failed(Rcode::ServFail, ExtendedError::NotReady)
            }
            None if labels.is_empty() => self.apex(query_type),
            // Clients that still query must get no address for any name, test entries included (RFC
            // 6471 §3.4).
            _ if self.shut_down => self.negative(Rcode::NameError),
            // A sublist's own name exists, because its test entries lie below it.
            _ if rest.is_empty() => self.negative(Rcode::NoError),
            _ => self.below(&rest, view, query_type, now),
        }
    }

    fn apex(&self, query_type: QueryType) -> Answer<'_> {
        let config = &self.config;
        match query_type {
            QueryType::Soa if self.shut_down => {
                Answer::one(ResourceRecord { ttl: config.apex.ttl, ..self.soa() })
            }
            // Clients that still query must get no address at all (RFC 6471 §3.4).
            QueryType::A | QueryType::Aaaa if self.shut_down => self.negative(Rcode::NoError),
            QueryType::Txt if self.shut_down => {
                let text = TxtText::Plain(config.texts.shut_down().as_bytes());
                Answer::one(ResourceRecord { ttl: config.ttls.shut_down, data: RecordData::Txt(text) })
            }
            _ if self.shut_down => match config.apex.answer(query_type, self.serial) {
                Answer { rcode, content: AnswerContent::Negative { .. }, .. } => self.negative(rcode),
                answer => answer,
            },
            _ => config.apex.answer(query_type, self.serial),
        }
    }

    fn status(&self, query_type: QueryType, now: Timestamp, fresh: Timestamp) -> Answer<'_> {
        match query_type {
            QueryType::Txt => {}
            QueryType::Any => return Answer::one(ResourceRecord { ttl: STATUS_TTL, ..minimal_any() }),
            _ => return self.negative(Rcode::NoError),
        }
        let status = ZoneStatus {
            serial: self.serial,
            age: now.since(fresh).seconds(),
            entries: if self.shut_down { 0 } else { self.entries.len() },
            policy: self.config.digest,
            shut_down: self.shut_down,
        };
        Answer::one(ResourceRecord { ttl: STATUS_TTL, data: RecordData::Txt(TxtText::Status(status)) })
    }

    fn below(
        &self,
        labels: &QueryLabels<'_>,
        view: &CodeView,
        query_type: QueryType,
        now: Timestamp,
    ) -> Answer<'_> {
        let (v4, v6) = (labels.ipv4(), labels.ipv6());
        let whole = v4.and_then(|start| start.whole().map(IpAddr::V4));
        let whole = whole.or_else(|| v6.and_then(|start| start.whole().map(IpAddr::V6)));
        if let Some(about) = whole.and_then(|address| self.find(address, view, now)) {
            return self.about(&about, view, query_type, now);
        }
        let tests = &view.test_entries;
        let below = v4.is_some_and(|start| {
            start.labels < 4
                && (self.entries.any_below_ipv4(start, view.mask) || tests.any_below_ipv4(start, u8::MAX))
        }) || v6.is_some_and(|start| {
            start.labels < 32
                && (self.entries.any_below_ipv6(start, view.mask) || tests.any_below_ipv6(start, u8::MAX))
        });
        self.negative(if below { Rcode::NoError } else { Rcode::NameError })
    }

    /// Looks up an address in a view at time `now`: first the listings, then the test entries.
    pub(super) fn find(&self, address: IpAddr, view: &CodeView, now: Timestamp) -> Option<AddressInfo> {
        let listed = self.entries.find(address, view.mask, now).map(|found| AddressInfo {
            address,
            found,
            test: false,
        });
        // IPv4 test entries lie in 127.0.0.0/8 and IPv6 ones in `::ffff:127.0.0.0/104`. Other
        // addresses need no second lookup.
        listed.or_else(|| {
            let near = match address {
                IpAddr::V4(v4) => v4.is_loopback(),
                IpAddr::V6(v6) => v6.segments()[..5] == [0; 5],
            };
            let found = near.then(|| view.test_entries.find(address, u8::MAX, now)).flatten()?;
            Some(AddressInfo { address, found, test: true })
        })
    }

    fn about(
        &self,
        about: &AddressInfo,
        view: &CodeView,
        query_type: QueryType,
        now: Timestamp,
    ) -> Answer<'_> {
        let (config, ttl) = (&self.config, self.ttl(about, now));
        let third = match view.shows {
            CodeDisplay::Codes => 0,
            CodeDisplay::Score => about.found.confidence,
        };
        match query_type {
            QueryType::A => Answer::one(a(ttl, Ipv4Addr::new(127, 0, third, about.found.mask))),
            QueryType::Txt => {
                let text = config.texts.about(about.address, about.test);
                Answer::one(ResourceRecord { ttl, data: RecordData::Txt(text) })
            }
            QueryType::Any => Answer::one(ResourceRecord { ttl, ..minimal_any() }),
            _ => self.negative(Rcode::NoError),
        }
    }

    /// The TTL of an address's records, in seconds: at most the remaining time of the listing.
    pub(super) fn ttl(&self, about: &AddressInfo, now: Timestamp) -> u32 {
        let ttls = &self.config.ttls;
        let most = if about.test { ttls.test } else { ttls.listed };
        about.found.until.map_or(most, |until| {
            // RFC 5782 §4: caches must not keep a listing beyond its end.
            u32::try_from(until.since(now).seconds().max(0)).unwrap_or(most).min(most)
        })
    }

    fn negative(&self, rcode: Rcode) -> Answer<'_> {
        if !self.shut_down {
            return self.config.apex.negative(rcode, self.serial);
        }
        let soa = self.soa();
        Answer { rcode, content: AnswerContent::Negative { apex: &self.config.apex, soa }, error: None }
    }

    /// The SOA record of a zone that was shut down. Its long TTL and minimum keep resolvers from
    /// asking again soon.
    fn soa(&self) -> ResourceRecord<'_> {
        let (apex, ttl) = (&self.config.apex, self.config.ttls.shut_down);
        ResourceRecord {
            ttl,
            data: RecordData::Soa(SoaData {
                soa: &apex.soa,
                names: apex.soa_names(),
                serial: self.serial,
                minimum: ttl,
            }),
        }
    }
}
