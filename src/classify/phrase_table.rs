//! Phrases that are looked for together, each with its owner.

use std::ops::Range;

use daachorse::DoubleArrayAhoCorasick;
use icu_normalizer::ComposingNormalizerBorrowed;

/// Phrases that are looked for in one pass over a text, each with its owner, in an automaton that is
/// small and fast for thousands of phrases.
pub(super) struct PhraseTable<O>(DoubleArrayAhoCorasick<O>);

/// A text in which phrases are looked for: in lower case, with composed letters, straight apostrophes
/// and a space at each end.
pub(super) struct FoldedText(String);

impl<O: Copy> PhraseTable<O> {
    /// Prepares the search for phrases, which are written in lower case.
    ///
    /// # Panics
    /// When there are too many phrases for an automaton.
    pub(super) fn new<P: AsRef<str>>(phrases: impl IntoIterator<Item = (P, O)>) -> Self {
        let phrases = phrases.into_iter().map(|(phrase, owner)| (phrase.as_ref().to_owned(), owner));
        let automaton = DoubleArrayAhoCorasick::with_values(phrases);
        PhraseTable(automaton.expect("the phrases are few and short enough for an automaton"))
    }

    /// Calls `found` with the owner and the place of every phrase in a text, also of those that
    /// overlap.
    pub(super) fn find_each(&self, text: &FoldedText, mut found: impl FnMut(O, Range<usize>)) {
        for phrase in self.0.find_overlapping_iter(&text.0) {
            found(phrase.value(), phrase.start()..phrase.end());
        }
    }
}

impl FoldedText {
    /// Folds a text.
    pub(super) fn new(text: &str) -> Self {
        let mut folded = String::with_capacity(text.len() + 2);
        folded.push(' ');
        if text.is_ascii() {
            folded.push_str(text);
            folded.make_ascii_lowercase();
        } else {
            // Some programs write letters and their accents apart (Unicode Normalization Form D).
            let text = ComposingNormalizerBorrowed::new_nfc().normalize(text);
            folded.push_str(&text.to_lowercase().replace('’', "'"));
        }
        folded.push(' ');
        FoldedText(folded)
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
