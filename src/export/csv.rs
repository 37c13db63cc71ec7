//! CSV (RFC 4180). No field contains a comma or a quotation mark, so no field is quoted.

use std::io::{self, Write};

use super::{networks, real, short};
use crate::zone::{ListedAnswer, ZoneContents};

/// Writes a zone and its sublists as rows of zone, network, value, codes and end.
///
/// # Errors
/// Any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "zone,network,value,codes,until\r\n")?;
    let origin = &contents.apex().origin;
    for part in contents.parts() {
        let zone = part.label.map_or_else(|| origin.to_string(), |label| format!("{label}.{origin}"));
        for listed in real(part.listed()) {
            let until = listed.until.map(|until| until.to_string()).unwrap_or_default();
            for network in networks(listed.first, listed.last).into_iter().map(short) {
                for ListedAnswer { value, codes, .. } in &listed.said {
                    write!(out, "{zone},{network},{value},{},{until}\r\n", codes.join(" "))?;
                }
            }
        }
    }
    Ok(())
}
