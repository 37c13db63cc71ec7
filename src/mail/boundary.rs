//! Boundary lines of multipart entities (RFC 2046 §5.1.1).

use memchr::memchr;
use memchr::memmem;

use super::content_type::ContentType;
use super::lines::lines;

/// Number of lines in which the first boundary is looked for that no Content-Type gives.
const UNMARKED_LINES_MAX: usize = 40;
/// Shortest boundary in octets that is looked for in a message without Content-Type. Short words
/// behind two hyphens are also rulers and signatures.
const UNTYPED_OCTETS_MIN: usize = 8;
/// Longest boundary in octets that is looked for (RFC 2046 §5.1.1).
const UNMARKED_OCTETS_MAX: usize = 70;
/// Number of places that are examined to find a boundary again.
const AGAIN_MAX: usize = 100;

/// Number of octets that are searched together.
const BLOCK_OCTETS: usize = 128;

/// What a boundary line does to its multipart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BoundaryLine {
    /// A part follows.
    Part,
    /// The multipart ends.
    Close,
}

/// What a line is to the multipart that has this boundary. The white space that may follow it is cut
/// off. The rest of the line must be equal, because a boundary may be the beginning of another one.
pub(super) fn boundary_line(line: &[u8], boundary: &[u8]) -> Option<BoundaryLine> {
    let behind = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match behind {
        b"" => Some(BoundaryLine::Part),
        b"--" => Some(BoundaryLine::Close),
        _ => None,
    }
}

/// The position of the first line from `at` on that begins with two hyphens. A line must begin at
/// `at`.
///
/// Blocks are compared as a whole, because searches that stop at every line or hyphen are slow for
/// octets that consist of them.
pub(super) fn hyphens_from(octets: &[u8], at: usize) -> Option<usize> {
    let rest = octets.get(at..)?;
    if rest.starts_with(b"--") {
        return Some(at);
    }
    let begins = |lf: u8, first: u8, second: u8| (lf == b'\n') & (first == b'-') & (second == b'-');
    let mut start = 0;
    while let Some(block) = rest.get(start..start + BLOCK_OCTETS + 2) {
        let (lfs, firsts, seconds) = (&block[..BLOCK_OCTETS], &block[1..=BLOCK_OCTETS], &block[2..]);
        let signs = lfs.iter().zip(firsts).zip(seconds);
        if signs.fold(false, |found, ((&lf, &first), &second)| found | begins(lf, first, second)) {
            break;
        }
        start += BLOCK_OCTETS;
    }
    let lf = rest[start..].windows(3).position(|signs| begins(signs[0], signs[1], signs[2]))?;
    Some(at + start + lf + 1)
}

/// The position behind the line that begins at `at`.
pub(super) fn line_end(octets: &[u8], at: usize) -> usize {
    memchr(b'\n', &octets[at..]).map_or(octets.len(), |lf| at + lf + 1)
}

/// Number of lines that may stand above the first boundary of a body without a type: those of a
/// preamble such as `This is a multi-part message in MIME format.`
const PREAMBLE_LINES_MAX: usize = 1;

/// A line near the start of a body that may be a boundary that no Content-Type gives.
///
/// It is a line of two hyphens and a word, and an empty line or the header of a part follows it.
/// Some old gateways and mailbox tools remove Content-Type or damage the boundary in it.
pub(super) fn unmarked_boundary<'m>(
    body: &'m [u8],
    kind: Option<&ContentType>,
    is_open: impl Fn(&[u8]) -> bool,
) -> Option<&'m [u8]> {
    let mut below = lines(body).map(<[u8]>::trim_ascii_end);
    let mut lines_above = 0;
    for _ in 0..UNMARKED_LINES_MAX {
        let line = below.next()?;
        // Below the words of an untyped report stands the original, and its writer chose all of it.
        if kind.is_none() && lines_above > PREAMBLE_LINES_MAX {
            return None;
        }
        lines_above += usize::from(!line.is_empty());
        // A boundary after a Content-Type field belongs to a message that is copied into the text.
        if begins_with_type(line) || (line.starts_with(b"--") && is_open(line)) {
            return None;
        }
        let Some(boundary) = line.strip_prefix(b"--").filter(|rest| is_boundary(rest, kind)) else {
            continue;
        };
        let mut next = below.clone();
        if next.next().is_some_and(|next| next.is_empty() || begins_with_content(next)) {
            return Some(boundary);
        }
    }
    None
}

/// Whether octets may be a boundary (RFC 2046 §5.1.1). Without a multipart type it must be long and
/// without spaces.
fn is_boundary(octets: &[u8], kind: Option<&ContentType>) -> bool {
    let (shortest, with_space) = match kind {
        Some(_) => (1, true),
        None => (UNTYPED_OCTETS_MIN, false),
    };
    let allowed = |octet: &u8| {
        octet.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(octet) || (with_space && *octet == b' ')
    };
    (shortest..=UNMARKED_OCTETS_MAX).contains(&octets.len())
        && octets.iter().all(allowed)
        && octets.iter().any(u8::is_ascii_alphanumeric)
}

/// Whether a boundary occurs in lines of its own.
pub(super) fn occurs_again(octets: &[u8], boundary: &[u8]) -> bool {
    let line = [b"\n--", boundary].concat();
    memmem::find_iter(octets, &line).take(AGAIN_MAX).any(|at| {
        boundary_line(octets[at + 1..line_end(octets, at + 1)].trim_ascii_end(), boundary).is_some()
    })
}

/// Whether a line begins with `Content-Type`, without regard to case, after white space and colons.
fn begins_with_type(line: &[u8]) -> bool {
    const NAME: &[u8] = b"content-type";
    let line = line.trim_ascii_start();
    let at = line.iter().position(|&octet| octet != b':').unwrap_or(line.len());
    line.get(at..at + NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME))
}

/// Whether a line begins with `Content-`, as the fields of a part do (RFC 2045 §3).
pub(super) fn begins_with_content(line: &[u8]) -> bool {
    line.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc2046_a_boundary_line_is_the_boundary_alone() {
        for (line, want) in [
            ("--abc\r\n", Some(BoundaryLine::Part)),
            ("--abc \t\r\n", Some(BoundaryLine::Part)),
            ("--abc--", Some(BoundaryLine::Close)),
            ("--abc-- \n", Some(BoundaryLine::Close)),
            ("--abcd\n", None),
            ("--ab\n", None),
            ("--abc-\n", None),
            ("--ABC\n", None),
            ("-abc\n", None),
        ] {
            assert_eq!(boundary_line(line.trim_ascii_end().as_bytes(), b"abc"), want, "{line:?}");
        }
    }

    #[test]
    fn lines_with_hyphens_are_found_from_any_line_on() {
        let octets = b"--a\nb--\n\n--c";
        assert_eq!(hyphens_from(octets, 0), Some(0));
        assert_eq!(hyphens_from(octets, 4), Some(9));
        assert_eq!(hyphens_from(octets, 8), Some(9));
        assert_eq!(hyphens_from(octets, 12), None);
        assert_eq!(hyphens_from(octets, 13), None);
        for before in [1, BLOCK_OCTETS - 1, BLOCK_OCTETS, BLOCK_OCTETS + 1, 3 * BLOCK_OCTETS] {
            let octets = ["x".repeat(before), "\n--y".to_owned(), "z".repeat(BLOCK_OCTETS)].concat();
            assert_eq!(hyphens_from(octets.as_bytes(), 0), Some(before + 1));
        }
        assert_eq!((line_end(octets, 0), line_end(octets, 9)), (4, 12));
    }
}
