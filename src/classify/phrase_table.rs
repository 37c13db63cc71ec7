//! Phrases that are looked for together, each with its owner.

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

impl<O: Copy> PhraseTable<O> {
    /// Prepares the search for phrases, which are written in lower case.
    ///
    /// # Panics
    /// When there are too many phrases for an automaton.
    pub(super) fn new(phrases: impl IntoIterator<Item = (&'static str, O)>) -> Self {
        let (ascii, other) = phrases.into_iter().partition::<Vec<_>, _>(|(phrase, _)| phrase.is_ascii());
        PhraseTable {
            ascii: PhraseSet::new(ascii, AhoCorasickKind::DFA),
            other: PhraseSet::new(other, AhoCorasickKind::ContiguousNFA),
        }
    }

    /// Calls `found` with the owner of every phrase in a text, also of those that overlap. Letters of US-ASCII are compared without regard to case; others must be in lower case.
    pub(super) fn find_each(&self, text: &str, mut found: impl FnMut(O)) {
        self.ascii.find_each(text, &mut found);
        if !text.is_ascii() {
            self.other.find_each(text, &mut found);
        }
    }
}

impl<O: Copy> PhraseSet<O> {
    fn new(phrases: Vec<(&str, O)>, kind: AhoCorasickKind) -> Self {
        let (phrases, owners): (Vec<_>, Vec<_>) = phrases.into_iter().unzip();
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .kind(Some(kind))
            .build(phrases)
            .expect("the phrases are few and short enough for an automaton");
        PhraseSet { automaton, owners }
    }

    fn find_each(&self, text: &str, found: &mut impl FnMut(O)) {
        for phrase in self.automaton.find_overlapping_iter(text) {
            found(self.owners[phrase.pattern().as_usize()]);
        }
    }
}
