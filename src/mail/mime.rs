//! Splits a message into its MIME parts (RFC 2046 §5.1), in time that is linear in its octets.
//!
//! The boundaries of all multiparts that enclose the current place are kept on a stack. A boundary
//! line of an outer multipart also ends the inner ones, which damaged mail leaves open. A
//! message/rfc822 part is not split.

use memchr::memmem;

use super::boundary::{
    BoundaryLine, begins_with_content, boundary_line, hyphens_from, line_end, occurs_again, unmarked_boundary,
};
use super::content_type::{ContentType, TEXT_PLAIN};
use super::header::{LOST_FOLDS_MAX, field_name, is_report_field};
use super::lines::lines;
use super::{BOUNDARY_LINES_MAX, DEPTH_MAX, HEADER_OCTETS_MAX, Header, PARTS_MAX};

/// Largest number of octets of the header of one part. The rest belongs to its content.
const PART_HEADER_OCTETS_MAX: usize = 16 << 10;
/// Largest number of octets before the first boundary in which it is looked for.
const PREAMBLE_OCTETS_MAX: usize = 16 << 10;
/// Largest number of lines before the first boundary that are compared with it.
const PREAMBLE_LINES_MAX: usize = 100;
/// Number of boundaries without a Content-Type that are looked for in the rest of one message.
const UNMARKED_SEARCHES_MAX: usize = 4;

/// One part of a message as it was received.
#[derive(Debug)]
pub(super) struct RawPart<'m> {
    /// The level of nesting.
    pub(super) depth: u8,
    /// The header of the part; empty if there is none.
    pub(super) header: Header,
    /// The type of the content.
    pub(super) kind: ContentType,
    /// The content before its transfer encoding is decoded. It includes the nested parts.
    pub(super) content: &'m [u8],
    /// The parts of this multipart follow.
    pub(super) is_split: bool,
    /// The position of the content in the message.
    start: usize,
}

/// Splits a message whose body has the level `depth`. The first part is the body of the message
/// itself, and its header is that of the message.
pub(super) fn split(octets: &[u8], depth: u8) -> Vec<RawPart<'_>> {
    let mut splitter = Splitter {
        octets,
        depth,
        parts: Vec::new(),
        open: Vec::new(),
        leaf: None,
        lines_room: BOUNDARY_LINES_MAX,
        searches_room: UNMARKED_SEARCHES_MAX,
    };
    let body = splitter.begin_message();
    let end = splitter.follow_boundaries(body);
    splitter.end_parts(0, end);
    splitter.parts
}

/// A multipart that has not ended.
struct OpenMultipart {
    boundary: Vec<u8>,
    /// The index of its part.
    part: usize,
}

/// A boundary line that was found.
struct FoundBoundary {
    start: usize,
    end: usize,
    /// The index of the open multipart.
    level: usize,
    line: BoundaryLine,
}

struct Splitter<'m> {
    octets: &'m [u8],
    depth: u8,
    parts: Vec<RawPart<'m>>,
    /// The multiparts that enclose the current place, the outermost first.
    open: Vec<OpenMultipart>,
    /// The index of the part that is not open as a multipart and has not ended.
    leaf: Option<usize>,
    lines_room: usize,
    searches_room: usize,
}

impl<'m> Splitter<'m> {
    /// Reads the header of the message. Returns where its body begins.
    fn begin_message(&mut self) -> usize {
        let (header, body) = message_header(self.octets);
        let mut kind = ContentType::of(&header, TEXT_PLAIN);
        if header.field("Content-Type").is_none()
            && let Some(boundary) = self.unmarked(body, None)
        {
            kind = ContentType::plain("multipart/mixed");
            kind.boundaries.extend(String::from_utf8(boundary));
        }
        self.begin_part(header, kind, body);
        body
    }

    /// Begins a part whose header begins at `at`. Returns where its content begins.
    fn begin_nested(&mut self, at: usize) -> usize {
        let default = match self.open.last().and_then(|open| self.parts.get(open.part)) {
            Some(parent) if parent.kind.media_type == "multipart/digest" => "message/rfc822",
            _ => TEXT_PLAIN,
        };
        let (header, body) = self.part_header(at);
        if is_of_message(&header) {
            // The original follows the boundary directly, without a header of the part.
            self.begin_part(Header::default(), ContentType::plain("message/rfc822"), at);
            return at;
        }
        let has_content_field =
            header.fields().iter().any(|field| begins_with_content(field.name.as_bytes()));
        if !header.is_empty() && !has_content_field {
            // Only Content- fields have a meaning for a part (RFC 2046 §5.1). Other fields are content
            // that lacks the empty line before it.
            self.begin_part(Header::default(), ContentType::plain(default), at);
            return at;
        }
        let kind = ContentType::of(&header, default);
        let content = at + status_start(&header, &self.octets[at..body]).unwrap_or(body - at);
        self.begin_part(header, kind, content);
        content
    }

