//! Reads the envelope that the receiving host notes in a Received field after `by`.

use crate::mail::Mailbox;

/// The mailbox in the `for` clause (RFC 5321 §4.4). The clause precedes the date.
pub(super) fn recipient(written_by_host: &str) -> Option<Mailbox> {
    let (clauses, _date) = written_by_host.rsplit_once(';')?;
    let words: Vec<&str> = clauses.split_whitespace().collect();
    // The reverse-path, which the client chooses, may stand before the clause and contain "for".
    let at = words.iter().rposition(|word| word.eq_ignore_ascii_case("for"))?;
    let recipient = Mailbox::parse(words.get(at + 1)?)?;
    words.get(at + 2).is_none_or(|next| next.starts_with('(')).then_some(recipient)
}

/// The reverse-path that Exim, Sendmail, Haraka and others note.
pub(super) fn reverse_path(written_by_host: &str) -> Option<Mailbox> {
    let (_, rest) = written_by_host
        .split_once("envelope-from")
        .or_else(|| written_by_host.split_once("envelope-sender"))?;
    Mailbox::parse(rest.trim_start_matches([' ', '=']).split([' ', ')', ';']).next()?)
}
