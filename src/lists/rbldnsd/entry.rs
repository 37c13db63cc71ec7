//! Reads the lines of entries.

use super::kind::ListKind;
use super::places::{cidr, cidr6, range, single, words6};
use super::values::GivenValue;

/// A line that lists addresses, or excludes them.
pub(super) struct ListEntry<'l> {
    /// The addresses.
    pub place: ListPlace,
    /// The value of the addresses; `None` if they are excluded.
    pub value: Option<GivenValue<'l>>,
}

/// The first and the last address of an entry.
pub(super) enum ListPlace {
    /// IPv4 addresses.
    Ipv4(u32, u32),
    /// IPv6 addresses.
    Ipv6(u128, u128),
}

impl<'l> ListEntry<'l> {
    /// Reads a line of a list of one kind.
    ///
    /// # Errors
    /// When the addresses or their value cannot be read.
    pub(super) fn read(kind: ListKind, line: &'l [u8]) -> Result<Self, &'static str> {
        let (excluded, line) = match line {
            [b'!', rest @ ..] => (true, rest.trim_ascii_start()),
            line => (false, line),
        };
        let (place, rest) = line.split_at(place_end(kind, line));
        let rest = rest.trim_ascii_start();
        let given = match rest {
            [] | [b'#' | b';', ..] => GivenValue::default(),
            // The value of an exclusion is ignored.
            _ if excluded || kind.is_trivial() || kind == ListKind::Addresses => GivenValue::default(),
            rest => GivenValue::read(rest)?,
        };
        let v4 = |(first, last)| ListPlace::Ipv4(first, last);
        let v6 = |(first, last)| ListPlace::Ipv6(first, last);
        let place = match kind {
            ListKind::Ip4Set => v4(range(place)?),
            ListKind::Ip4Trie => v4(cidr(place)?),
            ListKind::Ip4Tset => v4(single(place)?),
            ListKind::Ip6Trie => v6(cidr6(place)?),
            ListKind::Ip6Tset => v6(words6(place, excluded)?),
            ListKind::Addresses if place.contains(&b':') => v6(cidr6(place)?),
            ListKind::Addresses => v4(cidr(place)?),
        };
        Ok(ListEntry { place, value: (!excluded).then_some(given) })
    }
}

/// The end of an entry's address: at a blank, a comment or a value.
fn place_end(kind: ListKind, line: &[u8]) -> usize {
    let mut network = false;
    let ends = |octet: &u8| match octet {
        b' ' | b'\t' | b'#' | b';' => true,
        b'/' => {
            network = true;
            false
        }
        // An IPv6 address contains colons.
        b':' => !kind.has_ipv6() || network,
        _ => false,
    };
    line.iter().position(ends).unwrap_or(line.len())
}