    fn begin_part(&mut self, header: Header, kind: ContentType, start: usize) {
        let part = self.parts.len();
        let depth = self.depth.saturating_add(u8::try_from(self.open.len()).unwrap_or(u8::MAX));
        let boundary =
            if kind.is_multipart() && depth < DEPTH_MAX { self.boundary_of(&kind, start) } else { None };
        if let Some(above) = self.open.last() {
            self.parts[above.part].is_split = true;
        }
        self.parts.push(RawPart { depth, header, kind, content: &[], is_split: false, start });
        match boundary {
            Some(boundary) => self.open.push(OpenMultipart { boundary, part }),
            None => self.leaf = Some(part),
        }
    }

    /// The boundary of a multipart whose body begins at `body`: the one that its Content-Type gives
    /// if it occurs, else one that no Content-Type gives.
    fn boundary_of(&mut self, kind: &ContentType, body: usize) -> Option<Vec<u8>> {
        let given = || kind.boundaries.iter().map(String::as_bytes);
        let preamble = &self.octets[..self.octets.len().min(body + PREAMBLE_OCTETS_MAX)];
        let mut at = body;
        for _ in 0..PREAMBLE_LINES_MAX {
            let Some(start) = hyphens_from(preamble, at) else { break };
            at = line_end(self.octets, start);
            let line = self.octets[start..at].trim_ascii_end();
            if let Some(boundary) = given().find(|boundary| boundary_line(line, boundary).is_some()) {
                return Some(boundary.to_owned());
            }
            if self.open_boundary(line).is_some() {
                break;
            }
        }
        self.unmarked(body, Some(kind)).or_else(|| given().next().map(<[u8]>::to_owned))
    }

    /// A boundary that no Content-Type gives, if it occurs again.
    fn unmarked(&mut self, body: usize, kind: Option<&ContentType>) -> Option<Vec<u8>> {
        let body = &self.octets[body..];
        let boundary = unmarked_boundary(body, kind, |line| self.open_boundary(line).is_some())?;
        self.searches_room = self.searches_room.checked_sub(1)?;
        let behind = boundary.as_ptr() as usize - body.as_ptr() as usize + boundary.len();
        occurs_again(&body[behind..], boundary).then(|| boundary.to_owned())
    }

    /// The open multipart of which a line is a boundary, the innermost first. A whole boundary comes
    /// before another one with the two hyphens that close a multipart.
    fn open_boundary(&self, line: &[u8]) -> Option<(usize, BoundaryLine)> {
        let line = line.trim_ascii_end();
        let mut closed = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            match boundary_line(line, &open.boundary) {
                Some(BoundaryLine::Part) => return Some((level, BoundaryLine::Part)),
                Some(BoundaryLine::Close) if closed.is_none() => closed = Some((level, BoundaryLine::Close)),
                _ => {}
            }
        }
        closed
    }

    /// Follows the boundary lines from `at` on. Returns where the last part ends.
    fn follow_boundaries(&mut self, mut at: usize) -> usize {
        while !self.open.is_empty() {
            let found = match self.next_boundary(at) {
                Ok(found) => found,
                Err(end) => return end,
            };
            // The line break before a boundary belongs to the boundary.
            self.end_parts(found.level + 1, without_line_break(self.octets, found.start));
            if found.line == BoundaryLine::Close {
                self.end_parts(found.level, found.end);
                at = found.end;
            } else if self.parts.len() >= PARTS_MAX {
                return found.start;
            } else {
                at = self.begin_nested(found.end);
            }
        }
        self.octets.len()
    }

    /// The next boundary line of an open multipart, or where the last part ends if there is none.
    fn next_boundary(&mut self, mut at: usize) -> Result<FoundBoundary, usize> {
        while let Some(start) = hyphens_from(self.octets, at) {
            let Some(room) = self.lines_room.checked_sub(1) else { return Err(start) };
            self.lines_room = room;
            let end = line_end(self.octets, start);
            if let Some((level, line)) = self.open_boundary(&self.octets[start..end]) {
                return Ok(FoundBoundary { start, end, level, line });
            }
            at = end;
        }
        Err(self.octets.len())
    }

    /// Ends the current part and the open multiparts from a level on.
    fn end_parts(&mut self, level: usize, end: usize) {
        let multiparts = self.open.split_off(level.min(self.open.len()));
        for part in multiparts.into_iter().map(|open| open.part).chain(self.leaf.take()) {
            let part = &mut self.parts[part];
            part.content = self.octets.get(part.start..end).unwrap_or_default();
        }
    }

    /// The header of a part that begins at `at`, and where its content begins.
    ///
    /// A line that is not a field ends the header, because the empty line behind it may be missing.
    /// It does not if a field of a part follows: then it is a continuation line without its fold.
    fn part_header(&self, at: usize) -> (Header, usize) {
        let limit = self.octets.len().min(at + PART_HEADER_OCTETS_MAX);
        let (header, octets) = Header::parse_until(&self.octets[at..limit], |line, below| {
            if is_empty(line) || (line.starts_with(b"--") && self.open_boundary(line).is_some()) {
                return true;
            }
            let is_field = matches!(line.first(), Some(b' ' | b'\t')) || field_name(line).is_some();
            !is_field
                && !below.take(LOST_FOLDS_MAX).take_while(|line| !is_empty(line)).any(begins_with_content)
        });
        (header, behind_empty_line(self.octets, at + octets))
    }
}

