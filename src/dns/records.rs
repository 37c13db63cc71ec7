//! Converts a zone's records to those of the hickory library.

use std::net::IpAddr;

use hickory_proto::rr::rdata::{A, AAAA, HINFO, NS, SOA, TXT};
use hickory_proto::rr::{Name as HickoryName, RData};

use crate::zone::{DomainName, RecordData};

/// Converts the data of a record.
pub(super) fn rdata(data: &RecordData) -> RData {
    match data {
        RecordData::Address(IpAddr::V4(v4)) => RData::A(A(*v4)),
        RecordData::Address(IpAddr::V6(v6)) => RData::AAAA(AAAA(*v6)),
        RecordData::Txt(text) => txt(&text.to_octets()),
        RecordData::Ns(name) => RData::NS(NS(to_hickory(name))),
        RecordData::Hinfo(text) => RData::HINFO(HINFO::new((*text).to_owned(), String::new())),
        RecordData::Soa(soa) => RData::SOA(SOA::new(
            to_hickory(&soa.soa.primary),
            to_hickory(&soa.soa.mailbox),
            soa.serial,
            i32::try_from(soa.soa.refresh).unwrap_or(i32::MAX),
            i32::try_from(soa.soa.retry).unwrap_or(i32::MAX),
            i32::try_from(soa.soa.expire).unwrap_or(i32::MAX),
            soa.minimum,
        )),
    }
}

/// The data of a TXT record with one string of at most 255 octets.
pub(super) fn txt(octets: &[u8]) -> RData {
    RData::TXT(TXT::from_bytes(vec![octets]))
}

/// Converts a name. The conversion cannot fail, because the labels of a checked zone's names are
/// valid.
pub(super) fn to_hickory(name: &DomainName) -> HickoryName {
    HickoryName::from_labels(name.labels().iter().map(|label| label.as_bytes()))
        .unwrap_or_else(|_| HickoryName::root())
}
