//! The separator lines of mbox files, and the start of a message behind what tools write before it.

/// Number of octets of a line that are examined. A separator holds one address and one date.
const SEPARATOR_OCTETS_MAX: usize = 512;
/// Number of words behind a weekday that may hold the date: month, day, time, year and time zones.
const DATE_WORDS_MAX: usize = 6;
const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a line separates the messages of an mbox file (RFC 4155): `From `, the sender and a date,
/// such as `From user@relay.example Mon Nov 23 20:24:01 2026`.
///
/// The date needs a weekday, a month, a day, a time and a year. A sentence that begins with `From `
/// is no separator.
pub(crate) fn is_mbox_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let rest = &rest[..rest.len().min(SEPARATOR_OCTETS_MAX)];
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if WEEKDAYS.contains(&without_comma(word)) && is_date(words.clone()) {
            return true;
        }
    }
    false
}

/// Whether words that follow a weekday begin with the rest of a date, in the order of `asctime` or
/// of RFC 5322 §3.3.
fn is_date<'l>(words: impl Iterator<Item = &'l [u8]> + Clone) -> bool {
    let mut day_and_month = words.clone().take(2).map(without_comma);
    let mut behind = words.skip(2).take(DATE_WORDS_MAX - 2);
    day_and_month.clone().any(|word| MONTHS.contains(&word))
        && day_and_month.any(|word| number(word, 1..=2).is_some_and(|day| (1..=31).contains(&day)))
        && behind.clone().any(is_time)
        && behind.any(|word| number(word, 4..=4).is_some_and(|year| (1970..2200).contains(&year)))
}

/// Whether a word is a time: `hh:mm` or `hh:mm:ss`.
fn is_time(word: &[u8]) -> bool {
    let mut fields = word.split(|&octet| octet == b':').map(|field| number(field, 1..=2));
    (word.len() >= 4) && word.contains(&b':') && fields.all(|field| field.is_some_and(|value| value <= 60))
}

fn number(word: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<u16> {
    if !digits.contains(&word.len()) || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn without_comma(word: &[u8]) -> &[u8] {
    word.strip_suffix(b",").unwrap_or(word)
}

/// The octets from the header on, without the byte order mark, the empty lines and the mbox
/// separator that some programs write before it.
pub(super) fn message_start(octets: &[u8]) -> &[u8] {
    let octets = octets.strip_prefix(BYTE_ORDER_MARK).unwrap_or(octets).trim_ascii_start();
    let end = memchr::memchr(b'\n', octets).map_or(octets.len(), |lf| lf + 1);
    let (first, rest) = octets.split_at(end);
    if is_mbox_separator(first) { rest } else { octets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_of_real_programs_are_separators() {
        for line in [
            "From MAILER-DAEMON Thu Nov 12 10:00:05 2026",
            "From user@relay.example  Thu Nov  2 10:00:05 2026\r\n",
            "From - Mon Nov 23 20:24:01 2026\n",
            "From user@relay.example Mon Nov 23 20:24 2026",
            "From user@relay.example Mon Nov 23 20:24:01 CET 2026",
            "From user@relay.example Mon Nov 23 20:24:01 2026 +0100",
            "From user@relay.example Mon, 23 Nov 2026 20:24:01 +0100",
            "From Mon Thu Nov 12 10:00:05 2026",
            "From relay!user Thu Nov 12 10:00:05 2026 remote from relay",
        ] {
            assert!(is_mbox_separator(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn sentences_that_begin_with_from_are_no_separators() {
        for line in [
            "From here on, our server refuses mail in 2026",
            "From Mon to Fri we answer until Nov 2026",
            "From: user@relay.example",
            "From user@relay.example",
            "From user@relay.example Thu Nov 12 2026",
            "From user@relay.example Thu Nov 12 10:00:05",
            ">From user@relay.example Thu Nov 12 10:00:05 2026",
            "",
        ] {
            assert!(!is_mbox_separator(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_message_starts_behind_what_tools_write_before_it() {
        for before in
            ["", "\r\n\n", "\u{feff}", "\u{feff}\n", "\nFrom a@relay.example Thu Nov 12 10:00:05 2026\n"]
        {
            let octets = format!("{before}Subject: x\n");
            assert_eq!(message_start(octets.as_bytes()), b"Subject: x\n", "{before:?}");
        }
        assert_eq!(message_start(b"From here on\nSubject: x\n"), b"From here on\nSubject: x\n");
    }
}
