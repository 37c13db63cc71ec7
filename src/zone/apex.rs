//! The records at a zone's origin: SOA, NS, and the web server's addresses.

use std::net::IpAddr;

use super::name::DomainName;
use super::numbers::POINTER;

/// A zone's origin and the records there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apex {
    /// The zone's origin.
    pub origin: DomainName,
    /// The name servers of the NS records.
    pub ns: Vec<DomainName>,
    /// The addresses of the A and AAAA records at the origin, where a web server runs.
    pub addresses: Vec<IpAddr>,
    /// The SOA record, without its serial number.
    pub soa: Soa,
    /// The TTL of all these records except NS, in seconds.
    pub ttl: u32,
    /// The TTL of the NS records, in seconds.
    pub ns_ttl: u32,
    origin_wire: Vec<u8>,
    soa_names: Shortened,
}

/// The fields of a SOA record (RFC 1035 §3.3.13), except the serial number, which changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The primary name server (MNAME).
    pub primary: DomainName,
    /// The mailbox of the person responsible for the zone, as a domain name (RNAME).
    pub mailbox: DomainName,
    /// The interval between a secondary's refreshes, in seconds.
    pub refresh: u32,
    /// The interval before a failed refresh is tried again, in seconds.
    pub retry: u32,
    /// The time after which a secondary that cannot refresh discards the data, in seconds.
    pub expire: u32,
    /// The TTL of negative answers, in seconds (RFC 2308 §4).
    pub minimum: u32,
}

/// Names in compressed wire form: their ends are pointers into the origin, which stands in the
/// question (RFC 1035 §4.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortened {
    octets: Vec<u8>,
    /// For each pointer, its place in `octets` and the offset within the origin that it points to.
    pointers: Vec<(usize, u16)>,
}

impl Apex {
    /// An apex that has the same TTL, in seconds, for all its records.
    pub fn new(origin: DomainName, ns: Vec<DomainName>, addresses: Vec<IpAddr>, soa: Soa, ttl: u32) -> Self {
        let origin_wire = origin.to_wire();
        let mut soa_names = Shortened::default();
        soa_names.push(&soa.primary, &origin);
        soa_names.push(&soa.mailbox, &origin);
        Apex { origin, ns, addresses, soa, ttl, ns_ttl: ttl, origin_wire, soa_names }
    }

    /// The origin in uncompressed wire form.
    pub fn origin_wire(&self) -> &[u8] {
        &self.origin_wire
    }

    /// The two names of the SOA record in compressed wire form.
    pub const fn soa_names(&self) -> &Shortened {
        &self.soa_names
    }
}

impl Shortened {
    /// Adds a name. The labels at its end that it shares with the origin become a pointer.
    fn push(&mut self, name: &DomainName, origin: &DomainName) {
        let (labels, of_origin) = (name.labels(), origin.labels());
        let shared =
            labels.iter().rev().zip(of_origin.iter().rev()).take_while(|(one, other)| one == other).count();
        for label in &labels[..labels.len() - shared] {
            self.octets.push(label.len() as u8);
            self.octets.extend(label.as_bytes());
        }
        if shared == 0 {
            self.octets.push(0);
            return;
        }
        let into: usize = of_origin[..of_origin.len() - shared].iter().map(|label| label.len() + 1).sum();
        self.pointers.push((self.octets.len(), into as u16));
        self.octets.extend(POINTER.to_be_bytes());
    }

    /// The number of octets that the names take.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the names into `out`, whose length must be [`Shortened::len`]. `origin_at` is the
    /// offset in the message at which the origin begins within the question.
    pub fn write(&self, out: &mut [u8], origin_at: u16) {
        out.copy_from_slice(&self.octets);
        for (at, into) in &self.pointers {
            out[*at..at + 2].copy_from_slice(&(POINTER | (origin_at + into)).to_be_bytes());
        }
    }
}
