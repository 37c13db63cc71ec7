//! Response rate limiting: bounds the traffic that queries with a forged source address direct at
//! the owner of that address.

use std::net::IpAddr;

use crate::zone::QueryName;

/// The number of cells in a table of counters. Several keys can share a cell; the cell counts the
/// most frequent of them.
const CELLS: usize = 1 << 14;
/// The lengths of the networks whose responses are counted together.
const IPV4_NETWORK_BITS: u32 = 24;
const IPV6_NETWORK_BITS: u32 = 56;
/// Keeps the numbers of IPv6 networks apart from those of IPv4 networks.
const IPV6_MARK: u64 = 1 << 63;

/// Limits in responses per second. A limit of zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimits {
    /// Responses to the same question from one network, an IPv4 /24 or an IPv6 /56.
    pub identical: u32,
    /// All responses to one network.
    pub network: u32,
    /// Errors and refusals to one network. Such responses count as responses to the network too.
    pub error: u32,
    /// One of this many responses above the limit is sent without records and with TC set, so that
    /// a real client retries over TCP. Zero sends none of them.
    pub slip: u8,
}

/// What is done with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitDecision {
    /// The response is sent unchanged.
    Free,
    /// The response is sent without records, so that a real client retries over TCP or with a
    /// cookie.
    Slipped,
    /// The response is not sent.
    Held,
}

/// Which limit a response counts towards, besides the limit of its network.
#[derive(Clone, Copy, Debug)]
pub enum LimitClass<'q> {
    /// An answer from a zone: it counts by the name and the type of the question.
    Question(QueryName<'q>, u16),
    /// An error or refusal. All of them count as one question, because a forger can vary names and
    /// types at no cost.
    Error,
}

/// Counts responses. Each thread has its own limiter.
pub struct ResponseLimiter {
    limits: ResponseLimits,
    /// A secret, so that an attacker cannot choose which keys share a cell.
    seed: u64,
    identical: Counters,
    network: Counters,
    error: Counters,
    held: u8,
}

struct Counters {
    limit: u32,
    cells: Box<[Cell]>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    tag: u32,
    count: u32,
    /// The second of the last count.
    second: u32,
}

impl ResponseLimiter {
    /// A limiter without counts. `seed` must be secret.
    pub fn new(limits: ResponseLimits, seed: u64) -> Self {
        let counters = |limit| {
            let cells = if limit == 0 { 0 } else { CELLS };
            Counters { limit, cells: vec![Cell::default(); cells].into() }
        };
        ResponseLimiter {
            limits,
            seed: seed | 1,
            identical: counters(limits.identical),
            network: counters(limits.network),
            error: counters(limits.error),
            held: 0,
        }
    }

    /// Counts a response and decides what is done with it. `second` is the current time in seconds.
    pub fn pass(&mut self, client: IpAddr, counted: LimitClass<'_>, second: u32) -> LimitDecision {
        let network = mix(self.seed, network(client));
        let within = self.network.count(network, second);
        match counted {
            LimitClass::Question(name, query_type) => {
                if self.identical.count(question(network, name, query_type), second) && within {
                    return LimitDecision::Free;
                }
            }
            // The client would get the same error over TCP, so it has no reason to retry.
            LimitClass::Error if within && self.error.count(network, second) => return LimitDecision::Free,
            LimitClass::Error => return LimitDecision::Held,
        }
        self.held = self.held.wrapping_add(1);
        let slips = self.limits.slip != 0 && self.held.is_multiple_of(self.limits.slip);
        if slips { LimitDecision::Slipped } else { LimitDecision::Held }
    }
}

impl Counters {
    /// Counts one response, and returns whether it is within the limit.
    fn count(&mut self, hash: u64, second: u32) -> bool {
        let Some(last) = self.cells.len().checked_sub(1) else { return true };
        let tag = (hash >> 32) as u32;
        let cell = &mut self.cells[hash as usize & last];
        let elapsed = second.wrapping_sub(cell.second);
        if elapsed != 0 {
            // A leaky bucket: the count falls by the limit every second.
            cell.count = cell.count.saturating_sub(self.limit.saturating_mul(elapsed));
            cell.second = second;
        }
        if cell.tag == tag {
            cell.count = cell.count.saturating_add(1).min(self.limit.saturating_mul(2));
            return cell.count <= self.limit;
        }
        // The most frequent key keeps the cell, however many other keys share it.
        cell.count = cell.count.saturating_sub(1);
        if cell.count == 0 {
            (cell.tag, cell.count) = (tag, 1);
        }
        true
    }
}

/// The network of a client as a number: an IPv4 /24 or an IPv6 /56, which is likely to belong to
/// one operator.
fn network(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> (u32::BITS - IPV4_NETWORK_BITS)),
        IpAddr::V6(v6) => (u128::from(v6) >> (u128::BITS - IPV6_NETWORK_BITS)) as u64 | IPV6_MARK,
    }
}

