//! Response policy zones: a resolver that has one answers DNSBL queries by itself, without asking us.
//!
//! Its triggers are the names that are asked for, never the addresses of relays: those would hide whole hosts from all of the resolver's
//! clients, where the list means mail from the null reverse-path only. Names are relative, so that the zone may have any name.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::IpAddr;

use super::master::{owners, records, soa};
use crate::zone::{Contents, Listed};

/// Whether a stretch may hold a whole IPv6 /16.
fn is_large_ipv6(listed: &Listed<'_>) -> bool {
    match (listed.first, listed.last) {
        (IpAddr::V6(first), IpAddr::V6(last)) => u128::from(last) - u128::from(first) >= (1 << 112) - 1,
        _ => false,
    }
}

pub(super) fn write(contents: &Contents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (ttl, numbers) = soa(contents);
    let origin = contents.apex().origin.to_string();
    let origin = origin.trim_end_matches('.');
    writeln!(out, "$TTL {ttl}")?;
    writeln!(out, "@ IN SOA localhost. hostmaster.localhost. {numbers}")?;
    writeln!(out, "@ IN NS localhost.")?;
    // What is not listed doesn't exist: below the zone's name, and below each name that has something below it, for which
    // a wildcard further up doesn't stand (RFC 4592 §2.2.1).
    writeln!(out, "*.{origin} IN CNAME .")?;
    for part in contents.parts() {
        let below = part.label.map_or_else(|| origin.to_owned(), |label| format!("{label}.{origin}"));
        if part.label.is_some() {
            writeln!(out, "*.{below} IN CNAME .")?;
        }
        let listed_whole: BTreeSet<String> = part
            .listed()
            .filter(is_large_ipv6)
            .flat_map(|listed| owners(&listed).collect::<Vec<_>>())
            .map(|(owner, _)| owner)
            .collect();
        // Owners rise, so that those with an end in common follow each other.
        let mut before: Vec<String> = Vec::new();
        for listed in part.listed() {
            for (owner, address) in owners(&listed) {
                let labels: Vec<String> = owner.rsplit('.').map(str::to_owned).collect();
                let shared = labels.iter().zip(&before).take_while(|(one, other)| one == other).count();
                for depth in shared + 1..labels.len() {
                    // Nothing else lies below a wildcard's own parent.
                    if labels[depth] != "*" {
                        let end: Vec<&str> = labels[..depth].iter().rev().map(String::as_str).collect();
                        writeln!(out, "*.{}.{below} IN CNAME .", end.join("."))?;
                    }
                }
                records(out, &format!("{owner}.{below}"), address, &listed.said)?;
                // An address of single digits is the start of IPv6 addresses, too.
                let beneath = format!("*.{owner}");
                if labels.len() == 4
                    && labels.iter().all(|label| label.len() == 1)
                    && !listed_whole.contains(&beneath)
                {
                    writeln!(out, "{beneath}.{below} IN CNAME .")?;
                }
                before = labels;
            }
        }
    }
    Ok(())
}
