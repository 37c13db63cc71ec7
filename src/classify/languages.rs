//! The languages that the classifier reads. `languages/` has a file of phrases for each of them.
//!
//! A file has a section for each thing that a report can say, such as `[failed]`, and in it one
//! phrase on each line. An underscore at an end of a line stands for a space. A line that begins
//! with `#` is a comment.
//!
//! Phrases are in lower case. A text is put into lower case, every run of white space in it becomes
//! one space, and spaces are put around it, before phrases are looked for. A phrase must mean what
//! its section says wherever it stands in a report. It may be part of a longer phrase of another
//! section only if that section excuses the relay.

use std::borrow::Cow;

/// A language that the classifier reads.
pub struct Language {
    /// The language tag (BCP 47).
    pub tag: &'static str,
    /// The file of phrases.
    text: &'static str,
}

/// All languages.
pub const LANGUAGES: &[Language] = &[
    Language { tag: "en", text: include_str!("languages/english.txt") },
    Language { tag: "de", text: include_str!("languages/german.txt") },
    Language { tag: "fr", text: include_str!("languages/french.txt") },
    Language { tag: "es", text: include_str!("languages/spanish.txt") },
    Language { tag: "pt", text: include_str!("languages/portuguese.txt") },
    Language { tag: "it", text: include_str!("languages/italian.txt") },
    Language { tag: "nl", text: include_str!("languages/dutch.txt") },
    Language { tag: "pl", text: include_str!("languages/polish.txt") },
    Language { tag: "ru", text: include_str!("languages/russian.txt") },
    Language { tag: "ja", text: include_str!("languages/japanese.txt") },
    Language { tag: "zh-Hans", text: include_str!("languages/chinese_simplified.txt") },
    Language { tag: "zh-Hant", text: include_str!("languages/chinese_traditional.txt") },
    Language { tag: "ko", text: include_str!("languages/korean.txt") },
    Language { tag: "tr", text: include_str!("languages/turkish.txt") },
    Language { tag: "sv", text: include_str!("languages/swedish.txt") },
    Language { tag: "da", text: include_str!("languages/danish.txt") },
    Language { tag: "nb", text: include_str!("languages/norwegian.txt") },
];

impl Language {
    /// The phrases, each with the name of its section.
    pub fn phrases(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let mut section = "";
        self.text.lines().filter_map(move |line| {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
                return None;
            }
            (!line.is_empty() && !line.starts_with('#')).then(|| (section, phrase(line)))
        })
    }
}

/// The phrase on a line.
fn phrase(line: &'static str) -> Cow<'static, str> {
    let inside = line.trim_matches('_');
    if inside.len() == line.len() {
        return Cow::Borrowed(line);
    }
    let space = |is_marked: bool| if is_marked { " " } else { "" };
    Cow::Owned([space(line.starts_with('_')), inside, space(line.ends_with('_'))].concat())
}
