//! The networks of listed ranges, and how they are written.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use crate::zone::ListedRange;

/// The fewest networks that cover exactly the addresses from `first` to `last`.
pub(super) fn networks(first: IpAddr, last: IpAddr) -> Vec<IpNet> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Ipv4Subnets::new(first, last, 0).map(IpNet::from).collect(),
        (IpAddr::V6(first), IpAddr::V6(last)) => Ipv6Subnets::new(first, last, 0).map(IpNet::from).collect(),
        _ => Vec::new(),
    }
}

/// Splits a network into networks of prefix length `length`, if it is shorter.
pub(super) fn cut(network: IpNet, length: u8) -> Vec<IpNet> {
    match network.subnets(length) {
        Ok(subnets) => subnets.collect(),
        Err(_) => vec![network],
    }
}

/// A network as text; a single address without a prefix length.
pub(super) fn short(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// Without test entries (RFC 5782 §5), which serve to check that a DNSBL responds and must not be
/// used for filtering.
pub(super) fn real<'z>(
    listed: impl Iterator<Item = ListedRange<'z>>,
) -> impl Iterator<Item = ListedRange<'z>> {
    listed.filter(|listed| !listed.is_test)
}
