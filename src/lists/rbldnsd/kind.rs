//! The formats of lists.

use crate::zone::RepeatedEntries;

/// A list format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::lists) enum ListKind {
    /// IPv4 addresses and ranges. The entry of the finest of the levels /8, /16, /24 and /32 takes
    /// precedence.
    Ip4Set,
    /// IPv4 networks. The smallest network takes precedence.
    Ip4Trie,
    /// Single IPv4 addresses that all have the same value.
    Ip4Tset,
    /// IPv6 networks. The smallest network takes precedence.
    Ip6Trie,
    /// IPv6 /64 networks that all have the same value.
    Ip6Tset,
    /// Addresses and networks of both families, one a line.
    Addresses,
}

/// All formats, by their names on the command line.
pub(in crate::lists) const KINDS: [(&str, ListKind); 6] = [
    ("ip4set", ListKind::Ip4Set),
    ("ip4trie", ListKind::Ip4Trie),
    ("ip4tset", ListKind::Ip4Tset),
    ("ip6trie", ListKind::Ip6Trie),
    ("ip6tset", ListKind::Ip6Tset),
    ("addresses", ListKind::Addresses),
];

impl ListKind {
    /// Whether all entries of a list have the same value (a trivial set).
    pub(super) fn is_trivial(self) -> bool {
        matches!(self, ListKind::Ip4Tset | ListKind::Ip6Tset)
    }

    /// Whether entries may be IPv6 addresses.
    pub(super) fn has_ipv6(self) -> bool {
        matches!(self, ListKind::Ip6Trie | ListKind::Ip6Tset | ListKind::Addresses)
    }

    /// Which entries count if several list an address.
    pub(super) fn repeats(self) -> RepeatedEntries {
        match self {
            ListKind::Ip4Trie | ListKind::Ip6Trie => RepeatedEntries::First,
            ListKind::Ip4Set | ListKind::Ip4Tset | ListKind::Ip6Tset | ListKind::Addresses => {
                RepeatedEntries::All
            }
        }
    }
}