/// The header of a message, and where its body begins. A line that looks like a boundary before the
/// header of a part also ends it, because the empty line may be missing.
fn message_header(octets: &[u8]) -> (Header, usize) {
    let limit = octets.len().min(HEADER_OCTETS_MAX);
    let (header, at) = Header::parse_until(&octets[..limit], |line, below| {
        let begins_part =
            |below: &mut dyn Iterator<Item = &[u8]>| below.next().is_some_and(begins_with_content);
        is_empty(line) || (line.starts_with(b"--") && field_name(line).is_none() && begins_part(below))
    });
    if at < limit {
        return (header, behind_empty_line(octets, at));
    }
    // Beyond the limit only the end of the header is looked for.
    let rest = &octets[at..];
    let plain = memmem::find(rest, b"\n\n").map(|lf| lf + 2);
    let rest = &rest[..plain.unwrap_or(rest.len())];
    let with_cr = memmem::find(rest, b"\n\r\n").map(|lf| lf + 3);
    (header, at + with_cr.or(plain).unwrap_or(rest.len()))
}

/// The position behind the line at `at` if the line is empty.
fn behind_empty_line(octets: &[u8], at: usize) -> usize {
    let end = line_end(octets, at);
    if is_empty(&octets[at..end]) { end } else { at }
}

fn is_empty(line: &[u8]) -> bool {
    line.trim_ascii_start().is_empty()
}

