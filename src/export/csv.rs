//! CSV (RFC 4180). A field that contains a comma, a quotation mark or a line end is quoted.

use std::io::{self, Write};

use csv_core::{Terminator, Writer, WriterBuilder};

use super::networks::{networks, real, short};
use crate::zone::{ListedAnswer, ZoneContents};

/// Writes a zone and its sublists as rows of zone, network, value, codes and end.
///
/// # Errors
/// Any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = CsvRows::new(out);
    rows.row(["zone", "network", "value", "codes", "until"])?;
    let origin = &contents.apex().origin;
    for part in contents.parts() {
        let zone = part.label.map_or_else(|| origin.to_string(), |label| format!("{label}.{origin}"));
        for listed in real(part.listed()) {
            let until = listed.until.map(|until| until.to_string()).unwrap_or_default();
            for network in networks(listed.first, listed.last).into_iter().map(short) {
                for ListedAnswer { value, codes, .. } in &listed.said {
                    rows.row([&zone, &network, &value.to_string(), &codes.join(" "), &until])?;
                }
            }
        }
    }
    Ok(())
}

/// Writes rows.
struct CsvRows<'o> {
    out: &'o mut dyn Write,
    writer: Writer,
    /// Holds one row.
    buffer: Vec<u8>,
}

impl<'o> CsvRows<'o> {
    fn new(out: &'o mut dyn Write) -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).build();
        CsvRows { out, writer, buffer: Vec::new() }
    }

    fn row(&mut self, fields: [&str; 5]) -> io::Result<()> {
        // A field has two quotation marks around it and, behind it, a comma or a line end. Within
        // it each quotation mark is doubled.
        let octets_max = fields.iter().map(|field| 2 * field.len() + 4).sum();
        self.buffer.resize(octets_max, 0);
        let mut end = 0;
        for (nth, field) in fields.into_iter().enumerate() {
            if nth > 0 {
                end += self.writer.delimiter(&mut self.buffer[end..]).1;
            }
            end += self.writer.field(field.as_bytes(), &mut self.buffer[end..]).2;
        }
        end += self.writer.terminator(&mut self.buffer[end..]).1;
        self.out.write_all(&self.buffer[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_would_break_its_row_is_quoted() {
        let mut out = Vec::new();
        let mut rows = CsvRows::new(&mut out);
        rows.row(["bl.example.", "192.0.2.0/24", "127.0.0.2", "one, two", ""]).unwrap();
        rows.row(["bl.example.", "192.0.2.9", "127.0.0.4", "say \"x\"\r\n", "2026-03-01T00:00:00Z"]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "bl.example.,192.0.2.0/24,127.0.0.2,\"one, two\",\r\n\
             bl.example.,192.0.2.9,127.0.0.4,\"say \"\"x\"\"\r\n\",2026-03-01T00:00:00Z\r\n"
        );
    }
}
