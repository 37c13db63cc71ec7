//! Finds the injector of an original in the Received field that the relay wrote.

use std::net::IpAddr;

use crate::mail::ReceivedHop;

/// The client address in the topmost, newest Received field of the returned original.
///
/// Every field below the topmost one can be forged. If the topmost one gives no client address, as
/// after a local submission, the injector is unknown. The same holds for a loopback address: after
/// a content filter the next field would be the relay's own, but a program on a shared host that
/// submits mail to the local port can write that next field itself.
pub(super) fn injector(newest: &ReceivedHop) -> Option<IpAddr> {
    newest.from_address.filter(|address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Header, newest_hop};

    fn of(lines: &[&str]) -> Option<String> {
        let header: String = lines.iter().map(|line| format!("Received: {line}\n")).collect();
        let newest = newest_hop(&Header::parse(header.as_bytes()))?;
        injector(&newest).map(|address| address.to_string())
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
    fn what_stands_below_loopback_is_anybodys() {
        for top in [
            "from localhost (localhost [127.0.0.1]) by mx.relay.example (amavisd)",
            "from web7 (web7.relay.example [127.0.0.1]) by mx.relay.example (Postfix)",
            "from localhost (localhost [IPv6:::1]) by mx.relay.example (Postfix)",
        ] {
            assert_eq!(of(&[top, FORGED]), None, "{top}");
            assert_eq!(of(&[top, "from a (b [203.0.113.9]) by in.relay.example (Postfix)"]), None, "{top}");
        }
    }
}
