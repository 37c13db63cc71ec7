//! Addresses of relays, the prefixes that are listed, and the addresses that may not be listed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::LazyLock;

use ipnet::IpNet;
use minicbor::{Decode, Encode};

/// The length of an IPv4 network that the hosts of one organisation are likely to share.
const IPV4_SHARED_BITS: u8 = 24;
/// The length of the prefix of an IPv6 site: the addresses that one operator is assumed to control.
pub const IPV6_SITE_BITS: u8 = 48;
/// The length of the prefix that a registry gives to an IPv6 provider at least.
const IPV6_PROVIDER_BITS: u8 = 32;
/// The length of the prefix of an IPv6 link, whose addresses a single host can use freely.
pub const IPV6_LINK_BITS: u8 = 64;

/// The IP address of the SMTP client that brought a report.
///
/// An IPv6 address that embeds an IPv4 address (IPv4-mapped, NAT64 `64:ff9b::/96`, 6to4
/// `2002::/16`) is stored as that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Relay(#[n(0)] IpAddr);

impl Relay {
    /// The relay at `address`.
    pub fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Relay(address),
            IpAddr::V6(v6) => Relay(embedded_ipv4(v6).map_or(address, IpAddr::V4)),
        }
    }

    /// The address of the relay.
    pub const fn address(self) -> IpAddr {
        self.0
    }

    /// The prefix that a single host can use freely: an IPv4 address itself, or the /64 around an
    /// IPv6 address. Limits per client count by it.
    pub fn line(self) -> Prefix {
        match self.0 {
            IpAddr::V4(_) => Prefix::host(self),
            IpAddr::V6(_) => Prefix::around(self.0, IPV6_LINK_BITS),
        }
    }

    /// The relays that share one turn in the look-ups: a single IPv4 address, or an IPv6 /48.
    pub fn lookup_group(self) -> Prefix {
        match self.0 {
            IpAddr::V4(_) => Prefix::host(self),
            IpAddr::V6(_) => Prefix::around(self.0, IPV6_SITE_BITS),
        }
    }

    /// The network that an injector is counted by if no table gives its autonomous system: an IPv4
    /// /16 or an IPv6 /32.
    pub fn network(self) -> InjectorNetwork {
        match self.0 {
            IpAddr::V4(v4) => InjectorNetwork::Ipv4(u16::from_be_bytes([v4.octets()[0], v4.octets()[1]])),
            IpAddr::V6(v6) => InjectorNetwork::Ipv6((u128::from(v6) >> 96) as u32),
        }
    }
}

/// The network of an injector. Addresses that probably belong to one organisation are one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum InjectorNetwork {
    /// The first 16 bits of an IPv4 address.
    #[n(0)]
    Ipv4(#[n(0)] u16),
    /// The first 32 bits of an IPv6 address.
    #[n(1)]
    Ipv6(#[n(0)] u32),
    /// The number of an autonomous system.
    #[n(2)]
    System(#[n(0)] u32),
}

impl fmt::Display for InjectorNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            InjectorNetwork::Ipv4(bits) => write!(f, "{}.{}.0.0/16", bits >> 8, bits & 0xff),
            InjectorNetwork::Ipv6(bits) => write!(f, "{}/32", Ipv6Addr::from(u128::from(bits) << 96)),
            InjectorNetwork::System(number) => write!(f, "AS{number}"),
        }
    }
}

/// A site of relays: addresses that one operator of relays is assumed to control. The guards of a
/// zone count additions by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum RelaySite {
    /// The IPv4 /24 or the IPv6 /48 around the relay, or its IPv6 /32.
    #[n(0)]
    Network(#[n(0)] Prefix),
    /// The organisation of the relay's confirmed name: a short digest of the registered domain.
    #[n(1)]
    Organisation(#[n(0)] NonZeroU32),
    /// The number of the autonomous system that announces the relay's address.
    #[n(2)]
    System(#[n(0)] NonZeroU32),
}

impl fmt::Display for RelaySite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelaySite::Network(prefix) => prefix.fmt(f),
            RelaySite::Organisation(_) => f.write_str("the organisation of its confirmed name"),
            RelaySite::System(number) => write!(f, "AS{number}"),
        }
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Relay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map_err(|_| format!("{text:?} is not an IPv4 or IPv6 address"))?;
        Ok(Relay::new(address))
    }
}

