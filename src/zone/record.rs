//! Resource records, which borrow from the zones.

use std::net::{IpAddr, Ipv4Addr};

use super::apex::{Shortened, Soa};
use super::name::DomainName;
use super::text::TxtText;

/// One resource record. Its owner is the name that was asked for, or the origin for a SOA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceRecord<'z> {
    /// The TTL in seconds.
    pub ttl: u32,
    /// The type and the data of the record.
    pub data: RecordData<'z>,
}

/// The data of a record, by type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordData<'z> {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A TXT record of one string.
    Txt(TxtText<'z>),
    /// An NS record.
    Ns(&'z DomainName),
    /// A SOA record.
    Soa(SoaData<'z>),
    /// The HINFO record that answers queries of type ANY (RFC 8482 §4.2).
    Hinfo(&'static str),
}

/// The data of a SOA record (RFC 1035 §3.3.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoaData<'z> {
    /// The fields that come from the zone's configuration.
    pub soa: &'z Soa,
    /// The two names in compressed wire form.
    pub names: &'z Shortened,
    /// The zone's serial number.
    pub serial: u32,
    /// The TTL of negative answers in seconds. A zone that was shut down has a longer one than its
    /// configuration says.
    pub minimum: u32,
}

/// The HINFO record that answers queries of type ANY (RFC 8482 §4.2).
pub(super) const fn minimal_any<'z>() -> ResourceRecord<'z> {
    ResourceRecord { ttl: 3_600, data: RecordData::Hinfo("RFC8482") }
}

/// An A record with a TTL in seconds.
pub(super) const fn a<'z>(ttl: u32, address: Ipv4Addr) -> ResourceRecord<'z> {
    ResourceRecord { ttl, data: RecordData::Address(IpAddr::V4(address)) }
}
