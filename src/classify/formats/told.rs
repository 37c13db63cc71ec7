//! Reads the reporting MTA, and the sender of an original that is not returned, from the words of a
//! report.

use crate::classify::format::FormatClaim;
use crate::classify::reading::{MessageReading, find};
use crate::mail::{Mailbox, text_lines};

/// Number of lines of the text that are read.
const LINES_MAX: usize = 400;
/// The command of a quoted SMTP session that names the sender, in lower case.
const COMMAND: &str = "mail from:";
/// Labels of the line with the sender, in lower case.
const LABELS: [&str; 21] = [
    "mail von",
    "from",
    "von",
    "sender",
    "absender",
    "de",
    "expéditeur",
    "remitente",
    "remetente",
    "mittente",
    "van",
    "afzender",
    "nadawca",
    "отправитель",
    "差出人",
    "送信者",
    "发件人",
    "寄件者",
    "보낸 사람",
    "avsändare",
    "afsender",
];

/// Octets at the beginning of the text in which the report names its writer.
const OPENING_OCTETS_MAX: usize = 400;
/// What a report calls its writer before it names the host, in lower case.
const WRITERS: [&str; 7] = [
    "program",
    "mail system",
    "mailsystem",
    "daemon",
    "mail agent",
    "mail delivery agent",
    "serveur de messagerie",
];
/// Words between the writer and the host, in lower case.
const AT: [&str; 5] = [" at host ", " at ", " auf ", " sur ", " @ "];

/// The claim, with what the report does not give in its fields or in the original, but tells in its
/// text.
pub(super) fn complete(mut claim: FormatClaim, reading: &MessageReading<'_>) -> FormatClaim {
    let report = &mut claim.report;
    if report.original_sender.is_none() {
        report.original_sender = sender_in(reading.words);
    }
    if report.reporting_mta.is_none() {
        report.reporting_mta = host_in(&reading.line);
    }
    claim
}

/// The host in an opening such as `This is the mail system at host mx.relay.example.`
fn host_in(line: &str) -> Option<String> {
    let opening = line[..line.floor_char_boundary(OPENING_OCTETS_MAX)].to_lowercase();
    AT.iter().flat_map(|at| opening.match_indices(at)).find_map(|(place, at)| {
        let sentence = opening[..place].rsplit(". ").next().unwrap_or_default();
        let host = opening[place + at.len()..].split_whitespace().next()?.trim_matches(['.', ',', ':', ')']);
        let sound =
            host.contains('.') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        (sound && WRITERS.iter().any(|writer| sentence.contains(writer))).then(|| host.to_owned())
    })
}

/// The sender that a line of the text tells.
fn sender_in(words: &str) -> Option<Mailbox> {
    text_lines(words).take(LINES_MAX).filter(|line| line.contains('@')).find_map(sender_of_line)
}

/// The sender in a line such as `>>> MAIL FROM:<a@b.example> SIZE=7`, `Sender: a@b.example` or
/// `from <a@b.example>`.
fn sender_of_line(line: &str) -> Option<Mailbox> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "*->".contains(c)).trim_end();
    if let Some(at) = find(line, COMMAND) {
        let path = line[at + COMMAND.len()..].trim_start().strip_prefix('<')?;
        return Mailbox::parse(path.split_once('>')?.0);
    }
    if let Some((label, value)) = line.split_once([':', '：']) {
        let labelled = LABELS.contains(&label.trim().to_lowercase().as_str());
        return labelled.then(|| only_mailbox(value)).flatten();
    }
    let path = line.strip_prefix("from ").or_else(|| line.strip_prefix("From "))?;
    let path = path.trim_end_matches(['.', ',']);
    (path.starts_with('<') && path.ends_with('>')).then(|| Mailbox::parse(path)).flatten()
}

/// The mailbox of a value that names one and no other.
fn only_mailbox(value: &str) -> Option<Mailbox> {
    (value.matches('@').count() == 1).then(|| Mailbox::find(value)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_read_from_a_session_and_from_a_labelled_line() {
        for line in [
            ">>> MAIL FROM:<a@b.example>",
            " MAIL From:<a@b.example> SIZE=1861",
            "In: MAIL FROM: <a@b.example> BODY=8BITMIME",
            "Mail von: <a@b.example>",
            "* From: \"A\" <a@b.example>",
            "Absender: a@b.example",
            "Expéditeur : a@b.example",
            "差出人：a@b.example",
            "from <a@b.example>.",
        ] {
            let text = format!("It failed.\nTo: c@d.example\n{line}\n");
            assert_eq!(
                sender_in(&text).map(|sender| sender.to_string()).as_deref(),
                Some("a@b.example"),
                "{line}"
            );
        }
    }

    #[test]
    fn the_host_is_read_from_the_opening() {
        for opening in [
            "I'm the mail system at mx.relay.example.",
            "This is the mail system at host mx.relay.example. I'm sorry",
            "Sent by the mailer daemon (relayd 0.3) at mx.relay.example.",
            "Hallo. Diese Nachricht kommt vom Mailsystem auf MX.relay.example: sie",
            "Du serveur de messagerie (relayd 0.3) sur mx.relay.example.",
        ] {
            assert_eq!(host_in(opening).as_deref(), Some("mx.relay.example"), "{opening}");
        }
        for other in [
            "Look at mx.relay.example.",
            "The mail system is down. Look at mx.relay.example",
            "A program at noon.",
        ] {
            assert_eq!(host_in(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_else_is_a_sender() {
        for line in [
            "MAIL FROM:<>",
            "RCPT TO:<a@b.example>",
            "from user@host.example [192.0.2.1]",
            "From time to time <a@b.example> fails.",
            "From: a@b.example, c@d.example",
            "Mail from you to: a@b.example",
            "550 5.1.8 sender rejected: a@b.example",
        ] {
            assert_eq!(sender_in(line), None, "{line}");
        }
    }
}
