//! Looks for the signals of all formats in one pass over a message.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

use super::common_signals::{COMMON, CommonSignals};
use super::signal::{FormatSignal, Pattern, ShownSignals};
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
    words: AhoCorasick,
    /// The owner of each phrase of `words`.
    words_owners: Vec<PhraseOwner>,
    subject: AhoCorasick,
    /// The owner of each phrase of `subject`.
    subject_owners: Vec<PhraseOwner>,
    /// The values looked for and their owners, by the field's name in lower case.
    fields: HashMap<&'static str, Vec<(&'static [&'static str], PhraseOwner)>>,
}

/// The signals and the common phrases that a message shows.
pub(super) struct FoundSignals {
    formats: Vec<ShownSignals>,
    /// Bit N is set if the text contains a phrase of row N of [`COMMON`].
    common: u32,
}

/// What a phrase belongs to.
#[derive(Clone, Copy)]
enum PhraseOwner {
    /// A signal, by its position in the list of the format at a position.
    Signal { format: usize, nth: usize },
    /// A row of [`COMMON`].
    Common(usize),
}

impl FoundSignals {
    /// The signals that the message shows of the format at a position.
    pub(super) fn of(&self, format: usize) -> ShownSignals {
        self.formats[format]
    }

    /// Whether the text contains one of the common phrases.
    pub(super) fn says(&self, common: CommonSignals) -> bool {
        self.common & (1 << common as u32) != 0
    }

    fn add(&mut self, owner: PhraseOwner) {
        match owner {
            PhraseOwner::Signal { format, nth } => self.formats[format].bits |= 1 << nth,
            PhraseOwner::Common(nth) => self.common |= 1 << nth,
        }
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
        let (mut words, mut words_owners) = (Vec::new(), Vec::new());
        let (mut subject, mut subject_owners) = (Vec::new(), Vec::new());
        for (format, ShownSignals { signals, .. }) in formats.iter().enumerate() {
            assert!(signals.len() <= SIGNALS_MAX, "format {format} has too many signals");
            for (nth, signal) in signals.iter().enumerate() {
                let owner = PhraseOwner::Signal { format, nth };
                match &signal.mark {
                    Pattern::Field(name, values) => fields.entry(*name).or_default().push((*values, owner)),
                    Pattern::Words(phrases) => {
                        words.extend(*phrases);
                        words_owners.extend(phrases.iter().map(|_| owner));
                    }
                    Pattern::Subject(phrases) => {
                        subject.extend(*phrases);
                        subject_owners.extend(phrases.iter().map(|_| owner));
                    }
                }
            }
        }
        for (nth, phrases) in COMMON.iter().enumerate() {
            words.extend(*phrases);
            words_owners.extend(phrases.iter().map(|_| PhraseOwner::Common(nth)));
        }
        SignalSearch {
            formats,
            words: automaton(&words),
            words_owners,
            subject: automaton(&subject),
            subject_owners,
            fields,
        }
    }

    /// Looks for the signals of all formats and for the common phrases.
    pub(super) fn show(&self, header: &Header, words: &str, subject: &str) -> FoundSignals {
        let mut found = FoundSignals { formats: self.formats.clone(), common: 0 };
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
        for phrase in self.words.find_overlapping_iter(words) {
            found.add(self.words_owners[phrase.pattern().as_usize()]);
        }
        for phrase in self.subject.find_overlapping_iter(subject) {
            found.add(self.subject_owners[phrase.pattern().as_usize()]);
        }
        found
    }
}

fn automaton(phrases: &[&str]) -> AhoCorasick {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(phrases)
        .expect("the phrases of the formats are few and short enough for an automaton")
}

/// Whether `text` contains `part`, compared without regard to ASCII case.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part)) || part.is_empty()
}
