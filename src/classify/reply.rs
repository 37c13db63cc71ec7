//! Recognises SMTP replies and enhanced status codes in text (RFC 5321 §4.2, RFC 3463).

/// Whether the text quotes a negative reply, such as `550 ` or `550-`, or a status code of class 4
/// or 5.
pub(super) fn quoted(line: &str) -> bool {
    let octets = line.as_bytes();
    memchr::memchr2_iter(b'4', b'5', octets).any(|at| begins_apart(octets, at) && is_quoted(&octets[at..]))
}

/// Whether the text quotes a permanent negative reply, such as `550 `, or a status code of class 5.
pub(super) fn refused(line: &str) -> bool {
    let octets = line.as_bytes();
    memchr::memchr_iter(b'5', octets).any(|at| begins_apart(octets, at) && is_quoted(&octets[at..]))
}

/// Whether the octet at a place begins a word.
fn begins_apart(octets: &[u8], at: usize) -> bool {
    at == 0 || !(octets[at - 1].is_ascii_alphanumeric() || octets[at - 1] == b'.')
}

fn is_quoted(octets: &[u8]) -> bool {
    is_reply(octets) || is_status(octets)
}

fn is_reply(octets: &[u8]) -> bool {
    let [_, _, _, b' ' | b'-' | b'#', rest @ ..] = octets else { return false };
    REPLIES.contains(&&octets[..3])
        && (b"45".contains(&rest.first().copied().unwrap_or_default()) || is_told(rest))
}

/// Negative reply codes that servers use.
const REPLIES: [&[u8]; 21] = [
    b"421", b"450", b"451", b"452", b"454", b"455", b"500", b"501", b"502", b"503", b"504", b"521", b"530",
    b"541", b"550", b"551", b"552", b"553", b"554", b"557", b"571",
];

/// Whether the text after a code is typical of a reply; "500 million" is not a reply.
fn is_told(rest: &[u8]) -> bool {
    const WORDS: [&[u8]; 26] = [
        b"<",
        b"user",
        b"unknown",
        b"no ",
        b"mailbox",
        b"recipient",
        b"sorry",
        b"requested",
        b"relay",
        b"access",
        b"message",
        b"mail",
        b"address",
        b"account",
        b"invalid",
        b"error",
        b"rejected",
        b"delivery",
        b"sender",
        b"host",
        b"service",
        b"permanent",
        b"unable",
        b"not ",
        b"[",
        b"(",
    ];
    WORDS.iter().any(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}

fn is_status(octets: &[u8]) -> bool {
    let mut numbers = octets.split(|octet| !octet.is_ascii_digit()).take(3);
    let dots = octets.get(1) == Some(&b'.') && octets[2..octets.len().min(6)].contains(&b'.');
    dots && numbers.all(|number| (1..=3).contains(&number.len()))
}

#[cfg(test)]
mod tests {
    use super::{quoted, refused};

    #[test]
    fn replies_are_told_from_other_numbers() {
        for text in [
            "550 no such user",
            "said: 550-5.1.1 sorry",
            "(#5.1.1)",
            "#5.1.1",
            "421 4.4.1 x",
            "5.7.606 Access",
        ] {
            assert!(quoted(text), "{text}");
            assert_eq!(refused(text), text.contains('5'), "{text}");
        }
        for text in [
            "",
            "1550 x",
            "192.168.5.1 x",
            "500 million",
            "450 MHz",
            "550 tablets",
            "512 bits",
            "on 5 May 2005",
            "4.5",
            "555",
            "5.",
            "5.1.",
            "490 x",
        ] {
            assert!(!quoted(text), "{text}");
        }
    }
}
