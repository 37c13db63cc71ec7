//! What the forms of master files (RFC 1035 §5) have in common.

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;

use super::networks;
use crate::zone::{Contents, Data, Listed, Said, reversed};

/// Labels left of the zone's name, with what stands there for: an address, or all that lies below a wildcard.
///
/// Networks are cut where labels end, at octets and at nibbles; as no two of them overlap, nothing else lies below a wildcard, which it
/// would hide (RFC 4592 §2.2.1).
pub(super) fn owners(listed: &Listed<'_>) -> impl Iterator<Item = (String, IpAddr)> {
    networks(listed.first, listed.last).into_iter().flat_map(|network| {
        let bits = if network.addr().is_ipv4() { 8 } else { 4 };
        let length = network.prefix_len().next_multiple_of(bits);
        cut(network, length).into_iter().map(move |address| {
            let labels = reversed(address);
            let kept = usize::from(length / bits);
            let all = usize::from(network.max_prefix_len() / bits);
            if kept == all {
                return (labels, address);
            }
            let under = labels.splitn(all - kept + 1, '.').last().unwrap_or_default();
            (if kept == 0 { "*".to_owned() } else { format!("*.{under}") }, address)
        })
    })
}

/// The first addresses of a network's parts of a greater length.
fn cut(network: IpNet, length: u8) -> Vec<IpAddr> {
    match network.subnets(length) {
        Ok(subnets) => subnets.map(|subnet| subnet.addr()).collect(),
        Err(_) => vec![network.addr()],
    }
}

/// The records of one owner.
pub(super) fn records(
    out: &mut dyn Write,
    owner: &str,
    address: IpAddr,
    said: &[Said<'_>],
) -> io::Result<()> {
    for Said { ttl, value, .. } in said {
        writeln!(out, "{owner} {ttl} IN A {value}")?;
    }
    for Said { ttl, text, .. } in said {
        if let Some(text) = text {
            writeln!(out, "{owner} {ttl} IN TXT {}", quoted(&text.about(address).to_octets()))?;
        }
    }
    Ok(())
}

/// A character string (RFC 1035 §5.1).
pub(super) fn quoted(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + 2);
    text.push('"');
    for octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
            b' '..=b'~' => text.push(char::from(*octet)),
            octet => text.push_str(&format!("\\{octet:03}")),
        }
    }
    text.push('"');
    text
}

/// Five numbers behind the names of an SOA record, and its TTL.
pub(super) fn soa(contents: &Contents<'_>) -> (u32, String) {
    let record = contents.apex().soa(contents.serial());
    let Data::Soa(data) = record.data else { return (record.ttl, String::new()) };
    let soa = data.soa;
    let numbers = format!("{} {} {} {} {}", data.serial, soa.refresh, soa.retry, soa.expire, data.minimum);
    (record.ttl, numbers)
}
