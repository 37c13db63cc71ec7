//! A response policy zone (RPZ): a resolver with this zone answers DNSBL queries itself, without a
//! query to the list's name servers.
//!
//! Its triggers are query names (QNAME), never the addresses of relays. Address triggers would
//! block all names of a host for the resolver's clients, although the list applies only to mail
//! from the null reverse-path. All names are relative, so that the zone can have any name.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::IpAddr;

use super::master::{owners, records, soa};
use crate::zone::{ListedRange, ZoneContents};

/// Whether a range is large enough to contain an IPv6 /16.
fn is_large_ipv6(listed: &ListedRange<'_>) -> bool {
    match (listed.first, listed.last) {
        (IpAddr::V6(first), IpAddr::V6(last)) => u128::from(last) - u128::from(first) >= (1 << 112) - 1,
        _ => false,
    }
}

/// Writes a zone and its sublists.
///
/// # Errors
/// Any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (ttl, numbers) = soa(contents);
    let origin = contents.apex().origin.to_string();
    let origin = origin.trim_end_matches('.');
    writeln!(out, "$TTL {ttl}")?;
    writeln!(out, "@ IN SOA localhost. hostmaster.localhost. {numbers}")?;
    writeln!(out, "@ IN NS localhost.")?;
    // Names that are not listed get NXDOMAIN (`CNAME .`). A wildcard does not match below an
    // existing name (RFC 4592 §2.2.1), so one is needed below the zone's name and below each name
    // that has names below it.
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
        // Owners are in ascending order, so that those with common rightmost labels follow each
        // other.
        let mut before: Vec<String> = Vec::new();
        for listed in part.listed() {
            for (owner, address) in owners(&listed) {
                let labels: Vec<String> = owner.rsplit('.').map(str::to_owned).collect();
                let shared = labels.iter().zip(&before).take_while(|(one, other)| one == other).count();
                for depth in shared + 1..labels.len() {
                    // The parent of a wildcard needs no further wildcard.
                    if labels[depth] != "*" {
                        let end: Vec<&str> = labels[..depth].iter().rev().map(String::as_str).collect();
                        writeln!(out, "*.{}.{below} IN CNAME .", end.join("."))?;
                    }
                }
                records(out, &format!("{owner}.{below}"), address, &listed.said)?;
                // The name of an IPv4 address of single digits is also the beginning of IPv6 names.
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
