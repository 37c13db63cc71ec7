//! A plain list of networks in CIDR notation, one per line. Adjacent ranges are merged, so that the
//! list is as short as possible.

use std::io::{self, Write};
use std::net::IpAddr;

use super::networks::{networks, real, short};
use crate::zone::ZoneContents;

/// Writes the listed networks of the zone's own name, without sublists.
///
/// # Errors
/// Any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# {} serial {} at {}; for mail from the null reverse-path only",
        contents.apex().origin,
        contents.serial(),
        contents.now()
    )?;
    let mut open: Option<(IpAddr, IpAddr)> = None;
    let main = contents.parts().into_iter().find(|part| part.label.is_none());
    for listed in main.into_iter().flat_map(|part| real(part.listed())) {
        match &mut open {
            Some((_, last)) if next(*last) == Some(listed.first) => *last = listed.last,
            _ => {
                end(open.replace((listed.first, listed.last)), out)?;
            }
        }
    }
    end(open, out)
}

fn end(open: Option<(IpAddr, IpAddr)>, out: &mut dyn Write) -> io::Result<()> {
    for network in open.into_iter().flat_map(|(first, last)| networks(first, last)) {
        writeln!(out, "{}", short(network))?;
    }
    Ok(())
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}
