//! Owner names and records for the formats that are master files (RFC 1035 §5).

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;

use super::networks::{cut, networks};
use crate::zone::{ListedAnswer, ListedRange, RecordData, ZoneContents, reversed};

/// The owner names of a listed range, relative to the zone's name, each with the first address that
/// it stands for. An owner is the name of one address or a wildcard for a network.
///
/// Networks are split at label boundaries: octets in IPv4, nibbles in IPv6. Networks do not
/// overlap, so no other name exists below a wildcard, which would make the wildcard ineffective for
/// names below it (RFC 4592 §2.2.1). No wildcard of one address family matches names of the other.
pub(super) fn owners(listed: &ListedRange<'_>) -> impl Iterator<Item = (String, IpAddr)> {
    networks(listed.first, listed.last).into_iter().flat_map(unambiguous).map(|network| {
        let bits = if network.addr().is_ipv4() { 8 } else { 4 };
        let kept = usize::from(network.prefix_len() / bits);
        let all = usize::from(network.max_prefix_len() / bits);
        let labels = reversed(network.addr());
        if kept == all {
            return (labels, network.addr());
        }
        let under = labels.splitn(all - kept + 1, '.').last().unwrap_or_default();
        (if kept == 0 { "*".to_owned() } else { format!("*.{under}") }, network.addr())
    })
}

/// Splits a network at label boundaries so that each wildcard matches only names of its own address
/// family.
fn unambiguous(network: IpNet) -> Vec<IpNet> {
    match network {
        IpNet::V4(v4) => {
            let length = v4.prefix_len().next_multiple_of(8);
            cut(network, length).into_iter().flat_map(of_ipv4_alone).collect()
        }
        // The name of an IPv4 address has four labels, so no such name is below a wildcard with
        // four or more labels.
        IpNet::V6(v6) => cut(network, v6.prefix_len().next_multiple_of(4).max(16)),
    }
}

/// Splits an IPv4 network further while all of its labels are single digits: `*.2` would match
/// 2.0.0.0/8 and 2000::/4.
fn of_ipv4_alone(network: IpNet) -> Vec<IpNet> {
    let (IpAddr::V4(address), length) = (network.addr(), network.prefix_len()) else { return vec![network] };
    let labels = usize::from(length / 8);
    if labels == 4 || address.octets()[..labels].iter().any(|octet| *octet > 9) {
        return vec![network];
    }
    cut(network, length + 8).into_iter().flat_map(of_ipv4_alone).collect()
}

/// Writes the A and TXT records of one owner. `address` replaces the placeholder in texts.
///
/// # Errors
/// Any error of `out`.
pub(super) fn records(
    out: &mut dyn Write,
    owner: &str,
    address: IpAddr,
    said: &[ListedAnswer<'_>],
) -> io::Result<()> {
    // An RRset contains each record once (RFC 2181 §5).
    for (nth, ListedAnswer { ttl, value, .. }) in said.iter().enumerate() {
        if said[..nth].iter().all(|before| before.value != *value) {
            writeln!(out, "{owner} {ttl} IN A {value}")?;
        }
    }
    for (nth, ListedAnswer { ttl, text, .. }) in said.iter().enumerate() {
        if let Some(text) = text
            && said[..nth].iter().all(|before| before.text != Some(*text))
        {
            writeln!(out, "{owner} {ttl} IN TXT {}", quoted(&text.about(address).to_octets()))?;
        }
    }
    Ok(())
}

/// A quoted character string (RFC 1035 §5.1). Octets that are not printable ASCII are written as
/// `\DDD`.
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

/// The TTL of the SOA record, and its five numbers: serial, refresh, retry, expire, minimum.
pub(super) fn soa(contents: &ZoneContents<'_>) -> (u32, String) {
    let record = contents.apex().soa(contents.serial());
    let RecordData::Soa(data) = record.data else { return (record.ttl, String::new()) };
    let soa = data.soa;
    let numbers = format!("{} {} {} {} {}", data.serial, soa.refresh, soa.retry, soa.expire, data.minimum);
    (record.ttl, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(network: &str) -> Vec<String> {
        let network: IpNet = network.parse().unwrap();
        let (first, last) = (network.network(), network.broadcast());
        let listed = ListedRange { first, last, said: Vec::new(), until: None, is_test: false };
        owners(&listed).map(|(owner, _)| owner).collect()
    }

    /// Whether a name is below a wildcard.
    fn stands_for(owner: &str, name: &str) -> bool {
        owner.strip_prefix('*').is_some_and(|below| name.ends_with(below))
    }

    #[test]
    fn rfc4592_wildcards_mean_one_family_alone() {
        for network in
            ["2.0.0.0/8", "2.4.0.0/16", "2.4.6.0/24", "0.0.0.0/0", "10.0.0.0/8", "2.10.0.0/16", "8.0.0.0/6"]
        {
            let owners = names(network);
            for v6 in ["2001:4860::8888", "2400:cb00::1", "2460::1", "::1", "a000::1", "9::", "8000::"] {
                let name = reversed(v6.parse().unwrap());
                assert!(!owners.iter().any(|owner| stands_for(owner, &name)), "{network} lists {v6}");
            }
            let inside: IpNet = network.parse().unwrap();
            for address in [inside.network(), inside.broadcast()] {
                let name = reversed(address);
                let found = owners.iter().filter(|owner| **owner == name || stands_for(owner, &name)).count();
                assert_eq!(found, 1, "{address} of {network}");
            }
        }
        for network in ["2000::/3", "2000::/12", "::/0", "2001::/16"] {
            let owners = names(network);
            let name = reversed("2.0.0.7".parse().unwrap());
            assert!(!owners.iter().any(|owner| stands_for(owner, &name)), "{network} lists 2.0.0.7");
        }
        assert_eq!(names("192.0.2.0/23"), ["*.2.0.192", "*.3.0.192"]);
        assert_eq!(names("2001:db8::/31"), ["*.8.b.d.0.1.0.0.2", "*.9.b.d.0.1.0.0.2"]);
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quoted(b"a \"b\" \\ \x07\xff"), r#""a \"b\" \\ \007\255""#);
    }
}
