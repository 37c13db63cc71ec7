//! Query names, and the addresses that their labels stand for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::numbers::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX};

/// Greatest number of labels to the left of an origin that have a meaning: 32 nibbles, a sublist
/// and a key.
const LABELS_MAX: usize = 34;

/// A query name in uncompressed wire form, with its letters in the case in which they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryName<'q>(&'q [u8]);

impl<'q> QueryName<'q> {
    /// Reads the name at the start of `octets`, and returns it with the octets behind it. `None` if
    /// the name is compressed, cut off or too long.
    pub fn read(octets: &'q [u8]) -> Option<(Self, &'q [u8])> {
        let mut at = 0;
        loop {
            let length = usize::from(*octets.get(at)?);
            at += 1 + length;
            if length == 0 {
                let (name, rest) = octets.split_at_checked(at)?;
                return Some((QueryName(name), rest));
            }
            if length > LABEL_OCTETS_MAX || at >= NAME_OCTETS_MAX {
                return None;
            }
        }
    }

    /// The name in wire form.
    pub const fn octets(self) -> &'q [u8] {
        self.0
    }

    /// The labels to the left of an origin, which is given in wire form. `None` if the name is not
    /// the origin or below it.
    pub fn under(self, origin: &[u8]) -> Option<QueryLabels<'q>> {
        let left = self.0.len().checked_sub(origin.len())?;
        let (before, end) = self.0.split_at(left);
        if end.eq_ignore_ascii_case(origin) { QueryLabels::read(before) } else { None }
    }
}

/// The labels to the left of an origin, the leftmost first.
#[derive(Clone, Copy, Debug)]
pub struct QueryLabels<'q> {
    octets: &'q [u8],
    starts: [u8; LABELS_MAX],
    /// The number of labels. The places of those beyond `LABELS_MAX` are not kept.
    count: usize,
}

impl<'q> QueryLabels<'q> {
    /// Splits octets into labels. `None` if the octets end within a label: what follows them then
    /// was not an origin but a part of a label.
    fn read(octets: &'q [u8]) -> Option<Self> {
        let mut labels = QueryLabels { octets, starts: [0; LABELS_MAX], count: 0 };
        let mut at = 0;
        while at < octets.len() {
            if let Some(start) = labels.starts.get_mut(labels.count) {
                *start = at as u8;
            }
            labels.count += 1;
            at += 1 + usize::from(octets[at]);
        }
        (at == octets.len()).then_some(labels)
    }

    /// Whether the name is the origin itself.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn label(&self, nth: usize) -> &'q [u8] {
        let start = usize::from(self.starts[nth]);
        let length = usize::from(self.octets[start]);
        &self.octets[start + 1..start + 1 + length]
    }

    /// The label next to the origin, and the labels to the left of it. `None` if there is no label,
    /// or if there are more than can be kept.
    pub fn split_last(self) -> Option<(&'q [u8], Self)> {
        let nth = self.count.checked_sub(1)?;
        (nth < LABELS_MAX).then(|| (self.label(nth), QueryLabels { count: nth, ..self }))
    }

    /// Reads one to four decimal labels as an IPv4 address in reverse, or as the start of one (RFC
    /// 5782 §2.1).
    pub fn ipv4(&self) -> Option<AddressStart<Ipv4Addr>> {
        if !(1..=4).contains(&self.count) {
            return None;
        }
        let mut octets = [0; 4];
        for nth in 0..self.count {
            octets[self.count - 1 - nth] = decimal(self.label(nth))?;
        }
        Some(AddressStart { address: Ipv4Addr::from(octets), labels: self.count })
    }

    /// Reads 1 to 32 labels of one hexadecimal digit as an IPv6 address in reverse, or as the start
    /// of one (RFC 5782 §2.4).
    pub fn ipv6(&self) -> Option<AddressStart<Ipv6Addr>> {
        if !(1..=32).contains(&self.count) {
            return None;
        }
        let mut address: u128 = 0;
        for nth in (0..self.count).rev() {
            let [digit] = self.label(nth) else { return None };
            address = address << 4 | u128::from(char::from(*digit).to_digit(16)?);
        }
        let address = Ipv6Addr::from(address.unbounded_shl(4 * (32 - self.count as u32)));
        Some(AddressStart { address, labels: self.count })
    }
}

/// Reads a number from 0 to 255 that is written without leading zeros.
fn decimal(label: &[u8]) -> Option<u8> {
    let mut number: u16 = 0;
    let plain = matches!(label, [_] | [b'1'..=b'9', ..]) && label.len() <= 3;
    for digit in label.iter().filter(|_| plain) {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u16::from(digit);
    }
    u8::try_from(number).ok().filter(|_| plain)
}

