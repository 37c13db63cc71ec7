//! Splits octets and text into lines, with a fast search for line ends.

use memchr::memchr;

/// The lines of `octets`, each with its final LF. The last line may have none.
pub(super) fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let line;
        (line, rest) = rest.split_at(end);
        (!line.is_empty()).then_some(line)
    })
}

/// The lines of `text`, each with its final LF. The last line may have none.
pub(crate) fn text_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    lines(text.as_bytes()).map(move |octets| {
        let line;
        (line, rest) = rest.split_at(octets.len());
        line
    })
}

/// A line without its final CR LF or LF.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_standard_library() {
        for text in ["", "\n", "a", "a\n", "a\r\n\r\nb", "\n\nä\n", "ö\r"] {
            let expected: Vec<&str> = text.split_inclusive('\n').collect();
            assert_eq!(text_lines(text).collect::<Vec<_>>(), expected, "{text:?}");
            let octets: Vec<&[u8]> = expected.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(lines(text.as_bytes()).collect::<Vec<_>>(), octets, "{text:?}");
        }
        assert_eq!(without_end(b"a\r\n"), b"a");
        assert_eq!(without_end(b"a\n\r"), b"a\n");
    }
}
