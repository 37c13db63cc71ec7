//! Reads the cause of a failed delivery from what a report says about one recipient.

use super::cause::Cause;
use super::cleaned_text::without_addresses;
use super::search::SignalSearch;
use super::statements::{Statement, Statements};
use crate::mail::EnhancedStatus;

/// What a text about one recipient, or a status code, says about the cause of the failure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CauseSigns {
    /// What the words say.
    said: Statements,
    /// What the codes say, as the statements that stand for the causes.
    coded: Statements,
}

impl CauseSigns {
    /// Reads a text, such as an SMTP reply (RFC 5321 §4.2). Addresses in the text say nothing, and
    /// what the fields of the original say, `chosen`, is no charge: the writer of the original chose
    /// them.
    pub(super) fn of_text(text: &str, search: &SignalSearch, chosen: Statements) -> Self {
        let text = without_addresses(&text[..text.floor_char_boundary(TEXT_OCTETS_MAX)]);
        let mut signs = CauseSigns {
            said: search.said(&without_line_codes(&text)).without_charges(chosen),
            coded: Statements::default(),
        };
        let words = text.split(|c: char| c.is_whitespace() || "()[]<>#:;,='\"/-".contains(c));
        let words: Vec<&str> =
            words.map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()).collect();
        let mut has_status = false;
        for (at, word) in words.iter().enumerate() {
            if let Some(status) = whole_status(word)
                && (is_told(&text, word)
                    || at.checked_sub(1).is_none_or(|before| leads_to_status(words[before])))
            {
                has_status = true;
                signs.add_status(status);
            }
        }
        for (says, decides) in words.into_iter().filter_map(by_reply_code) {
            if decides || !has_status {
                signs.coded.add(says);
            }
        }
        signs
    }

    /// Reads a status code (RFC 3463).
    pub(super) fn of_status(status: EnhancedStatus) -> Self {
        let mut signs = CauseSigns::default();
        signs.add_status(status);
        signs
    }

    /// What the words say.
    pub(super) const fn said(self) -> Statements {
        self.said
    }

    /// What the codes say, as the statements that stand for the causes.
    pub(super) const fn coded(self) -> Statements {
        self.coded
    }

    fn add_status(&mut self, status: EnhancedStatus) {
        if let Some(says) = by_status(status) {
            self.coded.add(says);
        }
    }

    fn is_excused_in_words(self) -> bool {
        let excuses = [Statement::RelayDenied, Statement::Mailbox, Statement::Expired];
        excuses.into_iter().any(|excuse| self.said.has(excuse))
    }

    /// The cause that excuses the relay, if anything says one: a full mailbox, a host that could not
    /// be reached, a temporary refusal, or a refusal to relay, which says nothing about the
    /// recipient.
    fn excuse(self) -> Option<Cause> {
        let order = [
            (self.said.has(Statement::RelayDenied), Cause::Unknown),
            (self.said.has(Statement::Mailbox), Cause::Mailbox),
            (self.said.has(Statement::Expired), Cause::Expired),
            (self.coded.has(Statement::Mailbox), Cause::Mailbox),
            (self.coded.has(Statement::Expired), Cause::Expired),
        ];
        order.into_iter().find_map(|(is_said, cause)| is_said.then_some(cause))
    }
}

/// The cause by several sources, the most reliable one first. `None` if they say nothing about it.
///
/// An excuse of the relay wins over everything else that the sources say. Otherwise the first
/// source that says something decides, and in it the words before the codes, because programs
/// choose codes less carefully than words. What contradicts itself is unknown.
pub(super) fn cause(sources: &[CauseSigns]) -> Option<Cause> {
    let excused_in_words = sources.iter().any(|source| source.is_excused_in_words());
    // The code 5.4.1 of this reply alone would be a time-out.
    if !excused_in_words && sources.iter().any(|source| source.said.has(Statement::RefusedAtEdge)) {
        return Some(Cause::Address);
    }
    let excuse = sources.iter().find_map(|source| source.excuse());
    excuse.or_else(|| {
        let stated = sources.iter().flat_map(|source| [source.said, source.coded]);
        stated.filter_map(only_cause).next()
    })
}

