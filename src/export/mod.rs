//! Zones written down for other programs: one file a form, one row in [`FORMS`].

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

use crate::zone::{Contents, Listed};

/// A form to write a zone in.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// On the command line.
    pub name: &'static str,
    pub meaning: &'static str,
    pub write: fn(&Contents<'_>, &mut dyn Write) -> io::Result<()>,
}

/// All of them.
pub const FORMS: [Form; 6] = [
    Form { name: "rbldnsd", meaning: "a combined data set of rbldnsd", write: rbldnsd::write },
    Form { name: "bind", meaning: "a master file (RFC 1035 §5)", write: bind::write },
    Form {
        name: "rpz",
        meaning: "a response policy zone with which a resolver answers DNSBL queries itself",
        write: rpz::write,
    },
    Form { name: "cidr", meaning: "networks of the zone's own name, one a line", write: cidr::write },
    Form {
        name: "csv",
        meaning: "rows of zone, network, value, codes and end (RFC 4180)",
        write: csv::write,
    },
    Form { name: "json", meaning: "one object, with one line an entry", write: json::write },
];

/// The form of a name.
///
/// # Errors
/// With the names that there are.
pub fn form(name: &str) -> Result<&'static Form, String> {
    FORMS.iter().find(|form| form.name == name).ok_or_else(|| {
        let names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
        format!("{name:?} is no form; write one of {}", names.join(", "))
    })
}

/// The networks that addresses from one to another make up.
fn networks(first: IpAddr, last: IpAddr) -> Vec<IpNet> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect(),
        (IpAddr::V6(first), IpAddr::V6(last)) => Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect(),
        _ => Vec::new(),
    }
}

/// The networks of at least so many bits that a network makes up.
fn cut(network: IpNet, length: u8) -> Vec<IpNet> {
    match network.subnets(length) {
        Ok(subnets) => subnets.collect(),
        Err(_) => vec![network],
    }
}

/// A network in the shortest way: an address by itself without a length.
fn short(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// What other programs are to judge by: test entries are for those who look whether the zone answers.
fn real<'z>(listed: impl Iterator<Item = Listed<'z>>) -> impl Iterator<Item = Listed<'z>> {
    listed.filter(|listed| !listed.is_test)
}
