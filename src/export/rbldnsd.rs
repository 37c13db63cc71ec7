//! Data sets of rbldnsd: all in one file, as a `combined` one, which has its sublists as subzones.
//!
//! An `ip4set` has all that is said of an address; an `ip6trie` the first of it.

use std::io::{self, Write};
use std::net::IpAddr;

use super::master::soa;
use super::{networks, short};
use crate::zone::{Contents, Listed, Part, Said};

pub(super) fn write(contents: &Contents<'_>, out: &mut dyn Write) -> io::Result<()> {
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

fn data_set(part: Part<'_>, kind: &str, family: fn(&IpAddr) -> bool, out: &mut dyn Write) -> io::Result<()> {
    let mut all = part.listed().filter(|listed| family(&listed.first)).peekable();
    let Some(first) = all.peek() else { return Ok(()) };
    writeln!(out, "$DATASET {kind} {}", part.label.unwrap_or("@"))?;
    // One for the data set; what is about to end has less where each record has its own.
    writeln!(out, "$TTL {}", first.said.iter().map(|said| said.ttl).max().unwrap_or_default())?;
    let mut default = Vec::new();
    for Listed { first, last, said, .. } in all {
        for Said { value, text, .. } in said {
            let mut line = format!(":{value}:").into_bytes();
            line.extend(text.map_or(&b""[..], |text| text.octets()));
            if line != default {
                out.write_all(&line)?;
                writeln!(out)?;
                default = line;
            }
            for network in networks(first, last) {
                writeln!(out, "{}", short(network))?;
            }
        }
    }
    Ok(())
}
