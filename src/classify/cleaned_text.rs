//! Takes the addresses out of a text before phrases are looked for in it.
//!
//! The writer of the original chose the addresses, so they must not look like words of the report.
//! And a phrase must be found whether or not an address stands in the middle of it.

use std::ops::Range;

use memchr::memchr_iter;

/// Octets before an at sign that are searched for the start of the local part. No mailbox is longer.
const LOCAL_OCTETS_MAX: usize = 320;
/// Octets of a domain that are read (RFC 5321 §4.5.3.1.2).
const DOMAIN_OCTETS_MAX: usize = 255;

/// Brackets and quotes that open and close an address.
const OPENING: [char; 16] =
    ['<', '(', '[', '{', '"', '\'', '“', '‘', '«', '„', '「', '（', '＜', '”', '»', '’'];
const CLOSING: [char; 14] = ['>', ')', ']', '}', '"', '\'', '”', '’', '»', '“', '」', '）', '＞', '«'];

/// The text without its addresses and the brackets around them. Every run of white space is one
/// space, and none stands between two characters of a script that writes no spaces.
pub(super) fn without_addresses(text: &str) -> String {
    let mut words = TextBuilder { text: String::with_capacity(text.len()) };
    let mut at = 0;
    for address in addresses_in(text) {
        let before = text.get(at..address.start).unwrap_or_default();
        if !before.is_empty() {
            words.add(before.strip_suffix("mailto:").unwrap_or(before).trim_end_matches(OPENING));
        }
        at = at.max(address.end);
        at += text[at..].len() - text[at..].trim_start_matches(CLOSING).len();
        words.end_word();
    }
    words.add(&text[at..]);
    words.text
}

/// Builds a text in which white space is collapsed.
struct TextBuilder {
    text: String,
}

impl TextBuilder {
    fn add(&mut self, text: &str) {
        let begins_apart = text.starts_with(char::is_whitespace);
        let mut is_first = true;
        for word in text.split_whitespace() {
            if (!is_first || begins_apart) && self.needs_space_before(word) {
                self.text.push(' ');
            }
            if word.starts_with(is_unspaced) && self.ends_with_spaced_sign() {
                self.text.pop();
            }
            self.text.push_str(word);
            is_first = false;
        }
        if text.ends_with(char::is_whitespace) {
            self.end_word();
        }
    }

    /// Ends a word, as white space does.
    fn end_word(&mut self) {
        if self.needs_space_before("") {
            self.text.push(' ');
        }
    }

    /// Whether the text ends with a space behind a character of a script that writes none.
    fn ends_with_spaced_sign(&self) -> bool {
        self.text.strip_suffix(' ').is_some_and(|before| before.ends_with(is_unspaced))
    }

    fn needs_space_before(&self, word: &str) -> bool {
        let Some(last) = self.text.chars().next_back() else { return false };
        last != ' ' && !(is_unspaced(last) && word.chars().next().is_some_and(is_unspaced))
    }
}

/// The places of the addresses in a text, in octets.
pub(super) fn addresses_in(text: &str) -> Vec<Range<usize>> {
    memchr_iter(b'@', text.as_bytes()).map(|at| local_start(text, at)..domain_end(text, at)).collect()
}

/// Where the local part before the at sign at a place begins.
fn local_start(text: &str, at: usize) -> usize {
    let first = text.floor_char_boundary(at.saturating_sub(LOCAL_OCTETS_MAX));
    let before = &text[first..at];
    if let Some(start) = before.strip_suffix('"').and_then(opening_quote) {
        return first + start;
    }
    let behind = |found: Option<(usize, char)>| found.map_or(0, |(at, end)| at + end.len_utf8());
    let start = behind(before.char_indices().rfind(|(_, c)| ends_address(*c)));
    let local = &before[start..];
    // In a script without spaces, words may stand directly before an address without brackets.
    let is_bracketed = before[..start].ends_with(OPENING) || local.chars().next_back().is_some_and(is_wide);
    let words = if is_bracketed { 0 } else { behind(local.char_indices().rfind(|(_, c)| is_wide(*c))) };
    first + start + words
}

/// Where the domain behind the at sign at a place ends.
fn domain_end(text: &str, at: usize) -> usize {
    let domain = &text[at + 1..];
    let domain = &domain[..domain.floor_char_boundary(DOMAIN_OCTETS_MAX)];
    let is_wide_name = domain.chars().next().is_some_and(is_wide);
    let belongs = |c: char| (c.is_alphanumeric() || "-._".contains(c)) && (is_wide_name || !is_wide(c));
    let end = domain.find(|c: char| !belongs(c)).unwrap_or(domain.len());
    at + 1 + domain[..end].find("..").unwrap_or(end)
}

/// The place of the quote that opens the quoted string at the end of a text (RFC 5321 §4.1.2).
fn opening_quote(text: &str) -> Option<usize> {
    text.rmatch_indices('"').map(|(at, _)| at).find(|&at| !text[..at].ends_with('\\'))
}

/// Whether a character ends an address outside of a quoted string. Rare characters of RFC 5321
/// §4.1.2 that texts use as marks do, too.
fn ends_address(c: char) -> bool {
    !(c.is_alphanumeric() || "!#$%&*+-/?^_`~.".contains(c))
}

/// Whether a character is Chinese, Japanese or Korean. In these scripts words stand directly before and
/// behind addresses.
fn is_wide(c: char) -> bool {
    is_unspaced(c) || matches!(c, '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}')
}

/// Whether a character belongs to a script that writes no spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_their_brackets_are_taken_out() {
        for (text, expected) in [
            ("the address <a@b.example> does not exist", "the address does not exist"),
            ("the address 'a@b.example' does not exist", "the address does not exist"),
            ("the address “a@b.example” does not exist", "the address does not exist"),
            ("the address a@b.example<mailto:a@b.example> does not exist", "the address does not exist"),
            ("地址a@b.example不存在", "地址不存在"),
            ("宛先（a@b.example）が 見つかりません", "宛先が見つかりません"),
            ("sorry \"a \\\"user unknown\\\" b\"@b.example: no", "sorry : no"),
            ("<用户不存在x@b.example>: 550", ": 550"),
            ("Mailbox full—user@relay.example", "Mailbox full—"),
            ("quota|user@relay.example...over", "quota| ...over"),
            ("容量を超えています\u{3000}user@relay.example", "容量を超えています"),
            ("用户user@relay.example的邮箱已满", "用户的邮箱已满"),
            ("메일함이 가득", "메일함이 가득"),
            ("メール ボックス", "メールボックス"),
            ("over  quota\tnow", "over quota now"),
            ("no address", "no address"),
            ("@", " "),
        ] {
            assert_eq!(without_addresses(text).trim(), expected.trim(), "{text}");
        }
    }
}
