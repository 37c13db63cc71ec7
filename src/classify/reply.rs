//! SMTP replies and enhanced status codes that a report quotes (RFC 5321 §4.2, RFC 3463).

/// Whether a text quotes a reply of failure: `550 ` or `550-`, or a status code of class 4 or 5.
pub(super) fn quoted(line: &str) -> bool {
    let octets = line.as_bytes();
    memchr::memchr2_iter(b'4', b'5', octets).any(|at| {
        let apart = at == 0 || !(octets[at - 1].is_ascii_alphanumeric() || octets[at - 1] == b'.');
        apart && (is_reply(&octets[at..]) || is_status(&octets[at..]))
    })
}

fn is_reply(octets: &[u8]) -> bool {
    matches!(octets, [_, b'0'..=b'7', b'0'..=b'9', b' ' | b'-' | b'#', rest @ ..] if !rest.is_empty())
}

fn is_status(octets: &[u8]) -> bool {
    let mut numbers = octets.split(|octet| !octet.is_ascii_digit()).take(3);
    let dots = octets.get(1) == Some(&b'.') && octets[2..octets.len().min(6)].contains(&b'.');
    dots && numbers.all(|number| (1..=3).contains(&number.len()))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn replies_are_told_from_other_numbers() {
        for text in [
            "550 no such user",
            "said: 550-5.1.1 sorry",
            "(#5.1.1)",
            "#5.1.1",
            "421 4.4.2 x",
            "5.7.606 Access",
        ] {
            assert!(quoted(text), "{text}");
        }
        for text in ["", "1550 x", "192.168.5.1 x", "on 5 May 2005", "4.5", "555", "5.", "5.1.", "490 x"] {
            assert!(!quoted(text), "{text}");
        }
    }
}