/// Mixes a value into a hash. The seed is unknown outside, so the result cannot be predicted.
fn mix(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (product >> 64) as u64 ^ product as u64
}

fn question(seed: u64, name: QueryName<'_>, query_type: u16) -> u64 {
    let mut hash = mix(seed, u64::from(query_type));
    let (words, rest) = name.octets().as_chunks::<8>();
    for word in words {
        // Names that differ only in case are the same question.
        hash = mix(hash, u64::from_le_bytes(*word) | 0x2020_2020_2020_2020);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last) | 0x2020_2020_2020_2020)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::numbers::{TYPE_A, TYPE_TXT};

    const WIRE: &[u8] = b"\x012\x010\x010\x03127\x02bl\x07example\x00";

    fn asked(wire: &[u8], query_type: u16) -> LimitClass<'_> {
        LimitClass::Question(QueryName::read(wire).unwrap().0, query_type)
    }

    fn limiter(identical: u32, network: u32, slip: u8) -> ResponseLimiter {
        ResponseLimiter::new(ResponseLimits { identical, network, error: 5, slip }, 99)
    }

    #[test]
    fn rrl_n7_identical_questions_are_bounded_and_every_second_one_slips() {
        let client = "192.0.2.1".parse().unwrap();
        let mut limiter = limiter(10, 0, 2);
        let mut passages =
            |now| (0..30).map(|_| limiter.pass(client, asked(WIRE, TYPE_A), now)).collect::<Vec<_>>();
        let count =
            |passages: &[LimitDecision], of| passages.iter().filter(|passage| **passage == of).count();
        let first = passages(7);
        assert_eq!(count(&first, LimitDecision::Free), 10);
        assert_eq!(count(&first, LimitDecision::Slipped), 10);
        // One second later the bucket is not empty yet.
        assert!(count(&passages(8), LimitDecision::Free) < 10);
        assert_eq!(count(&passages(100), LimitDecision::Free), 10);
    }

    #[test]
    fn rrl_n7_other_questions_and_other_networks_pass() {
        let mut limiter = limiter(3, 0, 0);
        let (client, other) = ("192.0.2.1".parse().unwrap(), "192.0.3.1".parse().unwrap());
        for _ in 0..50 {
            limiter.pass(client, asked(WIRE, TYPE_A), 5);
        }
        assert_eq!(limiter.pass(client, asked(WIRE, TYPE_A), 5), LimitDecision::Held);
        assert_eq!(
            limiter.pass(client, asked(&WIRE.to_ascii_uppercase(), TYPE_A), 5),
            LimitDecision::Held,
            "case is ignored"
        );
        assert_eq!(limiter.pass(client, asked(WIRE, TYPE_TXT), 5), LimitDecision::Free);
        assert_eq!(limiter.pass(other, asked(WIRE, TYPE_A), 5), LimitDecision::Free);
    }

    /// A flood of varied questions must not displace the counters of another flood.
    #[test]
    fn rrl_n7_a_flood_is_seen_among_many_others() {
        let mut limiter = limiter(20, 0, 0);
        let client = "192.0.2.1".parse().unwrap();
        let (mut held, mut wire) = (0, WIRE.to_vec());
        for nth in 0..20_000u32 {
            for other in 0..8 {
                wire[1] = b'0' + other;
                limiter.pass(
                    IpAddr::V4((nth * 8 + u32::from(other) * 977).wrapping_mul(2_654_435_761).into()),
                    asked(&wire, TYPE_A),
                    5,
                );
            }
            held += usize::from(limiter.pass(client, asked(WIRE, TYPE_A), 5) == LimitDecision::Held);
        }
        assert!(held > 10_000, "{held}");
    }

    #[test]
    fn rrl_n7_a_network_has_a_limit_of_its_own() {
        let mut limiter = limiter(0, 5, 0);
        let mut wire = WIRE.to_vec();
        let passed = (0..20u8).filter(|nth| {
            wire[1] = b'a' + nth;
            let client = IpAddr::from([0x2001, 0xdb8, 0, 0x100, 0, 0, 0, u16::from(*nth)]);
            limiter.pass(client, asked(&wire, TYPE_A), 5) == LimitDecision::Free
        });
        assert_eq!(passed.count(), 5);
    }

    #[test]
    fn rrl_n7_errors_are_one_however_they_are_asked_for_and_never_slip() {
        let (client, mut limiter) = ("192.0.2.1".parse().unwrap(), limiter(0, 0, 1));
        let passages: Vec<LimitDecision> =
            (0..9).map(|_| limiter.pass(client, LimitClass::Error, 5)).collect();
        assert_eq!(passages, [[LimitDecision::Free; 5].as_slice(), &[LimitDecision::Held; 4]].concat());
        assert_eq!(limiter.pass(client, asked(WIRE, TYPE_A), 5), LimitDecision::Free);
    }
}
