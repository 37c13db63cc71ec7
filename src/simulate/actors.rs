//! The simulated relays, and the occasions on which mail in a trap's name reaches them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::messages::ReportStyle;
use crate::observe::DnsAnswers;
use crate::time::{Span, Timestamp};

/// One relay.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    /// The index of its kind in the world's `[[relays]]` tables.
    pub row: u16,
    /// The address of the relay.
    pub address: IpAddr,
    /// The mail server that its reports imitate.
    pub style: ReportStyle,
    /// When its activity begins, in milliseconds from the start of the simulation.
    pub begins: u64,
    /// When its activity ends, in milliseconds from the start of the simulation.
    pub ends: u64,
    /// Whether it has been repaired when its activity ends.
    pub is_repaired: bool,
    /// The mean time between two reports, in milliseconds. `None` if it reports only when attacked.
    pub gap: Option<u64>,
}

/// An occasion: forged mail in a trap's name reaches a relay.
#[derive(Clone, Copy, Debug)]
pub(super) struct MailOccasion {
    /// The number of the occasion.
    pub nth: u64,
    /// When it happens.
    pub at: Timestamp,
    /// The number of the relay.
    pub actor: u32,
    /// The number of the trap domain.
    pub trap_domain: u32,
    /// The host that hands the forged mail to the relay.
    pub injector: Ipv4Addr,
    /// The attack that it is a part of.
    pub attack: Option<Attack>,
    /// Whether the same report is sent a second time.
    pub again: bool,
}

/// An attack that an occasion is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attack {
    /// The index of the attacker's kind in the world's `[[attackers]]` tables.
    pub row: u16,
    /// The number of the attacker.
    pub attacker: u32,
}

/// What a relay sends to a trap on an occasion.
pub(super) struct MadeReport {
    /// The message. `None` for a session that ends before the message.
    pub message: Option<String>,
    /// The trap's address.
    pub trap: String,
    /// The relay's HELO name.
    pub helo: String,
    /// The address in MAIL FROM; `None` for the null reverse-path.
    pub reverse_path: Option<String>,
    /// The donor that hands the message on, if the relay does not deliver it itself.
    pub donor: Option<String>,
    /// The answers of the DNS about the relay.
    pub answers: DnsAnswers,
    /// How long after the report the answers come.
    pub answers_after: Span,
}

/// The name of a trap domain.
pub(super) fn trap_domain(number: u32) -> String {
    format!("t{number}.example")
}

/// The name of a domain that a relay serves; the first one is its own.
pub(super) fn served_domain(relay: u32, nth: u32) -> String {
    if nth == 0 { format!("r{relay}.example") } else { format!("r{relay}c{nth}.example") }
}

/// Whether a relay serves a domain.
pub(super) fn serves(relay: u32, domain: &str) -> bool {
    let rest = domain.strip_prefix(&format!("r{relay}"));
    rest.is_some_and(|rest| rest.starts_with(['.', 'c']))
}

/// The name of a domain of an attacker.
pub(super) fn attackers_domain(attacker: u32, nth: u64) -> String {
    format!("a{attacker}d{nth}.example")
}

/// The attacker who owns a domain.
pub(super) fn owner_of(domain: &str) -> Option<u32> {
    domain.strip_prefix('a')?.split_once('d')?.0.parse().ok()
}

/// The name of a donor who is an attacker.
pub(super) fn attacking_donor(attacker: u32) -> String {
    format!("attacker-{attacker}")
}

/// The address of a relay, distinct for every number below 2^24 and never special-purpose. `ipv6`
/// is the number of the relay whose /64 it is in.
pub(super) fn relay_address(number: u32, ipv6: Option<u32>) -> IpAddr {
    match ipv6 {
        // The second relay of a pair is in the /64 of the first.
        Some(network) => {
            // Each relay or pair has a /48 of its own.
            let high = (0x2a00_u128 << 112) | (u128::from(network) << 80);
            IpAddr::V6(Ipv6Addr::from(high | 0x25 | (u128::from(number) << 16)))
        }
        None => {
            let low = (number.wrapping_mul(8_191)) & 0x00ff_ffff;
            IpAddr::V4(Ipv4Addr::from((23 << 24) | low))
        }
    }
}

/// An address in a network that the relays of one kind share: an IPv6 /48, or an IPv4 /24.
pub(super) fn crowded_address(row: u16, nth: u64, ipv6: bool) -> IpAddr {
    if ipv6 {
        IpAddr::V6(Ipv6Addr::from(
            (0x2a02_u128 << 112) | (u128::from(row) << 80) | (u128::from(nth) << 64) | 0x25,
        ))
    } else {
        let low = u32::try_from(nth % 250).unwrap_or(0) + 1;
        IpAddr::V4(Ipv4Addr::from((29 << 24) | (u32::from(row) << 8) | low))
    }
}

/// The address of an injector in a network of the botnets or of an attacker.
pub(super) fn injector(network: u32, host: u64, attackers: bool) -> Ipv4Addr {
    let base: u32 = if attackers { 80 << 24 } else { 61 << 24 };
    let low = u32::try_from(host % 65_000).unwrap_or(0) + 10;
    Ipv4Addr::from(base.wrapping_add(network << 16) | low)
}

impl Actor {
    /// Whether the relay is active at this time from the start of the simulation.
    pub(super) fn is_active(&self, milliseconds: u64) -> bool {
        (self.begins..self.ends).contains(&milliseconds)
    }
}
