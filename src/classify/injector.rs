//! Who handed the forged original to the relay, read from the lines that the relay wrote itself.

use std::net::IpAddr;

use crate::mail::Hop;
use crate::relay::is_internal;

/// Most internal hops that are followed behind a relay's border.
const INTERNAL_HOPS_MAX: usize = 5;

/// The address in the topmost Received line of the returned original (newest first).
///
/// Everything below the first line that came from outside can be forged. A line whose client is internal (loopback,
/// private) was one hop inside the relay's own house; the next line counts only where the same house wrote it.
pub(super) fn injector(hops: &[Hop]) -> Option<IpAddr> {
    let mut house: Option<&str> = None;
    for hop in hops.iter().filter(|hop| hop.from_address.is_some()).take(INTERNAL_HOPS_MAX) {
        let writer = hop.by.as_deref().map(organisation);
        if house.is_some() && writer != house {
            return None;
        }
        house = writer.or(house);
        match hop.from_address {
            Some(address) if !is_internal(address) => return Some(address),
            _ if house.is_none() => return None,
            _ => {}
        }
    }
    None
}

/// The last two labels of a host's name: enough to tell one house from another within one header.
fn organisation(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.');
    dots.next();
    dots.next().map_or(host, |(at, _)| &host[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, by: &str) -> Hop {
        Hop { from_address: from.parse().ok(), by: (!by.is_empty()).then(|| by.to_owned()) }
    }

    #[test]
    fn only_what_the_relay_wrote_itself_counts() {
        let want = |address: &str| address.parse::<IpAddr>().ok();
        let forged_below = [hop("198.51.100.66", "mx.relay.example"), hop("203.0.113.9", "botnet.example")];
        assert_eq!(injector(&forged_below), want("198.51.100.66"));
        let behind_a_filter = [
            hop("", ""),
            hop("127.0.0.1", "mx.relay.example"),
            hop("10.0.0.7", "gw.relay.example"),
            hop("198.51.100.66", "in.relay.example"),
        ];
        assert_eq!(injector(&behind_a_filter), want("198.51.100.66"));
        let another_house = [hop("127.0.0.1", "mx.relay.example"), hop("203.0.113.9", "mx.other.example")];
        assert_eq!(injector(&another_house), None);
        assert_eq!(injector(&[hop("10.0.0.1", "")]), None);
        assert_eq!(injector(&[]), None);
    }
}
