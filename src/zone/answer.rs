//! DNS questions and answers. Answers borrow from the zones and copy no data.

use std::iter::Copied;
use std::net::IpAddr;
use std::slice;

use super::apex::Apex;
use super::dataset::ListMatches;
use super::name::DomainName;
use super::numbers;
use super::query_name::QueryName;
use super::record::{RecordData, ResourceRecord, SoaData, minimal_any};

/// A DNS question of class IN.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The name that is asked for.
    pub name: QueryName<'q>,
    /// The type that is asked for.
    pub query_type: QueryType,
}

/// The query types that answers depend on (RFC 1035 §3.2.2, RFC 3596 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    A,
    Aaaa,
    Txt,
    Soa,
    Ns,
    Any,
    /// Any other type.
    Other,
}

impl From<u16> for QueryType {
    fn from(number: u16) -> Self {
        match number {
            numbers::TYPE_A => QueryType::A,
            numbers::TYPE_NS => QueryType::Ns,
            numbers::TYPE_SOA => QueryType::Soa,
            numbers::TYPE_TXT => QueryType::Txt,
            numbers::TYPE_AAAA => QueryType::Aaaa,
            numbers::TYPE_ANY => QueryType::Any,
            _ => QueryType::Other,
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug)]
pub struct Answer<'z> {
    /// The response code.
    pub rcode: Rcode,
    /// The records of the answer.
    pub content: AnswerContent<'z>,
    /// The extended DNS error: why the question was not answered (RFC 8914).
    pub error: Option<ExtendedError>,
}

/// The response codes that zones give (RFC 1035 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    /// The name exists.
    NoError,
    /// The data is too old to be served.
    ServFail,
    /// The name does not exist (NXDOMAIN).
    NameError,
    /// The client may not ask this, or the name lies in none of the zones.
    Refused,
}

/// The extended DNS errors that the server sends (RFC 8914 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedError {
    /// The data is older than the configured limit.
    NotReady,
    /// The access rules do not allow the query.
    Prohibited,
    /// The name lies in none of the server's zones.
    NotAuthoritative,
}

/// The records of an answer.
#[derive(Clone, Debug)]
pub enum AnswerContent<'z> {
    /// No records, in an answer that does not come from a zone.
    Nothing,
    /// A negative answer. The zone's SOA says for how long it may be cached (RFC 2308 §3).
    Negative { apex: &'z Apex, soa: ResourceRecord<'z> },
    /// Records whose owner is the name that was asked for; at least one.
    Records(AnswerRecords<'z>),
}

