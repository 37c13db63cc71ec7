//! Separates the text of a report from a copy of the original that follows it in the same part.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use memchr::memchr;

use super::Header;
use super::header::is_field_name;
use super::lines::text_lines;

/// Fields that are typical of a message header, in lower case. A copied header has at least two of
/// them.
const TELLING_FIELDS: [&str; 7] = ["from", "to", "received", "return-path", "date", "message-id", "subject"];
/// Fields that occur only in a message header, in lower case. A copied header has at least one of
/// them.
const DECISIVE_FIELDS: [&str; 5] = ["from", "received", "return-path", "message-id", "mime-version"];
/// The end of the line by which PMDF announces some fields of the original's header.
const EXCERPT: &str = "following header fields:";
/// Number of lines that may precede the copied header after its announcement.
const LINES_BETWEEN_MAX: usize = 4;
/// Number of consecutive fields that a copied header has at least.
const FIELDS_MIN: usize = 3;
/// Phrases of a line of dashes that announces the copied original, in lower case.
const COPY_MARKS: [&str; 17] = [
    "below this line is a copy",
    "below the next line is a copy",
    "enclosed are the original headers",
    "enclosed is a copy of",
    "this is a copy of",
    "copy of your message",
    "header of the original message",
    "header and top",
    "mensaje original",
    "message text follows",
    "original message",
    "message follows",
    "message header follows",
    "unsent message",
    "returned message",
    "returned mail",
    "undelivered message",
];
static COPY_MARKS_SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let search = AhoCorasickBuilder::new().ascii_case_insensitive(true).build(COPY_MARKS);
    search.expect("the marks are few and short")
});
/// Whole lines without dashes that announce the copied original, in lower case.
const COPY_LINES: [&str; 9] = [
    "original message follows",
    "original message headers",
    "original mail as follows",
    "original message as received is as follows",
    "message headers follow",
    "message header follows",
    "included is a copy of the message header",
    "below is a copy of the original message",
    "below this line is a copy of the message",
];

/// Splits a text into the report's own text and the header of the copied original, if there is one.
///
/// The original begins after a line that announces it, or at a block of lines that looks like a
/// message header. Only its header is returned, never its body.
pub(super) fn split_copy(text: &str) -> (&str, Option<Header>) {
    let mut at = 0;
    let mut block: Option<HeaderBlock> = None;
    let mut above = "";
    for line in text_lines(text) {
        if announces_copy(line) {
            let below = at + line.len();
            return (&text[..below], copied_header(&text[below..]));
        }
        let content = unquoted(line);
        match (&mut block, field_name(content)) {
            (Some(block), Some(name)) => block.add(name),
            (None, Some(name)) => {
                let is_excerpt = above.ends_with(EXCERPT);
                let mut started =
                    HeaderBlock { start: at, fields: 0, telling: 0, decisive: false, is_excerpt };
                started.add(name);
                block = Some(started);
            }
            (Some(_), None) if is_continued(line) && !content.is_empty() => {}
            (Some(found), None) if found.is_header() => return cut(text, found.start),
            (_, None) => block = None,
        }
        at += line.len();
        above = if content.is_empty() { above } else { content };
    }
    match block {
        Some(found) if found.is_header() => cut(text, found.start),
        _ => (text, None),
    }
}

/// Consecutive lines that look like header fields.
struct HeaderBlock {
    /// Position of the first line in the text, in octets.
    start: usize,
    /// Number of fields.
    fields: usize,
    /// Number of those that are in `TELLING_FIELDS`.
    telling: usize,
    /// One of them is in `DECISIVE_FIELDS`. Reports of Exchange also list To, Subject and Sent in
    /// lines of their own.
    decisive: bool,
    /// A line of the report announces some fields of the original. The report goes on below them.
    is_excerpt: bool,
}

impl HeaderBlock {
    fn add(&mut self, name: &str) {
        self.fields += 1;
        self.telling += usize::from(TELLING_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)));
        self.decisive |= DECISIVE_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field));
    }

    fn is_header(&self) -> bool {
        self.fields >= FIELDS_MIN && self.telling >= 2 && self.decisive && !self.is_excerpt
    }
}

fn cut(text: &str, start: usize) -> (&str, Option<Header>) {
    (&text[..start], copied_header(&text[start..]))
}

