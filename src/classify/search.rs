//! Looks for the signals of all formats, and for what a text says, in one pass over a message.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use memchr::memchr_iter;

use super::phrase_table::{PhraseTable, TableSize};
use super::signal::{FormatSignal, Pattern, ShownSignals};
use super::statements::{Statement, Statements, phrases};
use crate::mail::Header;

/// Largest number of signals of one format: they are kept as bits of a `u32`.
const SIGNALS_MAX: usize = 32;
/// Octets of the text in which phrases are looked for. Reports state their purpose at the
/// beginning.
const LOOK_OCTETS_MAX: usize = 8 << 10;

/// Octets before an at sign that are searched for the start of the local part, which has at most 64
/// (RFC 5321 §4.5.3.1.1) and twice as many if it is quoted.
const LOCAL_OCTETS_MAX: usize = 160;

/// The automata and tables by which one pass over a message finds the signals of all formats.
pub(super) struct SignalSearch {
    /// The signals of each format; a message shows none of them yet.
    formats: Vec<ShownSignals>,
    words: PhraseTable<SignalOwner>,
    subject: PhraseTable<SignalOwner>,
    statements: PhraseTable<Statement>,
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
            words: PhraseTable::new(TableSize::Hundreds, words),
            subject: PhraseTable::new(TableSize::Hundreds, subject),
            statements: PhraseTable::new(TableSize::Thousands, phrases()),
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
        self.words.find_each(&lower(words), |owner, _| found.add(owner));
        self.subject.find_each(&lower(subject), |owner, _| found.add(owner));
        found
    }

    /// What a text says, such as the whole text or the lines about one recipient. White space in it
    /// must be single spaces. What stands within an address says nothing, because the writer of the
    /// original chose it.
    pub(super) fn said(&self, text: &str) -> Statements {
        let text = &text[..text.floor_char_boundary(LOOK_OCTETS_MAX)];
        let padded = [" ", &lower(text), " "].concat();
        let mut said = Statements::default();
        let mut addresses: Option<Vec<Range<usize>>> = None;
        self.statements.find_each(&padded, |statement, place| {
            let addresses = addresses.get_or_insert_with(|| addresses_in(&padded));
            let apart = |address: &Range<usize>| address.end <= place.start || place.end <= address.start;
            if addresses.iter().all(apart) {
                said.add(statement);
            }
        });
        said
    }
}

/// A text without the addresses in it.
pub(super) fn without_addresses(text: &str) -> Cow<'_, str> {
    let addresses = addresses_in(text);
    if addresses.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    for address in addresses {
        kept.push_str(text.get(at..address.start).unwrap_or_default());
        at = at.max(address.end);
    }
    kept.push_str(&text[at..]);
    Cow::Owned(kept)
}

/// The text in lower case, with straight apostrophes. Letters of US-ASCII may stay as they are,
/// because phrases match them in either case.
fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase().replace('’', "'")) }
}

/// The places of the addresses in a text, in octets.
fn addresses_in(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || "<>()[],;:".contains(c);
    memchr_iter(b'@', text.as_bytes())
        .map(|at| {
            let first = text.floor_char_boundary(at.saturating_sub(LOCAL_OCTETS_MAX));
            let before = &text[first..at];
            let start = match before.strip_suffix('"') {
                Some(quoted) => opening_quote(quoted),
                None => before.rfind(ends).map_or(0, |end| end + 1),
            };
            first + start..text[at..].find(ends).map_or(text.len(), |end| at + end)
        })
        .collect()
}

/// The place of the quote that opens the quoted string at the end of a text (RFC 5321 §4.1.2).
fn opening_quote(text: &str) -> usize {
    let mut quotes = text.rmatch_indices('"').map(|(at, _)| at);
    quotes.find(|&at| !text[..at].ends_with('\\')).unwrap_or(0)
}

/// Whether `text` contains `part`, compared without regard to ASCII case.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part)) || part.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::FORMATS;

    #[test]
    fn what_stands_within_an_address_says_nothing() {
        let search = SignalSearch::new(FORMATS.iter().map(|format| format.signals));
        for text in [
            "sorry <\"user unknown\"@relay.example>: no",
            "sorry \"a \\\"user unknown\\\" b\"@relay.example",
            "sorry \"x: user unknown, y\"@relay.example",
        ] {
            assert_eq!(search.said(text), Statements::default(), "{text}");
        }
        let said = search.said("<a@relay.example>: User unknown");
        assert!(said.has(Statement::Address));
    }
}