/// The cause that statements give: unknown if they contradict each other.
fn only_cause(said: Statements) -> Option<Cause> {
    let known = [
        (Statement::Address, Cause::Address),
        (Statement::Policy, Cause::Policy),
        (Statement::System, Cause::System),
    ];
    let mut given = known.into_iter().filter(|(statement, _)| said.has(*statement)).map(|(_, cause)| cause);
    let first = given.next()?;
    Some(if given.next().is_some() { Cause::Unknown } else { first })
}

/// A text without the codes that begin the lines of a reply of several lines, such as `550-5.1.1`
/// (RFC 5321 §4.2.1), so that its words stand together.
fn without_line_codes(text: &str) -> String {
    let is_code = |word: &&str| {
        let (code, rest) = word.split_at_checked(3).unwrap_or((word, ""));
        code.bytes().all(|octet| octet.is_ascii_digit())
            && rest.strip_prefix('-').is_some_and(|rest| rest.is_empty() || whole_status(rest).is_some())
    };
    text.split(' ').filter(|word| !is_code(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a word before a status code shows that it is one, and no version of a program.
fn leads_to_status(word: &str) -> bool {
    let is_reply_code =
        word.len() == 3 && word.starts_with(['4', '5']) && word.bytes().all(|b| b.is_ascii_digit());
    let is_lead = ["status", "code", "error", "said", "smtp", "dsn", "reason"];
    is_reply_code || {
        let word = word.to_ascii_lowercase();
        is_lead.iter().any(|lead| word.ends_with(lead))
    }
}

/// Whether a text shows a status code behind a number sign or in parentheses of its own.
fn is_told(text: &str, status: &str) -> bool {
    text.contains(&format!("#{status}")) || text.contains(&format!("({status})"))
}

/// Octets of a text about one recipient that are read.
const TEXT_OCTETS_MAX: usize = 8 << 10;

/// A status code, if a word is nothing else.
fn whole_status(word: &str) -> Option<EnhancedStatus> {
    word.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.').then(|| EnhancedStatus::find(word))?
}

/// What a status code says about the cause (RFC 3463 §3). Codes that may stand for several causes
/// say nothing.
fn by_status(status: EnhancedStatus) -> Option<Statement> {
    match (status.class, status.subject, status.detail) {
        (4, 0..=7, _) => Some(Statement::Expired),
        (5, 1, 1 | 3 | 6) => Some(Statement::Address),
        // The recipient's domain does not exist, or has no host that accepts mail.
        (5, 1, 2) | (5, 4, _) => Some(Statement::Expired),
        // The sender's address is the reason.
        (5, 1, 7 | 8) => Some(Statement::Policy),
        // The message is too large for the mailbox.
        (5, 2, 3) => Some(Statement::System),
        (5, 2, _) => Some(Statement::Mailbox),
        (5, 3 | 5, _) => Some(Statement::System),
        (5, 6 | 7, _) => Some(Statement::Policy),
        _ => None,
    }
}

/// What a reply code says about the cause (RFC 5321 §4.2.3), and whether it does so even beside a
/// status code.
fn by_reply_code(word: &str) -> Option<(Statement, bool)> {
    match word {
        "421" | "450" | "451" | "452" | "454" | "455" => Some((Statement::Expired, true)),
        "552" => Some((Statement::Mailbox, false)),
        "571" => Some((Statement::Policy, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::FORMATS;

    /// The cause by a Status field and the reply beside it.
    fn of(status: &str, reply: &str) -> Option<Cause> {
        let search = SignalSearch::new(FORMATS.iter().map(|format| format.signals));
        let status = EnhancedStatus::find(status).map(CauseSigns::of_status).unwrap_or_default();
        cause(&[CauseSigns::of_text(reply, &search, Statements::default()), status])
    }

    #[test]
    fn rfc3463_a_cause_is_read_and_never_assumed() {
        for (status, reply, expected) in [
            ("5.1.1", "", Some(Cause::Address)),
            ("", "", None),
            ("5.0.0", "", None),
            ("5.0.0", "550 go away", None),
            ("", "4711 widgets", None),
            ("5.0.0", "550 5.1.1 sorry", Some(Cause::Address)),
            ("5.0.0", "550 No such user here", Some(Cause::Address)),
            ("5.5.0", "550 Requested action not taken: mailbox unavailable", Some(Cause::Address)),
            ("5.7.1", "550 5.7.1 <a@b.example>... User unknown", Some(Cause::Address)),
            ("5.1.1", "550 5.7.1 sorry", Some(Cause::Policy)),
            ("5.7.0", "", Some(Cause::Policy)),
            ("5.3.4", "", Some(Cause::System)),
            ("5.2.2", "", Some(Cause::Mailbox)),
            ("5.0.0", "552 sorry", Some(Cause::Mailbox)),
            ("4.2.0", "450 4.2.0 try again later", Some(Cause::Expired)),
            ("5.0.0", "450 4.2.0 try again later: retry timeout exceeded", Some(Cause::Expired)),
            ("4.4.7", "", Some(Cause::Expired)),
            ("5.1.2", "550 Host unknown", Some(Cause::Expired)),
        ] {
            assert_eq!(of(status, reply), expected, "{status:?} {reply:?}");
        }
    }

    #[test]
    fn a_contradiction_is_decided_for_the_relay() {
        for (status, reply, expected) in [
            ("5.1.1", "552 5.2.2 Over quota", Cause::Mailbox),
            ("5.1.1", "connection timed out", Cause::Expired),
            ("5.2.2", "550 5.1.1 User unknown", Cause::Mailbox),
            ("4.4.7", "550 5.1.1 User unknown", Cause::Expired),
            ("5.1.1", "550 User unknown, or the message is spam", Cause::Unknown),
        ] {
            assert_eq!(of(status, reply), Some(expected), "{status:?} {reply:?}");
        }
    }

    #[test]
    fn a_refusal_to_relay_says_nothing_about_the_recipient() {
        for reply in ["554 5.7.1 <a@b.example>: Relay access denied", "550 5.1.1 Unable to relay"] {
            assert_eq!(of("5.1.1", reply), Some(Cause::Unknown), "{reply}");
        }
    }

    #[test]
    fn the_edge_of_exchange_online_refuses_unknown_recipients() {
        let edge = "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)";
        assert_eq!(of("5.4.1", edge), Some(Cause::Address));
        assert_eq!(of("5.4.1", "550 5.4.1 All attempts failed"), Some(Cause::Expired));
        let (full, chosen) = (format!("{edge} Mailbox full"), SignalSearch::new(std::iter::empty()));
        assert_eq!(of("5.4.1", &full), Some(Cause::Mailbox), "words that excuse the relay win");
        let quoted = CauseSigns::of_text(edge, &chosen, chosen.said(edge));
        assert_ne!(cause(&[quoted]), Some(Cause::Address), "the writer of the original chose it");
        let by_rule = "554 5.7.1 <a@b.example>: Recipient address rejected: Access denied";
        assert_eq!(of("5.7.1", by_rule), Some(Cause::Policy));
    }

    #[test]
    fn what_the_writer_of_the_original_chose_says_nothing() {
        for reply in [
            "550 <5.1.1@relay.example> sorry",
            "550 <\"user unknown\"@relay.example> sorry",
            "host mx.5.1.1.other.example said: 550 sorry",
        ] {
            assert_eq!(of("5.0.0", reply), None, "{reply}");
        }
    }
}
