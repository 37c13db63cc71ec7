//! A `combined` dataset for rbldnsd: one file with the zone and its sublists as subzones.
//!
//! For an address with several values, rbldnsd returns all of them from an `ip4set`, but only the
//! first from an `ip6trie`.

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;

use super::master::soa;
use super::networks::{networks, short};
use crate::zone::{ListedAnswer, ListedRange, ZoneContents, ZonePart};

/// Writes a zone and its sublists.
///
/// # Errors
/// Any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let apex = contents.apex();
    let (ttl, numbers) = soa(contents);
    writeln!(out, "$SOA {ttl} {} {} {numbers}", apex.soa.primary, apex.soa.mailbox)?;
    if !apex.ns.is_empty() {
        let names: Vec<String> = apex.ns.iter().map(ToString::to_string).collect();
        writeln!(out, "$NS {} {}", apex.ns_ttl, names.join(" "))?;
    }
    for part in contents.parts() {
        for (kind, family) in
            [("ip4set", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("ip6trie", IpAddr::is_ipv6)]
        {
            data_set(part, kind, family, out)?;
        }
    }
    Ok(())
}

/// A network as rbldnsd reads it. rbldnsd reads an IPv4-mapped IPv6 address only in hexadecimal.
fn place(network: IpNet) -> String {
    match network.addr() {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            let words: Vec<String> = v6.segments().map(|word| format!("{word:x}")).to_vec();
            let words = words.join(":");
            if network.prefix_len() == 128 { words } else { format!("{words}/{}", network.prefix_len()) }
        }
        _ => short(network),
    }
}

fn data_set(
    part: ZonePart<'_>,
    kind: &str,
    family: fn(&IpAddr) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let all = || part.listed().filter(|listed| family(&listed.first));
    if all().next().is_none() {
        return Ok(());
    }
    writeln!(out, "$DATASET {kind} {}", part.label.unwrap_or("@"))?;
    // A dataset has one TTL. The lowest TTL is used, so that no record is cached after its listing
    // ends. Test entries do not end, so they count only if there are no others. A TTL of 0 would
    // mean rbldnsd's default.
    let ttls = |listed: ListedRange<'_>| listed.said.iter().map(|said| said.ttl).min();
    let least = all().filter(|listed| !listed.is_test).filter_map(ttls).min();
    let least = least.or_else(|| all().filter_map(ttls).min());
    writeln!(out, "$TTL {}", least.unwrap_or_default().max(1))?;
    let mut default = Vec::new();
    for ListedRange { first, last, said, .. } in all() {
        for ListedAnswer { value, text, .. } in said {
            let mut line = format!(":{value}:").into_bytes();
            line.extend(text.map_or(&b""[..], |text| text.octets()));
            if line != default {
                out.write_all(&line)?;
                writeln!(out)?;
                default = line;
            }
            for network in networks(first, last) {
                writeln!(out, "{}", place(network))?;
            }
        }
    }
    Ok(())
}
