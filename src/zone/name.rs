//! Domain names as far as a blocklist's zone needs them (RFC 1035 §2.3, RFC 5782 §2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Labels in lower case, the leftmost first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<String>);

impl Name {
    /// Reads a host or zone name: letters, digits, hyphens and underscores (RFC 1123 §2.1).
    pub fn parse(text: &str) -> Result<Self, String> {
        let labels: Vec<String> =
            text.trim_end_matches('.').split('.').map(str::to_ascii_lowercase).collect();
        let sound = |label: &String| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if labels.iter().all(sound) && text.len() <= 253 {
            Ok(Name(labels))
        } else {
            Err(format!("{text:?} is not a domain name"))
        }
    }

    /// Labels as they came over the wire; octets beyond US-ASCII can't be in this zone and match nothing.
    pub fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        Name(labels.map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect())
    }

    pub fn labels(&self) -> &[String] {
        &self.0
    }

    /// The labels left of an origin; `None` where the name doesn't lie under it.
    pub fn under<'a>(&'a self, origin: &Name) -> Option<&'a [String]> {
        self.0.strip_suffix(&origin.0[..])
    }

    pub fn is_under(&self, origin: &Name) -> bool {
        self.under(origin).is_some()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.0.join("."))
    }
}

/// What labels left of a blocklist's origin stand for: an address, or the start of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversed {
    Address(IpAddr),
    /// An empty non-terminal's place: the first `octets` of an IPv4 address.
    Ipv4Start {
        start: Ipv4Addr,
        octets: usize,
    },
    /// The first `nibbles` of an IPv6 address.
    Ipv6Start {
        start: Ipv6Addr,
        nibbles: usize,
    },
}

impl Reversed {
    /// All readings: up to four decimal labels for IPv4, up to 32 of one hexadecimal digit for IPv6 (RFC 5782 §2.1,
    /// §2.4). The start of a name can be both, such as `1`.
    pub fn readings(labels: &[String]) -> impl Iterator<Item = Reversed> {
        [ipv4(labels), ipv6(labels)].into_iter().flatten()
    }
}

fn ipv4(labels: &[String]) -> Option<Reversed> {
    let octets = labels.len();
    if !(1..=4).contains(&octets) {
        return None;
    }
    let mut address = [0; 4];
    for (octet, label) in address.iter_mut().zip(labels.iter().rev()) {
        let plain = label.bytes().all(|b| b.is_ascii_digit()) && (label == "0" || !label.starts_with('0'));
        *octet = label.parse().ok().filter(|_| plain)?;
    }
    let start = Ipv4Addr::from(address);
    Some(if octets == 4 { Reversed::Address(start.into()) } else { Reversed::Ipv4Start { start, octets } })
}

fn ipv6(labels: &[String]) -> Option<Reversed> {
    let nibbles = labels.len();
    if !(1..=32).contains(&nibbles) {
        return None;
    }
    let mut address: u128 = 0;
    for label in labels.iter().rev() {
        let mut digits = label.chars();
        let digit = digits.next()?.to_digit(16).filter(|_| digits.next().is_none())?;
        address = (address << 4) | u128::from(digit);
    }
    address = address.checked_shl(4 * (32 - nibbles as u32)).unwrap_or(0);
    let start = Ipv6Addr::from(address);
    Some(if nibbles == 32 { Reversed::Address(start.into()) } else { Reversed::Ipv6Start { start, nibbles } })
}

/// The labels under which an address stands in a blocklist's zone.
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(text: &str) -> Vec<Reversed> {
        Reversed::readings(Name::parse(text).unwrap().labels()).collect()
    }

    #[test]
    fn rfc5782_d5_addresses_are_read_backwards_and_only_whole() {
        assert_eq!(readings("99.2.0.192"), [Reversed::Address("192.0.2.99".parse().unwrap())]);
        let v6: IpAddr = "2001:db8::00ff:1".parse().unwrap();
        assert_eq!(readings(&reversed(v6)), [Reversed::Address(v6)]);
        assert_eq!(readings(&reversed(v6).to_uppercase()), [Reversed::Address(v6)]);
        assert_eq!(readings(&format!("0.{}", reversed(v6))), [], "33 nibbles");
        for wrong in ["256.0.0.127", "01.0.0.127", "a-b", "00", "1.2.3.4.5x"] {
            assert_eq!(readings(wrong), [], "{wrong}");
        }
    }

    #[test]
    fn a_start_is_a_start() {
        assert_eq!(
            readings("0.192"),
            [Reversed::Ipv4Start { start: "192.0.0.0".parse().unwrap(), octets: 2 }],
            "0.192 is no row of nibbles"
        );
        let both = readings("2.1");
        assert_eq!(both.len(), 2);
        assert_eq!(both[1], Reversed::Ipv6Start { start: "1200::".parse().unwrap(), nibbles: 2 });
    }

    #[test]
    fn names_lie_under_origins() {
        let origin = Name::parse("BL.Example.org.").unwrap();
        assert_eq!(origin.to_string(), "bl.example.org.");
        let name = Name::from_labels([b"A".as_slice(), b"bl", b"EXAMPLE", b"org"].into_iter());
        assert_eq!(name.under(&origin), Some(&["a".to_owned()][..]));
        assert_eq!(Name::parse("xbl.example.org").unwrap().under(&origin), None);
        for wrong in ["", "a..b", "under score", &"a".repeat(64)] {
            assert!(Name::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
