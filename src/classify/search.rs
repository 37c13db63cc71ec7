//! Looks for the signals of all formats, and for what a text says, in one pass over a message.

use std::collections::HashMap;

use super::phrase_table::{FoldedText, PhraseTable};
use super::signal::{FormatSignal, Pattern, ShownSignals};
use super::statement_search::StatementSearch;
use super::statements::Statements;
use crate::mail::Header;

/// Largest number of signals of one format: they are kept as bits of a `u32`.
const SIGNALS_MAX: usize = 32;
/// Octets of the text in which phrases are looked for. Reports state their purpose at the
/// beginning.
const LOOK_OCTETS_MAX: usize = 8 << 10;

/// The automata and tables by which one pass over a message finds the signals of all formats.
pub(super) struct SignalSearch {
    /// The signals of each format; a message shows none of them yet.
    formats: Vec<ShownSignals>,
    words: PhraseTable<SignalOwner>,
    subject: PhraseTable<SignalOwner>,
    statements: StatementSearch,
    /// The values looked for and their owners, by the field's name in lower case.
    fields: HashMap<&'static str, Vec<(&'static [&'static str], SignalOwner)>>,
}

/// The signals that a message shows.
pub(super) struct FoundSignals {
    formats: Vec<ShownSignals>,
}

/// The signal that a phrase belongs to, by its position in the list of the format at a position.
#[derive(Clone, Copy)]
struct SignalOwner {
    format: usize,
    nth: usize,
}

impl FoundSignals {
    /// The signals that the message shows of the format at a position.
    pub(super) fn of(&self, format: usize) -> ShownSignals {
        self.formats[format]
    }

    fn add(&mut self, owner: SignalOwner) {
        self.formats[owner.format].bits |= 1 << owner.nth;
    }
}

impl SignalSearch {
    /// Prepares the search for the signals of these formats.
    ///
    /// # Panics
    /// When a format has too many signals, or the formats have too many phrases for an automaton.
    pub(super) fn new(formats: impl Iterator<Item = &'static [FormatSignal]>) -> Self {
        let formats: Vec<_> = formats.map(|signals| ShownSignals { signals, bits: 0 }).collect();
        let mut fields: HashMap<_, Vec<_>> = HashMap::new();
        let (mut words, mut subject) = (Vec::new(), Vec::new());
        for (format, ShownSignals { signals, .. }) in formats.iter().enumerate() {
            assert!(signals.len() <= SIGNALS_MAX, "format {format} has too many signals");
            for (nth, signal) in signals.iter().enumerate() {
                let owner = SignalOwner { format, nth };
                match &signal.mark {
                    Pattern::Field(name, values) => fields.entry(*name).or_default().push((*values, owner)),
                    Pattern::Words(phrases) => words.extend(phrases.iter().map(|phrase| (*phrase, owner))),
                    Pattern::Subject(phrases) => {
                        subject.extend(phrases.iter().map(|phrase| (*phrase, owner)))
                    }
                }
            }
        }
        SignalSearch {
            formats,
            words: PhraseTable::new(words),
            subject: PhraseTable::new(subject),
            statements: StatementSearch::new(),
            fields,
        }
    }

    /// Looks for the signals of all formats.
    pub(super) fn show(&self, header: &Header, words: &str, subject: &str) -> FoundSignals {
        let mut found = FoundSignals { formats: self.formats.clone() };
        let mut name = String::new();
        for field in header.fields() {
            name.clear();
            name.push_str(&field.name);
            name.make_ascii_lowercase();
            for (values, owner) in self.fields.get(name.as_str()).into_iter().flatten() {
                if values.is_empty() || values.iter().any(|value| contains(&field.value, value)) {
                    found.add(*owner);
                }
            }
        }
        let words = &words[..words.floor_char_boundary(LOOK_OCTETS_MAX)];
        self.words.find_each(&FoldedText::new(words), |owner, _| found.add(owner));
        self.subject.find_each(&FoldedText::new(subject), |owner, _| found.add(owner));
        found
    }

    /// What a text says, such as the whole text or the lines about one recipient. The text has been
    /// [cleaned](super::cleaned_text::without_addresses).
    pub(super) fn said(&self, text: &str) -> Statements {
        self.statements.said(&text[..text.floor_char_boundary(LOOK_OCTETS_MAX)])
    }
}

/// Whether `text` contains `part`, compared without regard to ASCII case.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part)) || part.is_empty()
}