/// A position before the line break that ends there.
fn without_line_break(octets: &[u8], end: usize) -> usize {
    let before = &octets[..end];
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

/// Where the fields of a delivery status begin that follow the header of their part without an empty
/// line.
fn status_start(header: &Header, octets: &[u8]) -> Option<usize> {
    const STATUS_FIELDS: [&str; 3] = ["Reporting-MTA", "Original-Recipient", "Final-Recipient"];
    STATUS_FIELDS.iter().find_map(|name| header.field(name))?;
    let is_of_status = |line: &[u8]| {
        field_name(line).is_some_and(|(name, _)| is_report_field(&String::from_utf8_lossy(name)))
    };
    let mut at = 0;
    for line in lines(octets) {
        if is_of_status(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Whether a header is that of a message and not of a MIME part.
fn is_of_message(header: &Header) -> bool {
    let telling = ["Received", "To", "Subject", "Message-ID", "Date"];
    let told = telling.iter().filter(|name| header.field(name).is_some()).count();
    header.field("From").is_some() && told >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The depth, the media type and the content of every part.
    fn parts(message: &str) -> Vec<(u8, String, String)> {
        let of = |part: RawPart<'_>| {
            (part.depth, part.kind.media_type, String::from_utf8(part.content.to_owned()).unwrap())
        };
        split(message.as_bytes(), 0).into_iter().map(of).collect()
    }

    /// The content of every part that is not split.
    fn leaves(message: &str) -> Vec<String> {
        let leaves = split(message.as_bytes(), 0).into_iter().filter(|part| !part.is_split);
        leaves.map(|part| String::from_utf8(part.content.to_owned()).unwrap()).collect()
    }

    #[test]
    fn rfc2046_parts_are_split_at_their_boundary() {
        let message = "Content-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\npreamble\r\n--b 1\r\n\r\none\r\n\r\n\
            --b 1 \t\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b 1x\r\n--b 1--\r\nepilogue\r\n--b 1\r\n\r\nthree\r\n";
        let parts = parts(message);
        assert_eq!(parts[0].0, 0);
        assert_eq!(parts[1], (1, "text/plain".to_owned(), "one\r\n".to_owned()));
        assert_eq!(parts[2], (1, "text/html".to_owned(), "two\r\n--b 1x".to_owned()));
        assert_eq!(parts.len(), 3);
        assert_eq!(leaves("no header at all"), [""]);
        assert_eq!(leaves("Subject: x\n\nbody\n--b\n"), ["body\n--b\n"]);
    }

    #[test]
    fn rfc2046_an_outer_boundary_ends_every_inner_multipart() {
        let message = "Content-Type: multipart/report; boundary=outer\n\n--outer\n\
            Content-Type: multipart/related; boundary=rel\n\n--rel\nContent-Type: multipart/alternative; boundary=outer2\n\n\
            --outer2\n\ntext\n--outer\nContent-Type: message/delivery-status\n\nfields\n--outer--\n";
        let parts = parts(message);
        let depths: Vec<u8> = parts.iter().map(|(depth, ..)| *depth).collect();
        assert_eq!(depths, [0, 1, 2, 3, 1]);
        assert_eq!((&*parts[3].2, &*parts[4].1, &*parts[4].2), ("text", "message/delivery-status", "fields"));
    }

    #[test]
    fn an_inner_multipart_may_have_the_boundary_of_the_outer_one() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n\
            --b\n\none\n--b\n\ntwo\n--b--\n--b\n\nthree\n--b--\n";
        let parts = parts(message);
        let depths: Vec<u8> = parts.iter().map(|(depth, ..)| *depth).collect();
        assert_eq!(depths, [0, 1, 2, 2, 1]);
        assert_eq!(leaves(message), ["one", "two", "three"]);
    }

    #[test]
    fn a_whole_boundary_comes_before_the_end_of_a_shorter_one() {
        let message = "Content-Type: multipart/mixed; boundary=b--\n\n--b--\n\
            Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n\ntwo\n--b----\n";
        assert_eq!(leaves(message), ["one", "two"]);
    }

    #[test]
    fn parts_are_split_whatever_damaged_the_content_type() {
        let body = "--=_Part 1;x\nContent-Type: text/plain\n\none\n--=_Part 1;x\n\
            Content-Type: message/delivery-status\n\ntwo\n--=_Part 1;x--\n";
        let plain = body.replace("=_Part 1;x", "=_Part_1x");
        for (content_type, body) in [
            ("multipart/report; boundary=\"=_Part 1;x\"", body),
            ("multipart/report; boundary=\"=_Part_1x", &plain),
            ("multipart/report; boundary==_Part_1x\"; report-type=x", &plain),
            ("multipart/report; boundary=\"=_Part_1x \t\"", &plain),
            ("multipart/report; boundary=\"=_Part_1x\" (comment)", &plain),
            ("multipart/report; boundary=\"=_Part\n _1x\"", &plain),
            ("multipart/report; boundary=\"=_Pa\"; boundary=\"=_Part_1x\"", &plain),
            ("multipart/report; boundary=\"=_PART_1X\"", &plain),
            ("multipart/report; boundary=\"\"", &plain),
            ("multipart/report; boundary=", &plain),
            ("multipart/report", &plain),
            ("multipart/report; boundary=\"other\"", &plain),
            ("multipart", &plain),
            ("multipart/report;\nboundary=\"=_Part_1x\"", &plain),
        ] {
            let message = format!("Subject: x\nContent-Type: {content_type}\n\npreamble\n{body}");
            assert_eq!(leaves(&message), ["one", "two"], "{content_type}");
            let inner = format!(
                "Content-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: {content_type}\n\n{body}\
                 --outer\n\nthree\n--outer--\n"
            );
            assert_eq!(leaves(&inner), ["one", "two", "three"], "{content_type}");
        }
    }

    #[test]
    fn a_lost_boundary_has_a_part_behind_it() {
        let part = "--NextPart_12345\nContent-Type: text/plain\n\nSorry.\n";
        let parts = |body: &str| split(format!("From: a@relay.example\n\n{body}").as_bytes(), 0).len();
        assert_eq!(parts(&format!("{part}--NextPart_12345--\n")), 2);
        assert_eq!(parts(&format!("Hello\n{part}\n--NextPart_12345\n\nmore")), 3);
        assert_eq!(parts(part), 1, "the boundary occurs only once");
        assert_eq!(parts(&part.repeat(2).replace("NextPart_12345", "b")), 1, "a short word is no boundary");
        assert_eq!(parts(&format!("Content-Type: x\n{}", part.repeat(2))), 1, "a copied message");
        for end in ["", "\n", "\n\n"] {
            let words = format!("--NextPart_12345\nHello there\n--NextPart_12345{end}");
            assert_eq!(parts(&words), 1, "no header of a part follows; the text ends with {end:?}");
        }
    }

    #[test]
    fn a_part_is_read_without_its_header_or_the_empty_line_behind_it() {
        let message = |part: &str| {
            format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{part}\n--b\n\nlast\n--b--\n")
        };
        for (part, media_type, want) in [
            ("\nSorry.", "text/plain", "Sorry."),
            ("Sorry, this failed.\n\nmore", "text/plain", "Sorry, this failed.\n\nmore"),
            (
                "Content-Type: text/html\nSorry, this failed.\n\nmore",
                "text/html",
                "Sorry, this failed.\n\nmore",
            ),
            ("Content-Type: text/html;\ncharset=utf-8\nContent-Language: de\n\nmore", "text/html", "more"),
            ("Action: failed\n\nmore", "text/plain", "Action: failed\n\nmore"),
            ("Content-Type: text/html", "text/html", ""),
            (
                "Content-Type: message/delivery-status\nReporting-MTA: x\n\nAction: failed",
                "message/delivery-status",
                "Reporting-MTA: x\n\nAction: failed",
            ),
            ("", "text/plain", ""),
            (
                "Received: x\nFrom: a\nTo: b\nContent-Type: multipart/mixed; boundary=b2\n\n--b2",
                "message/rfc822",
                "Received: x\nFrom: a\nTo: b\nContent-Type: multipart/mixed; boundary=b2\n\n--b2",
            ),
        ] {
            let parts = parts(&message(part));
            assert_eq!((&*parts[1].1, &*parts[1].2), (media_type, want), "{part:?}");
            assert_eq!(parts.last().unwrap().2, "last", "{part:?}");
        }
    }

    #[test]
    fn the_header_of_a_message_may_lack_the_empty_line_before_the_first_part() {
        let part = "--b\nContent-Type: text/html\n\none\n--b--\n";
        for header in ["Content-Type: multipart/mixed; boundary=b\n", "Subject: x\n", ""] {
            let part = if header.contains("boundary") {
                part.to_owned()
            } else {
                part.replace("--b", "--boundary1")
            };
            assert_eq!(leaves(&format!("{header}{part}")), ["one"], "{header}");
        }
    }

    #[test]
    fn rfc2046_a_digest_holds_messages() {
        let message = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n--b\nContent-Type: text/plain\n\ny\n--b--\n";
        let parts = parts(message);
        assert_eq!((&*parts[1].1, &*parts[2].1), ("message/rfc822", "text/plain"));
    }

    #[test]
    fn every_limit_ends_the_parts_and_nothing_behind_it_is_read() {
        let head = "Content-Type: multipart/mixed; boundary=b\n\n";
        let many = split_count(&format!("{head}{}", "--b\n\nx\n".repeat(PARTS_MAX + 9)));
        assert_eq!(many, PARTS_MAX);
        let lines = format!("{head}--b\n\n{}--b\n\nSECRET\n", "--\n".repeat(BOUNDARY_LINES_MAX));
        let leaves = leaves(&lines);
        assert_eq!(leaves.len(), 1);
        assert!(!leaves[0].contains("SECRET"));
        let nested: String = (0..20)
            .map(|nth| format!("Content-Type: multipart/mixed; boundary=b{nth}\n\n--b{nth}\n"))
            .collect();
        let deepest = split(nested.as_bytes(), 0).iter().map(|part| part.depth).max();
        assert_eq!(deepest, Some(DEPTH_MAX));
        let long = format!("Subject: x\n{}\nbody", "X: y\n".repeat(HEADER_OCTETS_MAX / 4));
        assert_eq!(parts(&long)[0].2, "body");
        assert_eq!(parts(&long.replace('\n', "\r\n"))[0].2, "body");
    }

    fn split_count(message: &str) -> usize {
        split(message.as_bytes(), 0).len()
    }
}
