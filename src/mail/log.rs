//! Lines of MTA logs that say: somebody brought mail from the null reverse-path for a mailbox that isn't there, and was turned away.

use std::net::IpAddr;

use super::Mailbox;

/// Longest line that is looked at, in octets.
pub const LOG_LINE_OCTETS_MAX: usize = 4 << 10;

/// Whom a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub client: IpAddr,
    pub helo: String,
    pub recipient: Mailbox,
}

/// Reads a line of Postfix's or Exim's, if it is one of those.
pub fn rejected(line: &str) -> Option<Rejected> {
    let line = &line[..line.floor_char_boundary(LOG_LINE_OCTETS_MAX)];
    postfix(line).or_else(|| exim(line))
}

/// `NOQUEUE: reject: RCPT from name[address]: 550 5.1.1 <recipient>: ...; from=<> to=<recipient> proto=ESMTP helo=<name>`
///
/// What the client said stands quoted between brackets, and none of it before the address.
fn postfix(line: &str) -> Option<Rejected> {
    let (_, rest) = line.split_once(": reject: RCPT from ")?;
    let (client, rest) = rest.split_once("]: ")?;
    let (_, address) = client.rsplit_once('[')?;
    // 4xx comes again, and was no refusal.
    if !rest.starts_with('5') {
        return None;
    }
    let (_, told) = rest.rsplit_once("; from=<> to=<")?;
    let (recipient, told) = told.split_once("> ")?;
    let helo = told.split_once("helo=<").and_then(|(_, helo)| helo.split('>').next()).unwrap_or_default();
    Some(Rejected {
        client: address.strip_prefix("IPv6:").unwrap_or(address).parse().ok()?,
        helo: helo.to_owned(),
        recipient: Mailbox::parse(recipient)?,
    })
}

/// `H=name (helo) [address] ... F=<> rejected RCPT <recipient>: ...`, with the interface, the cipher and the like between.
///
/// The client chose the helo, so the address is looked for behind its closing parenthesis.
fn exim(line: &str) -> Option<Rejected> {
    let (before, rest) = line.split_once(" F=<> rejected RCPT <")?;
    let (recipient, reason) = rest.split_once('>')?;
    if !(reason.is_empty() || reason.starts_with(": ")) {
        return None;
    }
    let (_, host) = before.split_once(" H=")?;
    let (named, behind) = match host.split_once('(') {
        Some((_, rest)) => rest.rsplit_once(") [")?,
        None => host.split_once(" [")?,
    };
    let (address, _) = behind.split_once(']')?;
    Some(Rejected {
        client: address.parse().ok()?,
        helo: named.trim().to_owned(),
        recipient: Mailbox::parse(recipient)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_name_the_client_the_mailbox_and_nothing_that_the_client_made_up() {
        let read = |line: &str| {
            rejected(line).map(|found| (found.client.to_string(), found.helo, found.recipient.to_string()))
        };
        let some = |client: &str, helo: &str, recipient: &str| {
            Some((client.to_owned(), helo.to_owned(), recipient.to_owned()))
        };
        for (line, want) in [
            (
                "Nov 25 12:00:00 mx postfix/smtpd[411]: NOQUEUE: reject: RCPT from mail.relay.example[198.18.0.25]: 550 5.1.1 <dead@trap.example>: Recipient address rejected: User unknown in virtual mailbox table; from=<> to=<dead@trap.example> proto=ESMTP helo=<mail.relay.example>",
                some("198.18.0.25", "mail.relay.example", "dead@trap.example"),
            ),
            (
                "Nov 25 12:00:00 mx postfix/smtpd[411]: NOQUEUE: reject: RCPT from unknown[2001:db8::25]: 554 5.7.1 <dead@trap.example>: Recipient address rejected: Access denied; from=<> to=<dead@trap.example> proto=SMTP helo=<x>",
                some("2001:db8::25", "x", "dead@trap.example"),
            ),
            // Later, or from somebody: no report that was refused.
            (
                "mx postfix/smtpd[411]: NOQUEUE: reject: RCPT from a[198.18.0.25]: 450 4.1.1 <d@t.example>: x; from=<> to=<d@t.example> proto=SMTP helo=<x>",
                None,
            ),
            (
                "mx postfix/smtpd[411]: NOQUEUE: reject: RCPT from a[198.18.0.25]: 550 5.1.1 <d@t.example>: x; from=<u@a.example> to=<d@t.example> proto=SMTP helo=<x>",
                None,
            ),
            (
                "2026-11-25 12:00:00 H=mail.relay.example (helo.example) [198.18.0.25] F=<> rejected RCPT <dead@trap.example>: Unrouteable address",
                some("198.18.0.25", "helo.example", "dead@trap.example"),
            ),
            (
                "2026-11-25 12:00:00 H=(he) [192.0.2.1] lo) [198.18.0.25]:4711 I=[192.0.2.9]:25 X=TLS1.3:X:256 CV=no F=<> rejected RCPT <dead@trap.example>: Unrouteable address",
                some("198.18.0.25", "he) [192.0.2.1] lo", "dead@trap.example"),
            ),
            (
                "2026-11-25 12:00:00 H=(helo) [198.18.0.25] X=TLS1.3:ECDHE:256 CV=no F=<> rejected RCPT <dead@trap.example>: no such user",
                some("198.18.0.25", "helo", "dead@trap.example"),
            ),
            (
                "2026-11-25 12:00:00 H=a [198.18.0.25] F=<u@a.example> rejected RCPT <dead@trap.example>: x",
                None,
            ),
            ("2026-11-25 12:00:00 1abc <= <> H=a [198.18.0.25] P=esmtp S=4711", None),
            ("", None),
        ] {
            assert_eq!(read(line), want, "{line}");
        }
    }
}