fn embedded_ipv4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(v4) = v6.to_ipv4_mapped() {
        return Some(v4);
    }
    let octets = v6.octets();
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            Some(Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]))
        }
        [0x2002, ..] => Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        _ => None,
    }
}

/// An address prefix: a network address and a prefix length, with all host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Prefix {
    #[n(0)]
    network: IpAddr,
    #[n(1)]
    length: u8,
}

impl Prefix {
    /// The prefix of a single address: /32 for IPv4, /128 for IPv6.
    pub fn host(relay: Relay) -> Self {
        Prefix { network: relay.0, length: if relay.0.is_ipv4() { 32 } else { 128 } }
    }

    /// The prefix of `length` bits around an address. A length too long for the address family
    /// makes it the single address.
    pub fn around(address: IpAddr, length: u8) -> Self {
        match IpNet::new(address, length) {
            Ok(net) => Prefix { network: net.trunc().addr(), length },
            Err(_) => Prefix::host(Relay(address)),
        }
    }

    /// The network that the hosts of one organisation are likely to share: an IPv4 /24 or an IPv6
    /// /48.
    pub fn shared(address: IpAddr) -> Self {
        Prefix::around(address, if address.is_ipv4() { IPV4_SHARED_BITS } else { IPV6_SITE_BITS })
    }

    /// The prefix that a registry gives to an IPv6 provider at least: a /32. `None` for IPv4.
    pub fn provider(address: IpAddr) -> Option<Self> {
        address.is_ipv6().then(|| Prefix::around(address, IPV6_PROVIDER_BITS))
    }

    /// Sorts before every other prefix that starts at this address.
    pub const fn lowest(network: IpAddr) -> Self {
        Prefix { network, length: 0 }
    }

    /// Sorts after every other prefix that starts at this address. It is a bound, not a valid
    /// prefix.
    pub const fn highest(network: IpAddr) -> Self {
        Prefix { network, length: u8::MAX }
    }

    /// The first address of the prefix.
    pub const fn network(self) -> IpAddr {
        self.network
    }

    /// The prefix length in bits.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// The last address of the prefix.
    pub fn last(self) -> IpAddr {
        IpNet::new(self.network, self.length).map_or(self.network, |net| net.broadcast())
    }

    /// Whether `address` lies within the prefix.
    pub fn contains(self, address: IpAddr) -> bool {
        IpNet::new(self.network, self.length).is_ok_and(|net| net.contains(&address))
    }

    /// Whether any address lies within both prefixes.
    pub fn overlaps(self, other: Prefix) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }
}

/// Writes `192.0.2.0/24`; a single address is written without its length.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.length) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => self.network.fmt(f),
            _ => write!(f, "{}/{}", self.network, self.length),
        }
    }
}

/// Parses an address, or a network with its length and without host bits.
impl std::str::FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(relay) = text.parse::<Relay>() {
            return Ok(Prefix::host(relay));
        }
        match text.parse::<IpNet>() {
            Ok(net) if net.trunc() == net => Ok(Prefix { network: net.addr(), length: net.prefix_len() }),
            Ok(net) => Err(format!("{text:?} has host bits; write {}", net.trunc())),
            Err(_) => Err(format!("{text:?} is neither an address nor a network such as 192.0.2.0/24")),
        }
    }
}

/// The special purpose of an address, for which it may not be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialPurpose {
    /// The purpose and its RFC, for people.
    pub what: &'static str,
}

