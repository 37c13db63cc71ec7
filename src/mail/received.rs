//! Parses Received fields, which record the hosts that a message passed through (RFC 5321 §4.4).

use std::net::IpAddr;

/// One Received field, as written by the host that received the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedHop {
    /// The address of the client that the receiving host saw. An address in the client's HELO is
    /// not used.
    pub from_address: Option<IpAddr>,
    /// The host that wrote the field, from its `by` clause.
    pub by: Option<String>,
    /// The field is qmail's note that the message came from the network. The next field names the
    /// client.
    pub is_qmail_note: bool,
    /// A local user, script or program of the host that wrote the field submitted the message.
    pub by_local_user: bool,
    /// The field says that a client brought the message, even if it does not give the client's
    /// address.
    pub names_client: bool,
}

/// Largest number of Received fields that are read.
const HOPS_MAX: usize = 30;

/// The Received fields of a header, newest first.
pub fn hops(header: &super::Header) -> impl Iterator<Item = ReceivedHop> {
    header.all("Received").take(HOPS_MAX).map(read)
}

/// The newest Received field of a header, except for qmail's note.
pub fn newest_hop(header: &super::Header) -> Option<ReceivedHop> {
    header.all("Received").take(HOPS_MAX).map(read).find(|hop| !hop.is_qmail_note)
}

fn read(line: &str) -> ReceivedHop {
    let folded = line.to_ascii_lowercase();
    // The word after "from" is the client's HELO name, which may be "by".
    let chosen = folded.strip_prefix("from ").map_or(0, |rest| 5 + rest.find(' ').unwrap_or(0));
    let by_at = find_word(&folded[chosen..], "by").map(|at| at + chosen);
    let by = by_at
        .and_then(|at| line[at..].split_whitespace().nth(1))
        .map(|host| host.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase())
        .filter(|host| !host.is_empty());
    let from_address = find_word(&folded, "from")
        .filter(|&from| by_at.is_none_or(|by| from < by))
        .and_then(|from| client_address(&line[from..by_at.unwrap_or(line.len())]));
    let is_qmail_note = folded.starts_with("(qmail ") && folded.contains(" invoked from network)");
    let names_client = find_word(&folded, "from").is_some() || is_qmail_note;
    ReceivedHop { from_address, by, is_qmail_note, by_local_user: names_local_user(&folded), names_client }
}

/// Accounts under which mail systems run. Mail that they submit is that of the mail system itself.
const SYSTEM_ACCOUNTS: [&str; 6] = ["debian-exim", "exim", "mail", "mailnull", "smmsp", "mailman"];

/// Whether a field, in lower case, says that a local user submitted the message.
///
/// Postfix writes `(Postfix, from userid 33)`, Exim `from www-data by HOST with local`, Sendmail
/// `(from www-data@localhost)` and `/Submit`, and qmail `invoked by uid 33`. None of these occurs
/// in a report that a mail system wrote itself.
fn names_local_user(folded: &str) -> bool {
    let exim =
        folded.strip_prefix("from ").and_then(|rest| rest.split_once(" by ")).is_some_and(|(user, rest)| {
            rest.contains(" with local")
                && !user.contains(['[', '(', ' '])
                && !SYSTEM_ACCOUNTS.contains(&user)
        });
    exim || folded.contains(", from userid ")
        || folded.contains("invoked by uid ")
        || folded.starts_with("(from ")
        || folded.contains("/submit)")
}

/// The position of a whole word outside comments, which are in parentheses.
fn find_word(line: &str, word: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    for token in line.split_inclusive(char::is_whitespace) {
        if depth == 0 && token.trim_end() == word {
            return Some(at);
        }
        depth = (depth + token.matches('(').count()).saturating_sub(token.matches(')').count());
        at += token.len();
    }
    None
}

/// The client's address in `from HELO (NAME [ADDRESS])` and similar forms.
///
/// The receiving host writes the text in parentheses, except for `HELO name` (qmail) and
/// `helo=name` (Exim), which repeat the client's HELO name. An address in brackets outside
/// parentheses is used only if the field has no parentheses or is Exim's, which writes `from
/// [ADDRESS] (helo=name)`.
fn client_address(from: &str) -> Option<IpAddr> {
    let (mut outside, mut comments) = (String::new(), Vec::new());
    let mut depth = 0usize;
    for c in from.chars() {
        match c {
            '(' => {
                depth += 1;
                if depth == 1 {
                    comments.push(String::new());
                }
            }
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => comments.last_mut()?.push(c),
            _ => outside.push(c),
        }
    }
    let stated = comments.iter().rev().find_map(|comment| {
        let claim = |word: &&str| {
            let word = word.to_ascii_lowercase();
            word.starts_with("helo=") || word.starts_with("ehlo=")
        };
        let first = comment.split_whitespace().next()?.to_ascii_lowercase();
        if matches!(first.as_str(), "helo" | "ehlo") {
            return None;
        }
        comment.split_whitespace().filter(|word| !claim(word)).find_map(address)
    });
    let exim = comments
        .iter()
        .any(|comment| comment.split_whitespace().any(|word| word.to_ascii_lowercase().starts_with("helo=")));
    let bare = comments.is_empty() || exim;
    stated.or_else(|| if bare { outside.split_whitespace().skip(1).find_map(bracketed) } else { None })
}

fn bracketed(word: &str) -> Option<IpAddr> {
    word.starts_with('[').then(|| address(word)).flatten()
}

fn address(word: &str) -> Option<IpAddr> {
    // qmail writes the name from the client's ident daemon before the address.
    let word = word.rsplit('@').next()?;
    let word = word.trim_start_matches('[').split(']').next()?.trim_end_matches(&[',', ';'][..]);
    let word = word.get(..5).filter(|p| p.eq_ignore_ascii_case("IPv6:")).map_or(word, |_| &word[5..]);
    word.parse().ok()
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
}
