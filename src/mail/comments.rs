//! White space and comments in the values of structured header fields (RFC 5322 §3.2.2).

use std::borrow::Cow;

/// A value without its comments. A parenthesis in a quoted string begins no comment. A comment that
/// is not closed extends to the end.
pub(super) fn without_comments(value: &str) -> Cow<'_, str> {
    if !value.contains('(') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let (mut level, mut quoted, mut escaped) = (0_usize, false, false);
    for letter in value.chars() {
        let is_sign = !std::mem::take(&mut escaped);
        match letter {
            '\\' if is_sign => escaped = quoted || level > 0,
            '"' if is_sign && level == 0 => quoted = !quoted,
            '(' if is_sign && !quoted => level += 1,
            ')' if is_sign && level > 0 => {
                level -= 1;
                continue;
            }
            _ => {}
        }
        if level == 0 {
            plain.push(letter);
        }
    }
    Cow::Owned(plain)
}

/// The text behind white space and comments.
pub(super) fn skip_comments(text: &str) -> &str {
    let text = text.trim_ascii_start();
    if !text.starts_with('(') {
        return text;
    }
    let (mut level, mut escaped) = (0_usize, false);
    for (at, octet) in text.bytes().enumerate() {
        let is_sign = !std::mem::take(&mut escaped);
        match octet {
            b'\\' if is_sign => escaped = true,
            b'(' if is_sign => level += 1,
            b')' if is_sign => level = level.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if level == 0 => return &text[at..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_left_out_and_quoted_parentheses_stay() {
        for (value, want) in [
            ("a@b.example", "a@b.example"),
            ("a@b.example (one (two) three)", "a@b.example "),
            ("a(b)@c.example", "a@c.example"),
            ("\"a (b)\"@c.example", "\"a (b)\"@c.example"),
            ("x (not \\) closed", "x "),
            ("x) y", "x) y"),
        ] {
            assert_eq!(without_comments(value), want, "{value}");
        }
    }

    #[test]
    fn white_space_and_comments_are_skipped_together() {
        for (text, want) in
            [("x", "x"), (" (a) (b(c)) x (d)", "x (d)"), ("(\\)) ü", "ü"), ("(a", ""), ("", ""), ("()", "")]
        {
            assert_eq!(skip_comments(text), want, "{text}");
        }
    }
}