/// The header at the start of a copy, whose lines may be quoted with `>`.
fn copied_header(copy: &str) -> Option<Header> {
    let copy = copy.trim_start_matches(['\r', '\n', ' ', '\t']);
    let plain: String = if copy.starts_with('>') {
        copy.lines().map(|line| line.trim_start_matches(['>', ' ']).to_owned() + "\n").collect()
    } else {
        copy.to_owned()
    };
    // A separator line, or the announcement in another language, may precede the header.
    let begins = |line: &&str| field_name(line).is_some_and(|name| !name.contains('='));
    let above: usize =
        text_lines(&plain).take(LINES_BETWEEN_MAX).take_while(|line| !begins(line)).map(str::len).sum();
    let header = Header::parse_strictly(&plain.as_bytes()[above..]);
    (!header.is_empty()).then_some(header)
}

/// Whether a line announces the copied original: it begins with `--` or `|--` and contains one of
/// the phrases, or is one of the whole lines.
pub(super) fn announces_copy(line: &str) -> bool {
    let line = line.trim();
    if line.starts_with("--") || line.starts_with("|--") {
        return COPY_MARKS_SEARCH.is_match(line);
    }
    let words = line.trim_end_matches([':', '.', ' ']);
    COPY_LINES.iter().any(|alone| words.eq_ignore_ascii_case(alone))
}

/// Whether a line continues a folded field. In a quoted line, one space belongs to the quote and a
/// second one to the fold.
fn is_continued(line: &str) -> bool {
    let inside = line.trim_start_matches('>');
    inside.starts_with('\t') || inside.starts_with("  ") || line.starts_with(' ')
}

fn unquoted(line: &str) -> &str {
    line.trim_start_matches(['>', ' ', '\t']).trim_end()
}

fn field_name(line: &str) -> Option<&str> {
    let name = &line[..memchr(b':', line.as_bytes())?];
    (is_field_name(name.as_bytes()) && !name.starts_with(['<', '-'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Return-Path: <t@trap.example>\nReceived: from x\n  by y\nSubject: pills\n\nSECRET body\n";

    #[test]
    fn the_copy_is_cut_to_its_header() {
        let text = format!(
            "Hi.\n<a@b.example>:\nSorry.\n\n--- Below this line is a copy of the message.\n\n{HEADER}"
        );
        let (words, copy) = split_copy(&text);
        assert!(words.ends_with("copy of the message.\n"), "{words}");
        let copy = copy.unwrap();
        assert_eq!(copy.field("Subject"), Some("pills"));
        assert_eq!(copy.field("Received"), Some("from x by y"));
    }

    #[test]
    fn no_way_of_copying_keeps_the_body() {
        let quoted: String = HEADER.lines().map(|line| format!("> {line}\n")).collect();
        let indented: String = HEADER.lines().map(|line| format!("    {line}\n")).collect();
        let broken = "Return-Path: <t@trap.example>\nnot a field\nSubject: pills\n\nSECRET body\n";
        for copy in [
            HEADER.to_owned(),
            quoted,
            indented,
            format!("--- Below this line is a copy of the message.\n\n{broken}"),
            "------ This is a copy of the message, including all the headers. ------\n\nSECRET only\n"
                .to_owned(),
            "   ----- Unsent message follows -----\nnote: SECRET\n\nSECRET\n".to_owned(),
        ] {
            let text = format!("Sorry.\n\n{copy}");
            let (words, header) = split_copy(&text);
            assert!(words.starts_with("Sorry.") && !words.contains("SECRET"), "{copy}: {words}");
            let kept = header.map(|header| format!("{header:?}")).unwrap_or_default();
            assert!(!kept.contains("SECRET body"), "{copy}: {kept}");
        }
    }

    #[test]
    fn an_excerpt_of_the_header_does_not_end_the_report() {
        let report = "This is about a message with the following header fields:\n\n  Message-id: <1@b.example>\n  \
                      From: t@trap.example\n  Subject: pills\n\nIt failed for a@b.example.\n\n";
        let (words, copy) = split_copy(report);
        assert_eq!((words, copy), (report, None));
        let returned = format!("{report}{HEADER}");
        let (words, copy) = split_copy(&returned);
        assert_eq!(words, report);
        assert!(copy.is_some());
    }

    #[test]
    fn words_that_only_look_like_fields_stay() {
        for text in [
            "Note: one\nand two: three\n",
            "To: x\nPS: y\n\nbye",
            "Reason: no\nCode: 5\nHost: x\n",
            "--- sorry\n",
        ] {
            assert_eq!(split_copy(text), (text, None), "{text}");
        }
    }
}
