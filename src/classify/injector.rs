//! Who handed the forged original to the relay, read from the lines that the relay wrote itself.

use std::net::IpAddr;

use crate::mail::Hop;

/// Most hops inside the relay itself that are followed: a content filter or two.
const INNER_HOPS_MAX: usize = 4;

/// The address in the topmost Received line of the returned original (newest first).
///
/// Everything below the first line that came from outside can be forged, so a topmost line that doesn't tell, such as
/// that of a local submission, ends the search. A line from loopback is a hop inside the relay, behind a content
/// filter; the next one counts only where the same host's house wrote it.
pub(super) fn injector(hops: &[Hop]) -> Option<IpAddr> {
    let mut house: Option<&str> = None;
    for hop in hops.iter().filter(|hop| !hop.is_qmail_note).take(INNER_HOPS_MAX) {
        let writer = hop.by.as_deref().map(organisation);
        if house.is_some() && writer != house {
            return None;
        }
        match hop.from_address {
            Some(address) if !address.is_loopback() => return Some(address),
            Some(_) if writer.is_some() => house = writer,
            _ => return None,
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
    use crate::mail::{Header, hops};

    fn of(lines: &[&str]) -> Option<String> {
        let header: String = lines.iter().map(|line| format!("Received: {line}\n")).collect();
        injector(&hops(&Header::parse(header.as_bytes()))).map(|address| address.to_string())
    }

    const FORGED: &str = "from a (b [203.0.113.9]) by c.relay.example with SMTP; today";

    #[test]
    fn the_topmost_line_tells_whatever_is_below_it() {
        for top in [
            "from botnet (unknown [198.51.100.66]) by mx.relay.example (Postfix)",
            "from by (unknown [198.51.100.66]) by mx.relay.example (Postfix)",
            "from [198.51.100.66] (port=4321 helo=evil) by mx.relay.example",
            "from unknown (HELO x) (user@198.51.100.66) by 0 with SMTP",
        ] {
            assert_eq!(of(&[top, FORGED]).as_deref(), Some("198.51.100.66"), "{top}");
            assert_eq!(
                of(&["(qmail 9 invoked from network); today", top, FORGED]).as_deref(),
                Some("198.51.100.66")
            );
        }
    }

    #[test]
    fn a_line_that_does_not_tell_ends_the_search() {
        for top in [
            "by mx.relay.example (Postfix, from userid 33) id 7; today",
            "from localhost by mx.relay.example",
            "from evil (unknown) by mx.relay.example (Postfix)",
            "from localhost (unknown [172.17.0.1]) by other.example",
            "(qmail 9 invoked by uid 89); today",
            "from Debian-exim by mx.relay.example with local (Exim 4.96)",
        ] {
            assert_ne!(of(&[top, FORGED]).as_deref(), Some("203.0.113.9"), "{top}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_filter_on_the_relay_itself_is_looked_through() {
        let filter = "from localhost (localhost [127.0.0.1]) by mx.relay.example (amavisd)";
        let outside = "from botnet (unknown [198.51.100.66]) by in.relay.example (Postfix)";
        assert_eq!(of(&[filter, filter, outside, FORGED]).as_deref(), Some("198.51.100.66"));
        assert_eq!(
            of(&[filter, "from a (b [203.0.113.9]) by mx.other.example"]),
            None,
            "another house wrote that"
        );
    }
}
