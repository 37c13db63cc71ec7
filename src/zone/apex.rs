//! What stands at a zone's own name: SOA, NS, and where browsers are sent.

use std::net::IpAddr;

use super::Name;

/// A zone's own name and the records there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apex {
    pub origin: Name,
    pub ns: Vec<Name>,
    /// Where a browser is sent that asks for the origin itself.
    pub addresses: Vec<IpAddr>,
    pub soa: Soa,
    /// Seconds, of all these records but the name servers'.
    pub ttl: u32,
    /// Seconds, of those.
    pub ns_ttl: u32,
    origin_wire: Vec<u8>,
    soa_names: Shortened,
}

/// Start of authority, but for the serial, which moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soa {
    pub primary: Name,
    pub mailbox: Name,
    /// Seconds, as are the others.
    pub refresh: u32,
    pub retry: u32,
    pub expire: u32,
    pub minimum: u32,
}

/// Names on the wire, whose ends point into the origin that stands in the question (RFC 1035 §4.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortened {
    octets: Vec<u8>,
    /// Where in the octets a pointer stands, and how far into the origin it points.
    pointers: Vec<(usize, u16)>,
}

impl Apex {
    /// With one TTL for all records.
    pub fn new(origin: Name, ns: Vec<Name>, addresses: Vec<IpAddr>, soa: Soa, ttl: u32) -> Self {
        let origin_wire = origin.to_wire();
        let mut soa_names = Shortened::default();
        soa_names.push(&soa.primary, &origin);
        soa_names.push(&soa.mailbox, &origin);
        Apex { origin, ns, addresses, soa, ttl, ns_ttl: ttl, origin_wire, soa_names }
    }

    pub fn origin_wire(&self) -> &[u8] {
        &self.origin_wire
    }

    /// The SOA's two names.
    pub const fn soa_names(&self) -> &Shortened {
        &self.soa_names
    }
}

impl Shortened {
    /// Adds a name, without the labels at its end that it shares with the origin.
    fn push(&mut self, name: &Name, origin: &Name) {
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
        self.octets.extend([0xc0, 0]);
    }

    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the names into as many octets as they have, behind a question in which the origin begins at an offset.
    pub fn write(&self, out: &mut [u8], origin_at: u16) {
        out.copy_from_slice(&self.octets);
        for (at, into) in &self.pointers {
            out[*at..at + 2].copy_from_slice(&(0xc000 | (origin_at + into)).to_be_bytes());
        }
    }
}
