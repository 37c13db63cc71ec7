//! Master files (RFC 1035 §5) for BIND, NSD, Knot and other authoritative name servers.

use std::io::{self, Write};
use std::net::IpAddr;

use super::master::{owners, quoted, records, soa};
use crate::zone::ZoneContents;

/// Writes a zone as a master file.
///
/// # Errors
/// `InvalidInput` when the zone has no name servers; any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let apex = contents.apex();
    let (ttl, numbers) = soa(contents);
    let ttl = contents.closing().map_or(ttl, |(ttl, _)| ttl);
    writeln!(out, "$ORIGIN {}", apex.origin)?;
    writeln!(out, "$TTL {ttl}")?;
    writeln!(out, "@ {ttl} IN SOA {} {} {numbers}", apex.soa.primary, apex.soa.mailbox)?;
    if apex.ns.is_empty() {
        let problem =
            format!("{} has no name servers, which a master file requires: set them with $NS", apex.origin);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    for ns in &apex.ns {
        writeln!(out, "@ {} IN NS {ns}", apex.ns_ttl)?;
    }
    if let Some((ttl, text)) = contents.closing() {
        return writeln!(out, "@ {ttl} IN TXT {}", quoted(text.as_bytes()));
    }
    for address in &apex.addresses {
        let family = if matches!(address, IpAddr::V4(_)) { "A" } else { "AAAA" };
        writeln!(out, "@ {ttl} IN {family} {address}")?;
    }
    for part in contents.parts() {
        if let Some(label) = part.label {
            writeln!(out, "$ORIGIN {label}.{}", apex.origin)?;
        }
        for listed in part.listed() {
            for (owner, address) in owners(&listed) {
                records(out, &owner, address, &listed.said)?;
            }
        }
    }
    Ok(())
}
