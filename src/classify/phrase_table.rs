//! Phrases that are looked for together, each with its owner.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};

/// Phrases that are looked for in one pass over a text, each with its owner.
///
/// Most texts are US-ASCII, and then only the phrases in US-ASCII are looked for.
pub(super) struct PhraseTable<O> {
    ascii: PhraseSet<O>,
    other: PhraseSet<O>,
}

struct PhraseSet<O> {
    automaton: AhoCorasick,
    /// The owner of each phrase of the automaton.
    owners: Vec<O>,
}

/// What a table of phrases is made for.
#[derive(Clone, Copy)]
pub(super) enum TableSize {
    /// A few hundred phrases, looked for in every message: as fast as possible.
    Hundreds,
    /// Thousands of phrases, looked for in few messages: in little memory.
    Thousands,
}

impl<O: Copy> PhraseTable<O> {
    /// Prepares the search for phrases, which are written in lower case.
    ///
    /// # Panics
    /// When there are too many phrases for an automaton.
    pub(super) fn new<P: AsRef<str>>(size: TableSize, phrases: impl IntoIterator<Item = (P, O)>) -> Self {
        let (ascii, other) =
            phrases.into_iter().partition::<Vec<_>, _>(|(phrase, _)| phrase.as_ref().is_ascii());
        let fast = match size {
            TableSize::Hundreds => AhoCorasickKind::DFA,
            TableSize::Thousands => AhoCorasickKind::ContiguousNFA,
        };
        PhraseTable {
            ascii: PhraseSet::new(ascii, fast),
            other: PhraseSet::new(other, AhoCorasickKind::ContiguousNFA),
        }
    }

    /// Calls `found` with the owner and the place of every phrase in a text, also of those that
    /// overlap. Letters of US-ASCII are compared without regard to case; others must be in lower case.
    pub(super) fn find_each(&self, text: &str, mut found: impl FnMut(O, Range<usize>)) {
        self.ascii.find_each(text, &mut found);
        if !text.is_ascii() {
            self.other.find_each(text, &mut found);
        }
    }
}

impl<O: Copy> PhraseSet<O> {
    fn new<P: AsRef<str>>(phrases: Vec<(P, O)>, kind: AhoCorasickKind) -> Self {
        let (phrases, owners): (Vec<_>, Vec<_>) = phrases.into_iter().unzip();
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .kind(Some(kind))
            .build(phrases.iter().map(AsRef::as_ref))
            .expect("the phrases are few and short enough for an automaton");
        PhraseSet { automaton, owners }
    }

    fn find_each(&self, text: &str, found: &mut impl FnMut(O, Range<usize>)) {
        for phrase in self.automaton.find_overlapping_iter(text) {
            found(self.owners[phrase.pattern().as_usize()], phrase.range());
        }
    }
}
