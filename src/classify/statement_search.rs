//! Looks for the phrases of all languages in a text.

use std::ops::Range;

use super::phrase_table::{FoldedText, PhraseTable};
use super::statements::{Statement, Statements, phrases};

/// The phrases of all languages.
pub(super) struct StatementSearch(PhraseTable<Statement>);

impl StatementSearch {
    /// Prepares the search.
    ///
    /// # Panics
    /// When there are too many phrases for an automaton.
    pub(super) fn new() -> Self {
        StatementSearch(PhraseTable::new(phrases()))
    }

    /// What a text says.
    pub(super) fn said(&self, text: &str) -> Statements {
        let text = FoldedText::new(text);
        let mut said = Statements::default();
        self.0.find_each(&text, |statement, place| {
            if statement != Statement::Address || !is_part_of_name(text.as_str(), place) {
                said.add(statement);
            }
        });
        said
    }
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
