//! Looks for the phrases of all languages in a text.

use std::ops::Range;

use daachorse::DoubleArrayAhoCorasick;
use icu_normalizer::ComposingNormalizerBorrowed;

use super::statements::{Statement, Statements, phrases};

/// The phrases of all languages, in an automaton that is small and fast for thousands of phrases.
pub(super) struct StatementSearch(DoubleArrayAhoCorasick<Statement>);

impl StatementSearch {
    /// Prepares the search.
    ///
    /// # Panics
    /// When there are too many phrases for an automaton.
    pub(super) fn new() -> Self {
        let phrases = phrases().map(|(phrase, says)| (phrase.into_owned(), says));
        let automaton = DoubleArrayAhoCorasick::with_values(phrases);
        StatementSearch(automaton.expect("the phrases are few and short enough for an automaton"))
    }

    /// What a text says.
    pub(super) fn said(&self, text: &str) -> Statements {
        let text = folded(text);
        let mut said = Statements::default();
        for phrase in self.0.find_overlapping_iter(&text) {
            let (statement, place) = (phrase.value(), phrase.start()..phrase.end());
            if statement != Statement::Address || !is_part_of_name(&text, place) {
                said.add(statement);
            }
        }
        said
    }
}

/// The text in lower case, with composed letters, straight apostrophes and a space at each end.
fn folded(text: &str) -> String {
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
    folded
}

/// Whether the place of a phrase without spaces lies within a longer word, such as the name of a host.
/// Names belong to anybody.
fn is_part_of_name(text: &str, place: Range<usize>) -> bool {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    let phrase = &text[place];
    phrase.is_ascii()
        && !phrase.contains(' ')
        && (before.is_some_and(belongs) || after.is_some_and(|c| belongs(c) && c != '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_whether_or_not_their_accents_stand_apart() {
        let search = StatementSearch::new();
        for text in ["Das Postfach ist überfüllt", "DAS POSTFACH IST U\u{308}BERFU\u{308}LLT"] {
            assert!(search.said(text).has(Statement::Mailbox), "{text}");
        }
        assert!(!search.said("Das Postfach ist leer").has(Statement::Mailbox));
    }
}
