//! Export of zones in the formats of other programs. Each format has one module and one row in
//! [`FORMS`].

mod bind;
mod cidr;
mod csv;
mod json;
mod master;
mod networks;
mod rbldnsd;
mod rpz;

use std::io::{self, Write};

use crate::zone::ZoneContents;

/// An export format.
#[derive(Clone, Copy, Debug)]
pub struct ExportForm {
    /// The name of the form on the command line.
    pub name: &'static str,
    /// The description of the form in help texts.
    pub meaning: &'static str,
    /// Writes a zone. It fails when the zone cannot be expressed in the format or the writer fails.
    pub write: fn(&ZoneContents<'_>, &mut dyn Write) -> io::Result<()>,
}

/// All formats.
pub const FORMS: &[ExportForm] = &[
    ExportForm { name: "rbldnsd", meaning: "a combined dataset for rbldnsd", write: rbldnsd::write },
    ExportForm { name: "bind", meaning: "a master file (RFC 1035 §5)", write: bind::write },
    ExportForm {
        name: "rpz",
        meaning: "a response policy zone (RPZ), with which a resolver answers DNSBL queries itself",
        write: rpz::write,
    },
    ExportForm {
        name: "cidr",
        meaning: "networks of the zone without its sublists, one per line",
        write: cidr::write,
    },
    ExportForm {
        name: "csv",
        meaning: "CSV rows of zone, network, value, codes and end (RFC 4180)",
        write: csv::write,
    },
    ExportForm { name: "json", meaning: "one JSON object, with one entry per line", write: json::write },
];

/// Finds a format by its name.
///
/// # Errors
/// When there is no such format; the error lists all names.
pub fn form(name: &str) -> Result<&'static ExportForm, String> {
    FORMS.iter().find(|form| form.name == name).ok_or_else(|| {
        let names: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
        format!("{name:?} is not an export format; use one of {}", names.join(", "))
    })
}
