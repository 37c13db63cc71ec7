//! Export of zones in the formats of other programs. Each format has one module and one row in
//! [`FORMS`].

mod bind;
mod cidr;
mod csv;
mod json;
mod master;
mod rbldnsd;
mod rpz;

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::zone::{ListedRange, ZoneContents};

/// An export format.
#[derive(Clone, Copy, Debug)]
pub struct ExportForm {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its description in help texts.
    pub meaning: &'static str,
    /// Writes a zone. It fails when the zone cannot be expressed in the format or the writer fails.
    pub write: fn(&ZoneContents<'_>, &mut dyn Write) -> io::Result<()>,
}

/// All formats.
pub const FORMS: [ExportForm; 6] = [
    ExportForm { name: "rbldnsd", meaning: "a combined dataset for rbldnsd", write: rbldnsd::write },
    ExportForm { name: "bind", meaning: "a master file (RFC 1035 §5)", write: bind::write },
    ExportForm {
        name: "rpz",
        meaning: "a response policy zone (RPZ), with which a resolver answers DNSBL queries itself",
        write: rpz::write,
    },
    ExportForm {
        name: "cidr",
        meaning: "networks of the zone without its sublists, one per line",
        write: cidr::write,
    },
    ExportForm {
        name: "csv",
        meaning: "CSV rows of zone, network, value, codes and end (RFC 4180)",
        write: csv::write,
    },
    ExportForm { name: "json", meaning: "one JSON object, with one entry per line", write: json::write },
];

/// Finds a format by its name.
///
/// # Errors
/// When there is no such format; the error lists all names.
pub fn form(name: &str) -> Result<&'static ExportForm, String> {
    FORMS.iter().find(|form| form.name == name).ok_or_else(|| {
        let names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
        format!("{name:?} is not an export format; use one of {}", names.join(", "))
    })
}

/// The fewest networks that cover exactly the addresses from `first` to `last`.
fn networks(first: IpAddr, last: IpAddr) -> Vec<IpNet> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect(),
        (IpAddr::V6(first), IpAddr::V6(last)) => Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect(),
        _ => Vec::new(),
    }
}

/// Splits a network into networks of prefix length `length`, if it is shorter.
fn cut(network: IpNet, length: u8) -> Vec<IpNet> {
    match network.subnets(length) {
        Ok(subnets) => subnets.collect(),
        Err(_) => vec![network],
    }
}

/// A network as text; a single address without a prefix length.
fn short(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// Without test entries (RFC 5782 §5), which serve to check that a DNSBL responds and must not be
/// used for filtering.
fn real<'z>(listed: impl Iterator<Item = ListedRange<'z>>) -> impl Iterator<Item = ListedRange<'z>> {
    listed.filter(|listed| !listed.is_test)
}