/// An iterator over the records of one name and type.
#[derive(Clone, Debug)]
pub enum AnswerRecords<'z> {
    /// One record, or none.
    One(Option<ResourceRecord<'z>>),
    /// The addresses of one family at a zone's origin. `ttl` is in seconds.
    Addresses { ttl: u32, family: fn(&IpAddr) -> bool, rest: Copied<slice::Iter<'z, IpAddr>> },
    /// The name servers of a zone. `ttl` is in seconds.
    Ns { ttl: u32, rest: slice::Iter<'z, DomainName> },
    /// The records of every data set that lists the address.
    Matches(ListMatches<'z>),
}

impl Rcode {
    /// The number of the code (RFC 1035 §4.1.1).
    pub const fn number(self) -> u16 {
        match self {
            Rcode::NoError => numbers::RCODE_NOERROR,
            Rcode::ServFail => numbers::RCODE_SERVFAIL,
            Rcode::NameError => numbers::RCODE_NXDOMAIN,
            Rcode::Refused => numbers::RCODE_REFUSED,
        }
    }
}

impl ExtendedError {
    /// The INFO-CODE of the error (RFC 8914 §5.2).
    pub const fn code(self) -> u16 {
        match self {
            ExtendedError::NotReady => numbers::ERROR_NOT_READY,
            ExtendedError::Prohibited => numbers::ERROR_PROHIBITED,
            ExtendedError::NotAuthoritative => numbers::ERROR_NOT_AUTHORITATIVE,
        }
    }

    /// The EXTRA-TEXT of the error (RFC 8914 §2).
    pub const fn text(self) -> &'static str {
        match self {
            ExtendedError::NotReady => "the data is too old",
            ExtendedError::Prohibited => "not open to this client",
            ExtendedError::NotAuthoritative => "none of our zones",
        }
    }
}

impl<'z> Iterator for AnswerRecords<'z> {
    type Item = ResourceRecord<'z>;

    fn next(&mut self) -> Option<ResourceRecord<'z>> {
        match self {
            AnswerRecords::One(record) => record.take(),
            AnswerRecords::Addresses { ttl, family, rest } => {
                let address = rest.find(*family)?;
                Some(ResourceRecord { ttl: *ttl, data: RecordData::Address(address) })
            }
            AnswerRecords::Ns { ttl, rest } => {
                Some(ResourceRecord { ttl: *ttl, data: RecordData::Ns(rest.next()?) })
            }
            AnswerRecords::Matches(matches) => matches.next(),
        }
    }
}

impl<'z> Answer<'z> {
    /// An answer without records, with a response code and an extended error.
    pub const fn failed(rcode: Rcode, error: ExtendedError) -> Self {
        Answer { rcode, content: AnswerContent::Nothing, error: Some(error) }
    }

    /// An answer with one record.
    pub const fn one(record: ResourceRecord<'z>) -> Self {
        Answer::of(AnswerRecords::One(Some(record)))
    }

    /// An answer with records, of which there must be at least one.
    pub const fn of(records: AnswerRecords<'z>) -> Self {
        Answer { rcode: Rcode::NoError, content: AnswerContent::Records(records), error: None }
    }

    /// Whether the answer comes from a zone and so is authoritative (AA, RFC 1035 §4.1.1).
    pub const fn is_authoritative(&self) -> bool {
        !matches!(self.content, AnswerContent::Nothing)
    }

    /// The records of the answer section.
    pub fn records(&self) -> AnswerRecords<'z> {
        match &self.content {
            AnswerContent::Records(records) => records.clone(),
            AnswerContent::Nothing | AnswerContent::Negative { .. } => AnswerRecords::One(None),
        }
    }
}

impl Apex {
    /// The SOA record with a serial number.
    pub const fn soa(&self, serial: u32) -> ResourceRecord<'_> {
        let soa = SoaData { soa: &self.soa, names: self.soa_names(), serial, minimum: self.soa.minimum };
        ResourceRecord { ttl: self.ttl, data: RecordData::Soa(soa) }
    }

    /// A negative answer. The TTL of its SOA record is the lesser of the record's own TTL and its
    /// minimum (RFC 2308 §3).
    pub fn negative(&self, rcode: Rcode, serial: u32) -> Answer<'_> {
        let soa = ResourceRecord { ttl: self.ttl.min(self.soa.minimum), ..self.soa(serial) };
        Answer { rcode, content: AnswerContent::Negative { apex: self, soa }, error: None }
    }

    /// Answers a query for the zone's origin.
    pub fn answer(&self, query_type: QueryType, serial: u32) -> Answer<'_> {
        let (ttl, addresses) = (self.ttl, &self.addresses);
        let family: fn(&IpAddr) -> bool = match query_type {
            QueryType::Soa => return Answer::one(self.soa(serial)),
            QueryType::Ns if !self.ns.is_empty() => {
                return Answer::of(AnswerRecords::Ns { ttl: self.ns_ttl, rest: self.ns.iter() });
            }
            QueryType::Any => return Answer::one(minimal_any()),
            QueryType::A => IpAddr::is_ipv4,
            QueryType::Aaaa => IpAddr::is_ipv6,
            QueryType::Ns | QueryType::Txt | QueryType::Other => {
                return self.negative(Rcode::NoError, serial);
            }
        };
        if addresses.iter().any(family) {
            Answer::of(AnswerRecords::Addresses { ttl, family, rest: addresses.iter().copied() })
        } else {
            self.negative(Rcode::NoError, serial)
        }
    }
}
