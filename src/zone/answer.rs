//! Answers: what a zone says to a question, without a copy of anything.

use std::iter::Copied;
use std::net::{IpAddr, Ipv4Addr};
use std::slice;

use super::apex::{Apex, Shortened, Soa};
use super::dataset::Matches;
use super::text::Text;
use super::{Asked, Name};

/// A question of class IN.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    pub name: Asked<'q>,
    pub query_type: QueryType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    A,
    Aaaa,
    Txt,
    Soa,
    Ns,
    Any,
    Other,
}

impl From<u16> for QueryType {
    fn from(number: u16) -> Self {
        match number {
            1 => QueryType::A,
            2 => QueryType::Ns,
            6 => QueryType::Soa,
            16 => QueryType::Txt,
            28 => QueryType::Aaaa,
            255 => QueryType::Any,
            _ => QueryType::Other,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Answer<'z> {
    pub rcode: Rcode,
    pub content: Content<'z>,
    /// Why there is no better one (RFC 8914).
    pub error: Option<ExtendedError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    NoError,
    ServFail,
    NameError,
    Refused,
}

/// RFC 8914 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedError {
    /// The data is older than its limit.
    NotReady,
    /// The client may not ask this.
    Prohibited,
    /// The name lies in none of the zones.
    NotAuthoritative,
}

#[derive(Clone, Debug)]
pub enum Content<'z> {
    /// Not from a zone.
    Nothing,
    /// No such record: the SOA says for how long (RFC 2308 §3).
    Negative { apex: &'z Apex, soa: Record<'z> },
    /// All of them owned by the name that was asked for; at least one.
    Records(Records<'z>),
}

/// Records of one name and type.
#[derive(Clone, Debug)]
pub enum Records<'z> {
    One(Option<Record<'z>>),
    Addresses {
        ttl: u32,
        family: fn(&IpAddr) -> bool,
        rest: Copied<slice::Iter<'z, IpAddr>>,
    },
    Ns {
        ttl: u32,
        rest: slice::Iter<'z, Name>,
    },
    /// Of each data set that lists the address.
    Matches(Matches<'z>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'z> {
    /// Seconds.
    pub ttl: u32,
    pub data: Data<'z>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'z> {
    Address(IpAddr),
    Txt(Text<'z>),
    Ns(&'z Name),
    Soa(SoaData<'z>),
    /// RFC 8482 §4.2.
    Hinfo(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoaData<'z> {
    pub soa: &'z Soa,
    /// Its names, for the wire.
    pub names: &'z Shortened,
    pub serial: u32,
    /// Seconds; not the zone's own where the zone is closed.
    pub minimum: u32,
}

impl ExtendedError {
    /// RFC 8914 §5.2.
    pub const fn code(self) -> u16 {
        match self {
            ExtendedError::NotReady => 14,
            ExtendedError::Prohibited => 18,
            ExtendedError::NotAuthoritative => 20,
        }
    }

    pub const fn text(self) -> &'static str {
        match self {
            ExtendedError::NotReady => "the data is too old",
            ExtendedError::Prohibited => "not open to this client",
            ExtendedError::NotAuthoritative => "none of our zones",
        }
    }
}

impl<'z> Iterator for Records<'z> {
    type Item = Record<'z>;

    fn next(&mut self) -> Option<Record<'z>> {
        match self {
            Records::One(record) => record.take(),
            Records::Addresses { ttl, family, rest } => {
                let address = rest.find(*family)?;
                Some(Record { ttl: *ttl, data: Data::Address(address) })
            }
            Records::Ns { ttl, rest } => Some(Record { ttl: *ttl, data: Data::Ns(rest.next()?) }),
            Records::Matches(matches) => matches.next(),
        }
    }
}

impl<'z> Answer<'z> {
    /// Nothing to say, and why.
    pub const fn failed(rcode: Rcode, error: ExtendedError) -> Self {
        Answer { rcode, content: Content::Nothing, error: Some(error) }
    }

    pub const fn one(record: Record<'z>) -> Self {
        Answer::of(Records::One(Some(record)))
    }

    pub const fn of(records: Records<'z>) -> Self {
        Answer { rcode: Rcode::NoError, content: Content::Records(records), error: None }
    }

    /// Whether a zone says it (RFC 1035 §4.1.1, AA).
    pub const fn is_authoritative(&self) -> bool {
        !matches!(self.content, Content::Nothing)
    }

    /// The answer's records.
    pub fn records(&self) -> Records<'z> {
        match &self.content {
            Content::Records(records) => records.clone(),
            Content::Nothing | Content::Negative { .. } => Records::One(None),
        }
    }
}

impl Apex {
    /// The SOA as it stands.
    pub const fn soa(&self, serial: u32) -> Record<'_> {
        let soa = SoaData { soa: &self.soa, names: self.soa_names(), serial, minimum: self.soa.minimum };
        Record { ttl: self.ttl, data: Data::Soa(soa) }
    }

    /// RFC 2308 §3: the SOA, with the lesser of its own TTL and its minimum.
    pub fn negative(&self, rcode: Rcode, serial: u32) -> Answer<'_> {
        let soa = Record { ttl: self.ttl.min(self.soa.minimum), ..self.soa(serial) };
        Answer { rcode, content: Content::Negative { apex: self, soa }, error: None }
    }

    /// What stands at the zone's own name.
    pub fn answer(&self, query_type: QueryType, serial: u32) -> Answer<'_> {
        let (ttl, addresses) = (self.ttl, &self.addresses);
        let family: fn(&IpAddr) -> bool = match query_type {
            QueryType::Soa => return Answer::one(self.soa(serial)),
            QueryType::Ns if !self.ns.is_empty() => {
                return Answer::of(Records::Ns { ttl: self.ns_ttl, rest: self.ns.iter() });
            }
            QueryType::Any => return Answer::one(minimal_any()),
            QueryType::A => IpAddr::is_ipv4,
            QueryType::Aaaa => IpAddr::is_ipv6,
            QueryType::Ns | QueryType::Txt | QueryType::Other => {
                return self.negative(Rcode::NoError, serial);
            }
        };
        if addresses.iter().any(family) {
            Answer::of(Records::Addresses { ttl, family, rest: addresses.iter().copied() })
        } else {
            self.negative(Rcode::NoError, serial)
        }
    }
}

/// RFC 8482 §4.2.
pub(super) const fn minimal_any<'z>() -> Record<'z> {
    Record { ttl: 3_600, data: Data::Hinfo("RFC8482") }
}

pub(super) const fn a<'z>(ttl: u32, address: Ipv4Addr) -> Record<'z> {
    Record { ttl, data: Data::Address(IpAddr::V4(address)) }
}
