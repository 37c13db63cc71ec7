//! A report's own words, set apart from the copy of the original that older writers put below them.

use super::Header;
use super::header::is_field_name;

/// Fields that a copied header has, of which it takes two to call lines a header.
const TELLING_FIELDS: [&str; 7] = ["from", "to", "received", "return-path", "date", "message-id", "subject"];
/// Consecutive lines that look like fields before they are taken for a copied header.
const FIELDS_MIN: usize = 3;

/// The words of the report, and the header of the copied original below them, if there is one.
///
/// Nothing below the copied header is kept: that is the original's body.
pub(super) fn split_copy(text: &str) -> (&str, Option<Header>) {
    let mut at = 0;
    let mut block: Option<Block> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        match (&mut block, field_name(content)) {
            (Some(block), Some(name)) => block.add(name),
            (None, Some(name)) => {
                let mut started = Block { start: at, fields: 0, telling: 0 };
                started.add(name);
                block = Some(started);
            }
            (Some(_), None) if content.starts_with([' ', '\t']) && !content.trim().is_empty() => {}
            (Some(found), None) if found.is_header() => return cut(text, found.start),
            (_, None) => block = None,
        }
        at += line.len();
    }
    match block {
        Some(found) if found.is_header() => cut(text, found.start),
        _ => (text, None),
    }
}

struct Block {
    start: usize,
    fields: usize,
    telling: usize,
}

impl Block {
    fn add(&mut self, name: &str) {
        self.fields += 1;
        self.telling += usize::from(TELLING_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)));
    }

    fn is_header(&self) -> bool {
        self.fields >= FIELDS_MIN && self.telling >= 2
    }
}

fn cut(text: &str, start: usize) -> (&str, Option<Header>) {
    (&text[..start], Some(Header::parse(&text.as_bytes()[start..])))
}

fn field_name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    (is_field_name(name.as_bytes()) && !name.starts_with(['<', '>', '-'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_cut_to_its_header() {
        let text = "Hi.\n<a@b.example>:\nSorry.\n\n--- Below this line is a copy of the message.\n\n\
                    Return-Path: <t@trap.example>\nReceived: from x\n  by y\nSubject: pills\n\nSECRET body\n";
        let (words, copy) = split_copy(text);
        assert!(words.ends_with("copy of the message.\n\n"), "{words}");
        let copy = copy.unwrap();
        assert_eq!(copy.field("Subject"), Some("pills"));
        assert_eq!(copy.field("Received"), Some("from x by y"));
    }

    #[test]
    fn words_that_only_look_like_fields_stay() {
        for text in ["Note: one\nand two: three\n", "To: x\nPS: y\n\nbye", "Reason: no\nCode: 5\nHost: x\n"] {
            assert_eq!(split_copy(text), (text, None), "{text}");
        }
    }
}
