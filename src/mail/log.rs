//! Parses lines of MTA logs about rejected mail from the null reverse-path.

use std::net::IpAddr;

use super::Mailbox;

/// Longest part of a line that is parsed, in octets.
pub const LOG_LINE_OCTETS_MAX: usize = 4 << 10;

/// A rejection that a log line reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRejection {
    /// The address of the client that was rejected.
    pub client: IpAddr,
    /// The HELO name of the client; empty if the line does not give it.
    pub helo: String,
    /// The recipient that was rejected.
    pub recipient: Mailbox,
}

/// Parses a line of the log of Postfix or Exim. Returns `None` for any line that does not report a
/// permanent rejection of RCPT TO after MAIL FROM:<>.
pub fn rejected(line: &str) -> Option<LoggedRejection> {
    let line = &line[..line.floor_char_boundary(LOG_LINE_OCTETS_MAX)];
    postfix(line).or_else(|| exim(line))
}

/// Parses a line of Postfix: `NOQUEUE: reject: RCPT from name[address]: 550 5.1.1 <recipient>: ...;
/// from=<> to=<recipient> proto=ESMTP helo=<name>`
///
/// Text that the client chose is always between angle brackets and follows the address.
fn postfix(line: &str) -> Option<LoggedRejection> {
    // The first "]: " ends the tag of syslog, which no client can influence.
    let (tag, told) = line.split_once("]: ")?;
    let (_, process) = tag.rsplit_once("/smtpd[")?;
    if !is_number(process) {
        return None;
    }
    // This is NOQUEUE, or the queue id if an earlier recipient was accepted.
    let (queue, told) = told.split_once(": reject: RCPT from ")?;
    if !queue.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        return None;
    }
    let (client, rest) = told.split_once("]: ")?;
    let (_, address) = client.rsplit_once('[')?;
    // A 4xx reply is no permanent rejection.
    if !rest.starts_with('5') {
        return None;
    }
    // The line names the recipient twice. Both must be equal, because the recipient itself could
    // contain text that looks like the rest of the line.
    let (code, told) = rest.split_once('<')?;
    let (recipient, told) = told.split_once(">: ")?;
    let plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit() || b". ".contains(&octet));
    if !plain(code) || recipient.contains(['"', '<', ' ']) {
        return None;
    }
    let (_, told) = told.split_once(&format!("; from=<> to=<{recipient}> "))?;
    let helo = told.split_once("helo=<").and_then(|(_, helo)| helo.split('>').next()).unwrap_or_default();
    Some(LoggedRejection {
        client: address.strip_prefix("IPv6:").unwrap_or(address).parse().ok()?,
        helo: helo.to_owned(),
        recipient: Mailbox::parse(recipient)?,
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// Parses a line of Exim: `H=name (helo) [address] ... F=<> rejected RCPT <recipient>: ...`. Fields
/// such as the interface and the cipher may precede `F=`.
///
/// The client chooses the HELO name, so the address is looked for after the closing parenthesis.
fn exim(line: &str) -> Option<LoggedRejection> {
    // Exim's own log begins with the time. A line from syslog has a tag before it.
    let line = match line.split_once("]: ") {
        Some((tag, told)) if tag.contains(" exim[") && tag.rsplit('[').next().is_some_and(is_number) => told,
        _ => line,
    };
    let mut words = line.splitn(3, ' ');
    let is_stamp = |word: &str| word.bytes().all(|octet| octet.is_ascii_digit() || b"-:.+".contains(&octet));
    if !words.by_ref().take(2).all(is_stamp) {
        return None;
    }
    let rest = words.next()?;
    let line = if rest.starts_with("H=") { rest } else { rest.split_once(' ').map(|(_, rest)| rest)? };
    if !line.starts_with("H=") {
        return None;
    }
    let (before, rest) = line.split_once(" F=<> rejected RCPT <")?;
    let (recipient, reason) = rest.split_once('>')?;
    if recipient.contains('"') || !(reason.is_empty() || reason.starts_with(": ")) {
        return None;
    }
    let host = before.strip_prefix("H=")?;
    let (named, behind) = match host.split_once('(') {
        // A HELO name or a name in a TLS certificate could contain ") [", so the line is used only
        // if it occurs exactly once.
        Some((_, rest)) if rest.matches(") [").count() == 1 => rest.split_once(") [")?,
        Some(_) => return None,
        None => host.split_once(" [")?,
    };
    let (address, _) = behind.split_once(']')?;
    Some(LoggedRejection {
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
            (
                "Nov 25 12:00:00 mx postfix/smtpd[411]: 4XyZ: reject: RCPT from r[198.18.0.25]: 550 5.1.1 <d@t.example>: x; from=<> to=<d@t.example> proto=SMTP helo=<x>",
                some("198.18.0.25", "x", "d@t.example"),
            ),
            // Lines with text that a client chose to imitate a rejection.
            (
                "Nov 25 12:00:00 mx postfix/cleanup[9]: 4X: message-id=<a: reject: RCPT from x[198.51.100.9]: 550 z; from=<> to=<bait@trap.example> proto=ESMTP helo=<x>>",
                None,
            ),
            (
                "Nov 25 12:00:00 mx postfix/smtpd[9]: warning: non-SMTP command from e[198.18.0.1]: x: reject: RCPT from a[198.51.100.9]: 550 5 <d@t.example>: ; from=<> to=<d@t.example> ",
                None,
            ),
            (
                "Nov 25 12:00:00 mx postfix/smtpd[9]: NOQUEUE: reject: RCPT from a[198.18.0.25]: 550 5.1.1 <\"x; from=<> to=<d@t.example> \"@donor.example>: x; from=<u@a.example> to=<\"x; from=<> to=<d@t.example> \"@donor.example> proto=SMTP helo=<x>",
                None,
            ),
            (
                "Nov 25 12:00:00 mx sshd[9]: Invalid user : reject: RCPT from a[198.51.100.9]: 550 5 <d@t.example>: ; from=<> to=<d@t.example> ",
                None,
            ),
            (
                "2026-11-25 12:00:00 1abc <= <> H=a [198.18.0.25] T=\"x) [198.51.100.9] F=<> rejected RCPT <bait@trap.example>: y\"",
                None,
            ),
            (
                "2026-11-25 12:00:00 H=(x) [198.18.0.25] X=TLS SNI=\"(x) [198.51.100.9]\" F=<> rejected RCPT <bait@trap.example>: y",
                None,
            ),
            // A temporary rejection, and one of mail that was not from the null reverse-path.
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
