//! The texts of TXT records. One template serves all addresses that have the same text.

use std::fmt::Write;
use std::net::IpAddr;

use crate::digest::Digest;

/// Greatest number of octets of the single string in a TXT record (RFC 1035 §3.3.14, RFC 5782
/// §2.1).
pub const TXT_OCTETS_MAX: usize = 255;

/// A text in which `$` stands for the address that was asked for, and `$$` for one dollar sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextTemplate<'z>(&'z [u8]);

/// The text of one TXT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxtText<'z> {
    /// A template, filled in with an address.
    About(TextTemplate<'z>, IpAddr),
    /// A text without placeholders.
    Plain(&'z [u8]),
    /// The state of a zone, for monitoring.
    Status(ZoneStatus),
}

/// The state of a zone, for monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneStatus {
    /// The serial number of the zone's SOA.
    pub serial: u32,
    /// Seconds since the data was last known to be up to date.
    pub age: i64,
    /// The number of listed prefixes.
    pub entries: usize,
    /// The digest of the zone's configuration file.
    pub policy: Digest,
    /// Whether the zone was shut down (RFC 6471 §3.4).
    pub shut_down: bool,
}

impl<'z> TextTemplate<'z> {
    /// A template with these octets.
    pub const fn new(octets: &'z [u8]) -> Self {
        TextTemplate(octets)
    }

    /// The octets of the template, with its placeholders.
    pub const fn octets(self) -> &'z [u8] {
        self.0
    }

    /// Fills in an address. A mapped IPv4 address is written as the IPv4 address.
    pub const fn about(self, address: IpAddr) -> TxtText<'z> {
        TxtText::About(self, address.to_canonical())
    }
}

impl TxtText<'_> {
    /// Writes the text into `buffer` and returns the part that was written. A longer text is cut
    /// after [`TXT_OCTETS_MAX`] octets.
    pub fn write<'b>(&self, buffer: &'b mut [u8; TXT_OCTETS_MAX]) -> &'b [u8] {
        let mut out = Cut { buffer, length: 0 };
        match self {
            TxtText::About(template, address) => out.put_about(*template, *address),
            TxtText::Plain(octets) => out.put(octets),
            TxtText::Status(status) => out.put_status(status),
        }
        out.into_octets()
    }

    /// The text as octets, at most [`TXT_OCTETS_MAX`] of them.
    pub fn to_octets(self) -> Vec<u8> {
        self.write(&mut [0; TXT_OCTETS_MAX]).to_vec()
    }
}

/// A writer that drops whatever does not fit into its buffer.
struct Cut<'b> {
    buffer: &'b mut [u8; TXT_OCTETS_MAX],
    length: usize,
}

impl<'b> Cut<'b> {
    fn put(&mut self, octets: &[u8]) {
        let room = &mut self.buffer[self.length..];
        let length = octets.len().min(room.len());
        room[..length].copy_from_slice(&octets[..length]);
        self.length += length;
    }

    fn put_about(&mut self, template: TextTemplate<'_>, address: IpAddr) {
        let mut parts = template.0.split(|octet| *octet == b'$');
        self.put(parts.next().unwrap_or_default());
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            match (part.is_empty(), parts.peek()) {
                // Two dollar signs stand for one.
                (true, Some(next)) => {
                    self.put(b"$");
                    self.put(next);
                    parts.next();
                }
                _ => {
                    // Writing to `Cut` never fails.
                    let _ = write!(self, "{address}");
                    self.put(part);
                }
            }
        }
    }

    fn put_status(&mut self, status: &ZoneStatus) {
        let ZoneStatus { serial, age, entries, policy, shut_down } = status;
        let state = if *shut_down { "closed" } else { "ok" };
        let _ = write!(
            self,
            "v=1 serial={serial} data_age={age} entries={entries} state={state} policy={policy}"
        );
    }

    fn into_octets(self) -> &'b [u8] {
        &self.buffer[..self.length]
    }
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str) -> String {
        let about = TextTemplate::new(template.as_bytes()).about("192.0.2.99".parse().unwrap());
        String::from_utf8(about.to_octets()).unwrap()
    }

    #[test]
    fn a_dollar_sign_is_the_address_and_two_are_one() {
        assert_eq!(text("see $"), "see 192.0.2.99");
        assert_eq!(text("$ at $."), "192.0.2.99 at 192.0.2.99.");
        assert_eq!(text("wants $$$$, see $"), "wants $$, see 192.0.2.99");
        assert_eq!(text("$$"), "$");
        assert_eq!(text("$$$"), "$192.0.2.99");
        assert_eq!(text(""), "");
        assert_eq!(TxtText::Plain(b"$1").to_octets(), b"$1");
    }

    #[test]
    fn no_text_is_longer_than_a_string() {
        assert_eq!(text(&"x".repeat(300)).len(), TXT_OCTETS_MAX);
        assert_eq!(text(&format!("{}$", "x".repeat(250))), format!("{}192.0", "x".repeat(250)));
    }
}