/// An address, or the start of one if fewer labels were given. The start of a listed address is an
/// empty non-terminal (RFC 8020).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressStart<A> {
    /// The address. The bits that no label gave are zero.
    pub address: A,
    /// The number of labels that were given, of 4 for IPv4 and 32 for IPv6.
    pub labels: usize,
}

impl AddressStart<Ipv4Addr> {
    /// The address, if all 4 labels were given.
    pub fn whole(self) -> Option<Ipv4Addr> {
        (self.labels == 4).then_some(self.address)
    }

    /// The first and the last address that have this start.
    pub fn range(self) -> (u32, u32) {
        let first = u32::from(self.address);
        (first, first | u32::MAX.unbounded_shr(8 * self.labels as u32))
    }
}

impl AddressStart<Ipv6Addr> {
    /// The address, if all 32 labels were given.
    pub fn whole(self) -> Option<Ipv6Addr> {
        (self.labels == 32).then_some(self.address)
    }

    /// The first and the last address that have this start.
    pub fn range(self) -> (u128, u128) {
        let first = u128::from(self.address);
        (first, first | u128::MAX.unbounded_shr(4 * self.labels as u32))
    }

    /// The first and the last IPv4 address whose mapped address has this start (RFC 4291 §2.5.5.2).
    /// `None` if there are none.
    pub fn mapped(self) -> Option<(u32, u32)> {
        let (lowest, highest) = (0xffff << 32, 0xffff << 32 | u128::from(u32::MAX));
        let (first, last) = self.range();
        let (first, last) = (first.max(lowest), last.min(highest));
        (first <= last).then_some((first as u32, last as u32))
    }
}

/// The labels of an address in a DNSBL zone, without a dot at the end (RFC 5782 §2.1, §2.4).
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
    use crate::zone::DomainName;

    fn labels(text: &str) -> (Option<AddressStart<Ipv4Addr>>, Option<AddressStart<Ipv6Addr>>) {
        let wire = DomainName::parse(&format!("{text}.bl.example")).unwrap().to_wire();
        let (asked, rest) = QueryName::read(&wire).unwrap();
        assert!(rest.is_empty());
        let labels = asked.under(&DomainName::parse("BL.example").unwrap().to_wire()).unwrap();
        (labels.ipv4(), labels.ipv6())
    }

    #[test]
    fn rfc5782_d5_addresses_are_read_backwards_and_only_whole() {
        assert_eq!(labels("99.2.0.192").0.unwrap().whole(), Some("192.0.2.99".parse().unwrap()));
        let v6: Ipv6Addr = "2001:db8::00ff:1".parse().unwrap();
        for text in [reversed(v6.into()), reversed(v6.into()).to_uppercase()] {
            assert_eq!(labels(&text).1.unwrap().whole(), Some(v6));
        }
        assert_eq!(labels(&format!("0.{}", reversed(v6.into()))), (None, None), "33 nibbles");
        for wrong in ["256.0.0.127", "01.0.0.127", "a-b", "00", "1.2.3.4.5x", "1.2.3.4.5.6.7.xx", "1000"] {
            assert_eq!(labels(wrong), (None, None), "{wrong}");
        }
    }

    #[test]
    fn a_start_is_a_start() {
        let (v4, v6) = labels("0.192");
        assert_eq!(v4, Some(AddressStart { address: "192.0.0.0".parse().unwrap(), labels: 2 }));
        assert_eq!(v6, None, "0.192 is not a sequence of nibbles");
        assert_eq!(v4.unwrap().range(), (0xc000_0000, 0xc000_ffff));
        let (v4, v6) = labels("2.1");
        assert!(v4.is_some());
        assert_eq!(v6, Some(AddressStart { address: "1200::".parse().unwrap(), labels: 2 }));
        assert_eq!(
            v6.unwrap().range().1,
            u128::from("12ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse::<Ipv6Addr>().unwrap())
        );
    }

    #[test]
    fn an_origin_begins_at_a_label() {
        // The octets of the origin lie within a label.
        let inside = b"\x0cx\x02bl\x07example\x00";
        let (asked, _) = QueryName::read(inside).unwrap_or((QueryName(inside), &[]));
        assert!(asked.under(b"\x02bl\x07example\x00").is_none());
        let (asked, _) = QueryName::read(b"\x01x\x02bL\x07exAmple\x00rest").unwrap();
        assert_eq!(asked.under(b"\x02bl\x07example\x00").unwrap().label(0), b"x");
        assert!(asked.under(b"\x02bl\x07exampl2\x00").is_none());
    }

    #[test]
    fn names_that_are_none_are_not_read() {
        for wrong in [&b"\xc0\x0c"[..], b"\x03ab", b"", b"\x01a", &[1; 400], &[64; 80]] {
            assert!(QueryName::read(wrong).is_none(), "{wrong:?}");
        }
    }
}
