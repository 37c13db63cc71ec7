//! Parses Received fields, which record the hosts that a message passed through (RFC 5321 §4.4).

mod envelope;
mod forms;
mod line;
mod place;
mod segment;
mod submission;

#[cfg(test)]
mod samples;

use std::net::IpAddr;

pub use self::forms::{RECEIVED_FORMS, ReceivedForm};
use self::line::ReceivedLine;
pub use self::submission::SubmissionMark;
use super::{Header, Mailbox};

/// One Received field, as written by the host that received the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedHop {
    /// The address of the client that the receiving host saw. An address in the client's HELO name
    /// or reverse name is not used. If it is not clear which address the host wrote, it is unknown.
    pub from_address: Option<IpAddr>,
    /// The field shows an address of a client, but it is not clear that the host wrote it.
    pub has_unclear_address: bool,
    /// The host that wrote the field, from its `by` clause.
    pub by: Option<String>,
    /// The recipient in the `for` clause.
    pub recipient: Option<Mailbox>,
    /// The reverse-path, if the host notes it after the `by` clause.
    pub reverse_path: Option<Mailbox>,
    /// The field is qmail's note that the message came from the network. The next field names the
    /// client.
    pub is_qmail_note: bool,
    /// A user, script or webmail client of the host that wrote the field submitted the message.
    pub submission: Option<SubmissionMark>,
    /// The field says that a client brought the message, even if it does not give the client's
    /// address.
    pub names_client: bool,
}

/// Largest number of Received fields that are read.
const HOPS_MAX: usize = 30;

/// The Received fields of a header, newest first.
pub fn hops(header: &Header) -> impl Iterator<Item = ReceivedHop> {
    header.all("Received").take(HOPS_MAX).map(read)
}

/// The newest Received field of a header, except for qmail's note.
pub fn newest_hop(header: &Header) -> Option<ReceivedHop> {
    hops(header).find(|hop| !hop.is_qmail_note)
}

fn read(field: &str) -> ReceivedHop {
    let folded = field.to_ascii_lowercase();
    let line = ReceivedLine::new(field, &folded);
    let written_by_host = line.written_by_host();
    let is_qmail_note = folded.starts_with("(qmail ") && folded.contains(" invoked from network)");
    let submission = submission::mark(&folded);
    let from_address = client_address(&line);
    ReceivedHop {
        from_address,
        has_unclear_address: from_address.is_none() && forms::shows_address(line.from()),
        by: line.host(),
        recipient: written_by_host.and_then(envelope::recipient),
        reverse_path: written_by_host.and_then(envelope::reverse_path),
        is_qmail_note,
        submission,
        names_client: folded.split_ascii_whitespace().next() == Some("from") || is_qmail_note,
    }
}

