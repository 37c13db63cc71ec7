//! Reads the addresses, networks and ranges of entries.

use std::net::Ipv6Addr;

use super::numbers::{dotted, number};

const NO_ADDRESS: &str = "not an IPv4 address or range";
const NO_ADDRESS6: &str = "not an IPv6 address or network";

/// Reads an address, the first octets of one, a network, or a range (`ip4set`).
pub(super) fn range(text: &[u8]) -> Result<(u32, u32), &'static str> {
    let Some(at) = text.iter().position(|octet| matches!(octet, b'/' | b'-')) else {
        // A single number is more likely a word of a comment than a network of 16 million
        // addresses.
        let (octets, count) = dotted(text).filter(|(_, count)| *count > 1).ok_or(NO_ADDRESS)?;
        return Ok((filled(octets, count, 0), filled(octets, count, 255)));
    };
    let (octets, count) = dotted(&text[..at]).ok_or(NO_ADDRESS)?;
    if text[at] == b'/' {
        return network(octets, count, &text[at + 1..]);
    }
    let (mut end, end_count) = dotted(&text[at + 1..]).ok_or(NO_ADDRESS)?;
    if end_count == 1 && count > 1 {
        // A single number replaces the last octet that was given.
        let last = end[0];
        end = octets;
        end[count - 1] = last;
    } else if end_count != count {
        return Err("the ends of the range have different numbers of octets");
    }
    let (first, last) = (filled(octets, count, 0), filled(end, count, 255));
    if first <= last { Ok((first, last)) } else { Err("the range ends before it begins") }
}

/// Reads an address, the first octets of one, or a network.
pub(super) fn cidr(text: &[u8]) -> Result<(u32, u32), &'static str> {
    if text.contains(&b'-') { Err("ranges are not allowed here; write networks") } else { range(text) }
}

/// Reads a whole address.
pub(super) fn single(text: &[u8]) -> Result<(u32, u32), &'static str> {
    match dotted(text) {
        Some((octets, 4)) => Ok((u32::from_be_bytes(octets), u32::from_be_bytes(octets))),
        _ => Err("only whole IPv4 addresses are allowed here"),
    }
}

/// Reads an address, a network, or the first words of an address, which stand for a network.
pub(super) fn cidr6(text: &[u8]) -> Result<(u128, u128), &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| NO_ADDRESS6)?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits.as_bytes()).ok_or("invalid prefix length")?)),
        None => (text, None),
    };
    let words = address.split(':').count();
    if words == 1 && bits.is_none() {
        return Err(NO_ADDRESS6);
    }
    let open = !address.contains("::") && words < 8;
    let whole: Ipv6Addr =
        if open { format!("{address}::") } else { address.to_owned() }.parse().map_err(|_| NO_ADDRESS6)?;
    let implied = if open { 16 * words as u32 } else { 128 };
    let (first, bits) = (u128::from(whole), bits.unwrap_or(implied));
    let hosts = u128::MAX.unbounded_shr(bits);
    match bits {
        0..=128 if first & hosts == 0 => Ok((first, first | hosts)),
        0..=128 => Err("bits behind the prefix length are set"),
        _ => Err("invalid prefix length"),
    }
}

/// Reads the four words of a /64 or, in an exclusion, an address (`ip6tset`).
pub(super) fn words6(text: &[u8], excluded: bool) -> Result<(u128, u128), &'static str> {
    if text.contains(&b'/') {
        return Err("prefix lengths are not allowed here; every entry is a /64");
    }
    let (first, last) = cidr6(text)?;
    match last - first {
        0 if excluded => Ok((first, last)),
        hosts if hosts == u128::from(u64::MAX) && !excluded => Ok((first, last)),
        _ => Err("write the four words of a /64, or exclude a whole address"),
    }
}

fn network(octets: [u8; 4], count: usize, bits: &[u8]) -> Result<(u32, u32), &'static str> {
    let bits = number(bits).ok_or("invalid prefix length")?;
    let first = filled(octets, count, 0);
    let hosts = u32::MAX.unbounded_shr(bits);
    match bits {
        0..=32 if first & hosts == 0 => Ok((first, first | hosts)),
        0..=32 => Err("bits behind the prefix length are set"),
        _ => Err("invalid prefix length"),
    }
}

fn filled(mut octets: [u8; 4], count: usize, with: u8) -> u32 {
    octets[count..].fill(with);
    u32::from_be_bytes(octets)
}