/// Prefixes that are never listed (RFC 6471 §3.5), from the IANA special-purpose registries (RFC
/// 6890).
const SPECIAL_PURPOSE: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network (RFC 791)"),
    ("10.0.0.0/8", "private use (RFC 1918)"),
    ("100.64.0.0/10", "shared address space (RFC 6598)"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("169.254.0.0/16", "link local (RFC 3927)"),
    ("172.16.0.0/12", "private use (RFC 1918)"),
    ("192.0.0.0/24", "IETF protocol assignments (RFC 6890)"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.168.0.0/16", "private use (RFC 1918)"),
    ("198.18.0.0/15", "benchmarking (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/3", "multicast and reserved (RFC 5771, RFC 1112)"),
    ("::/128", "unspecified (RFC 4291)"),
    ("::1/128", "loopback (RFC 4291)"),
    ("::ffff:0:0/96", "IPv4-mapped (RFC 4291)"),
    ("64:ff9b::/96", "NAT64 (RFC 6052); the embedded IPv4 address is judged instead"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4 (RFC 3056); the embedded IPv4 address is judged instead"),
    ("fc00::/7", "unique local (RFC 4193)"),
    ("fe80::/10", "link local (RFC 4291)"),
    ("ff00::/8", "multicast (RFC 4291)"),
];

static SPECIAL_PURPOSE_NETS: LazyLock<Vec<(IpNet, &str)>> =
    LazyLock::new(|| SPECIAL_PURPOSE.iter().map(|&(prefix, what)| (net(prefix), what)).collect());

fn net(text: &str) -> IpNet {
    text.parse().expect("every network in the tables of this file parses; a unit test checks it")
}

/// The special purpose of an address, if it has one (`docs/STANDARDS.md` O14).
pub fn special_purpose(address: IpAddr) -> Option<SpecialPurpose> {
    let around = SPECIAL_PURPOSE_NETS.iter().find(|(net, _)| net.contains(&address));
    around.map(|&(_, what)| SpecialPurpose { what })
}

/// Which addresses may be listed.
///
/// These are all addresses without a special purpose, and those of the laboratory networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listable {
    /// Networks whose addresses may be listed in spite of a special purpose, in a laboratory.
    pub laboratory_networks: Vec<IpNet>,
}

impl Listable {
    /// Checks whether `address` may be listed.
    ///
    /// # Errors
    ///
    /// Returns the special purpose if the address has one and lies in no laboratory network.
    pub fn permits(&self, address: IpAddr) -> Result<(), SpecialPurpose> {
        match special_purpose(address) {
            Some(reason) if !self.laboratory_networks.iter().any(|net| net.contains(&address)) => Err(reason),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rfc6471_o14_special_purpose_addresses_are_never_listable() {
        let nobody = Listable::default();
        for address in [
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.2",
            "169.254.9.9",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.99",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.5",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fdff::1",
            "2001:db8::1",
            "ff02::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(nobody.permits(ip(address)).is_err(), "{address}");
        }
        for address in
            ["1.1.1.1", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2001:4860::1"]
        {
            assert!(nobody.permits(ip(address)).is_ok(), "{address}");
        }
    }

    #[test]
    fn rfc6471_o14_embedded_ipv4_is_judged_as_ipv4() {
        for (v6, v4) in [
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("64:ff9b::10.0.0.1", "10.0.0.1"),
            ("2002:a00:1::1", "10.0.0.1"),
            ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ] {
            assert_eq!(Relay::new(ip(v6)).address(), ip(v4), "{v6}");
        }
    }

    #[test]
    fn every_network_in_the_tables_parses() {
        for (prefix, _) in SPECIAL_PURPOSE {
            assert_eq!(net(prefix).trunc(), net(prefix));
        }
    }

    #[test]
    fn a_laboratory_lists_its_own_networks_only() {
        let lab = Listable { laboratory_networks: vec![net("198.18.0.0/24")] };
        assert!(lab.permits(ip("198.18.0.25")).is_ok());
        assert!(lab.permits(ip("198.18.1.25")).is_err());
    }

    #[test]
    fn lines_and_networks() {
        let one = Relay::new(ip("2a01:4f8::1:2:3:4"));
        assert_eq!(one.line().to_string(), "2a01:4f8::/64");
        assert!(one.line().contains(one.address()));
        assert_eq!(Relay::new(ip("192.0.2.9")).network().to_string(), "192.0.0.0/16");
        assert_eq!(Relay::new(ip("2a01:4f8::1")).network().to_string(), "2a01:4f8::/32");
    }
}