/// The client's address.
///
/// A HELO name may contain `by`. One of the words `by` begins the clause that the host wrote, and
/// the text before that word gives the client's address or none. So the address is known if all of
/// them give the same one.
fn client_address(line: &ReceivedLine<'_>) -> Option<IpAddr> {
    let mut found = line.splits().iter().map(|split| forms::client_address(split.from, split.by));
    let address = found.next()??;
    found.all(|other| other == Some(address)).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_who_the_receiving_host_saw() {
        for (line, want) in [
            (
                "from botnet (spam.example [198.51.100.66])\tby relay.example (Postfix) with ESMTP",
                "198.51.100.66",
            ),
            ("from [203.0.113.9] (unknown [198.51.100.66]) by relay.example (Postfix)", "198.51.100.66"),
            ("from [198.51.100.66] (helo=botnet) by relay.example with esmtp (Exim 4.96)", "198.51.100.66"),
            ("from [198.51.100.66] (helo=[203.0.113.9]) by relay.example with esmtp", "198.51.100.66"),
            ("from spam.example ([198.51.100.66] helo=botnet) by relay.example", "198.51.100.66"),
            ("from [198.51.100.66] (port=4321 helo=evil) by relay.example with esmtp", "198.51.100.66"),
            ("from by (unknown [198.51.100.66]) by relay.example (Postfix)", "198.51.100.66"),
            ("from unknown (HELO x) (user@198.51.100.66) by 0 with SMTP", "198.51.100.66"),
            ("from spam.example (HELO [203.0.113.9]) (198.51.100.66) by 0 with SMTP", "198.51.100.66"),
            ("from x (x.example [IPv6:2001:db8::1]) by relay.example", "2001:db8::1"),
            ("from [203.0.113.9] by botnet.example with SMTP", "203.0.113.9"),
            (
                "from ex1.example (2001:db8::7) by ex2.example (2001:db8::8) with Microsoft SMTP Server",
                "2001:db8::7",
            ),
        ] {
            assert_eq!(read(line).from_address, want.parse().ok(), "{line}");
        }
        for line in [
            "(qmail 6636 invoked from network); 23 Nov 2026",
            "by relay.example (Postfix) id 9",
            "from by",
            "",
        ] {
            assert_eq!(read(line).from_address, None, "{line}");
        }
    }

    #[test]
    fn a_claimed_literal_alone_is_not_an_address_seen() {
        assert_eq!(read("from [203.0.113.9] (unknown) by relay.example (Postfix)").from_address, None);
    }

    #[test]
    fn the_writer_is_the_by_host() {
        assert_eq!(
            read("from a (b by c [192.0.2.1]) by Relay.Example (Postfix)").by.as_deref(),
            Some("relay.example")
        );
    }

    #[test]
    fn an_address_that_nobody_can_place_is_unclear() {
        for line in [
            "from a.example (192.0.2.7) by relay.example (Unheard-of 1.0) id 9; today",
            "from a.example [192.0.2.7] by relay.example; today",
            "from a ([203.0.113.9]) by b (a.example [192.0.2.7]) by relay.example (Postfix) id 9; today",
            "from a.example (a.example [192.0.2.7])",
        ] {
            let hop = read(line);
            assert!(hop.from_address.is_none() && hop.has_unclear_address, "{line}");
        }
        for line in [
            "from a.example (a.example [192.0.2.7]) by relay.example (Postfix) id 9; today",
            "from localhost (localhost) by relay.example (8.18.1/8.18.1) id 4AN6; today",
            "from Debian-exim by relay.example with local (Exim 4.98) id 1xV; today",
            "by relay.example (Postfix) id 9; 192.0.2.7",
            "",
        ] {
            assert!(!read(line).has_unclear_address, "{line}");
        }
    }

    #[test]
    fn an_ipv4_address_that_is_mapped_into_ipv6_is_an_ipv4_address() {
        let hop = read("from a (localhost [::ffff:127.0.0.1]) by relay.example with esmtp; today");
        assert_eq!(hop.from_address, "127.0.0.1".parse().ok());
    }

    #[test]
    fn a_field_that_may_have_been_cut_gives_nothing_that_the_host_wrote() {
        let helo = format!("x ([203.0.113.9]) by y for <a@b.example>; {}", "z".repeat(2_000));
        let hop = read(&format!("from {helo}"));
        assert_eq!((hop.from_address, hop.by, hop.recipient), (None, None, None));
    }

    #[test]
    fn rfc5321_the_envelope_is_what_the_host_wrote_after_by() {
        let envelope = |line: &str| {
            let hop = read(line);
            (hop.reverse_path.map(|path| path.to_string()), hop.recipient.map(|mailbox| mailbox.to_string()))
        };
        let sender = Some("u@b.example".to_owned());
        let recipient = Some("x@relay.example".to_owned());
        for (line, want) in [
            (
                "from a ([192.0.2.44] helo=b) by mx.relay.example with esmtp (Exim 4.98) (envelope-from <u@b.example>) id 1 \
                 for x@relay.example; today",
                (sender.clone(), recipient.clone()),
            ),
            (
                "from a (b [192.0.2.44]) by mx.relay.example (8.18.1/8.18.1) with ESMTP id 7 for <x@relay.example>; today \
                 (envelope-from u@b.example)",
                (sender.clone(), recipient.clone()),
            ),
            (
                "from for <v@c.example>; (b [192.0.2.44]) by mx.relay.example (Postfix) id 7; today",
                (None, None),
            ),
            (
                "from (envelope-from <v@c.example>) (b [192.0.2.44]) by mx.relay.example (Postfix) id 7 for \
                 <x@relay.example>; today",
                (None, recipient.clone()),
            ),
            (
                "from a by y (envelope-from <v@c.example>) for <v@c.example>; (b [192.0.2.44]) by mx.relay.example (Postfix) \
                 id 7; today",
                (None, None),
            ),
        ] {
            assert_eq!(envelope(line), want, "{line}");
        }
    }
}
