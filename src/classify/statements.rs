//! What a text says, whatever the format and the language of a report.

use std::borrow::Cow;

use super::languages::{LANGUAGES, Language};

/// One thing that a text can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// The message was not delivered.
    Failed,
    /// The message has not been delivered yet, and delivery is still tried.
    Delayed,
    /// The message was delivered, relayed or expanded.
    Delivered,
    /// The failure is final.
    Permanent,
    /// The recipient does not exist.
    Address,
    /// The mailbox is full or disabled.
    Mailbox,
    /// A host could not be reached, the time is over, or the reader is told to try again later.
    Expired,
    /// Content or a rule of the site is the reason.
    Policy,
    /// The mail system failed.
    System,
    /// A host refused to relay. The recipient may exist elsewhere.
    RelayDenied,
    /// Exchange Online refuses an unknown recipient at its edge.
    RefusedAtEdge,
    /// The reader is asked to do what phishing mail asks for.
    Lure,
}

/// A set of statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statements(u16);

impl Statements {
    /// Whether the set contains a statement.
    pub(super) const fn has(self, statement: Statement) -> bool {
        self.0 & (1 << statement as u16) != 0
    }

    /// The set without what another set says against the relay.
    pub(super) fn without_charges(self, chosen: Statements) -> Statements {
        let charges = [Statement::Permanent, Statement::Address, Statement::Policy, Statement::RefusedAtEdge];
        let mask = charges.into_iter().fold(0, |mask, charge| mask | 1 << charge as u16);
        Statements(self.0 & !(chosen.0 & mask))
    }

    /// Adds a statement to the set.
    pub(super) const fn add(&mut self, statement: Statement) {
        self.0 |= 1 << statement as u16;
    }
}

/// The sections of a file of phrases, and what their phrases say.
const SECTIONS: [(&str, Statement); 10] = [
    ("failed", Statement::Failed),
    ("permanent", Statement::Permanent),
    ("delayed", Statement::Delayed),
    ("delivered", Statement::Delivered),
    ("address", Statement::Address),
    ("mailbox", Statement::Mailbox),
    ("expired", Statement::Expired),
    ("policy", Statement::Policy),
    ("system", Statement::System),
    ("relay", Statement::RelayDenied),
];

/// Every phrase that is looked for, with what it says.
pub(super) fn phrases() -> impl Iterator<Item = (Cow<'static, str>, Statement)> {
    let section = |name: &str| SECTIONS.iter().find(|(section, _)| *section == name).map(|(_, says)| *says);
    let by_language = LANGUAGES.iter().flat_map(Language::phrases);
    let by_language = by_language.filter_map(move |(name, phrase)| Some((phrase, section(name)?)));
    let of = |phrases: &'static [&'static str], says| {
        phrases.iter().map(move |phrase| (Cow::Borrowed(*phrase), says))
    };
    by_language.chain(of(LURE, Statement::Lure)).chain(of(EDGE, Statement::RefusedAtEdge))
}

/// The reply by which Exchange Online refuses unknown recipients, without and with their address.
const EDGE: &[&str] =
    &["5.4.1 recipient address rejected: access denied", "5.4.1 : recipient address rejected: access denied"];
/// Phrases of phishing mail, which reports do not use.
const LURE: &[&str] = &[
    "click here",
    "click the link",
    "click on the link",
    "click below",
    "clicking below",
    "release messages",
    "release pending",
    "release your message",
    "retrieve your",
    "retrieve messages",
    "recover messages",
    "review messages",
    "view messages",
    "verify your account",
    "verify your mailbox",
    "verify your email",
    "validate your",
    "confirm your account",
    "confirm your password",
    "confirm ownership",
    "update your account",
    "update your mailbox",
    "upgrade your",
    "increase your quota",
    "your password",
    "log in to",
    "login to",
    "sign in to",
    "open the attach",
    "see the attached file",
    "please read the attached",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_everything_in_lower_case() {
        for language in LANGUAGES {
            for (name, _) in SECTIONS {
                let has = language.phrases().filter(|(section, _)| *section == name).count();
                assert!(has >= 5, "{} has {has} phrases in [{name}]", language.tag);
            }
            for (section, phrase) in language.phrases() {
                assert!(SECTIONS.iter().any(|(name, _)| *name == section), "{} [{section}]", language.tag);
                assert_eq!(phrase, phrase.to_lowercase(), "{} [{section}]", language.tag);
                assert!(!phrase.contains("  ") && phrase.trim().len() > 1, "{} {phrase:?}", language.tag);
            }
        }
    }
}
