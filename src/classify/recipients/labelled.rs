//! Reads the recipients from a list of the original's fields, as content filters write it.

use crate::mail::{Mailbox, text_lines};

/// Number of lines of the text that are read.
const LINES_MAX: usize = 100;
/// Largest number of recipients that are read.
const LABELLED_MAX: usize = 64;
/// Octets of the longest label.
const LABEL_OCTETS_MAX: usize = 40;
/// The labels of the recipients, in lower case. MailScanner writes `cimzett` without its accent.
const LABELS: [&str; 34] = [
    "to",
    "an",
    "à",
    "a",
    "komu",
    "cimzett",
    "címzett",
    "till",
    "til",
    "adresa",
    "at",
    "recipient",
    "recipients",
    "empfänger",
    "destinataire",
    "destinataires",
    "destinatario",
    "destinatarios",
    "destinatari",
    "destinatário",
    "para",
    "aan",
    "ontvanger",
    "do",
    "odbiorca",
    "кому",
    "получатель",
    "către",
    "宛先",
    "收件人",
    "받는 사람",
    "수신자",
    "kime",
    "alıcı",
];

/// The addresses on the line with the label of the recipients.
///
/// Another line with a label, such as the subject's, must follow directly, so that no sentence is
/// taken for such a list.
pub(in crate::classify) fn labelled(words: &str) -> Vec<Mailbox> {
    let mut lines = text_lines(words).take(LINES_MAX).peekable();
    while let Some(line) = lines.next() {
        let Some((label, value)) = split_label(line) else { continue };
        let listed = lines.peek().is_some_and(|next| split_label(next).is_some());
        if !listed || !LABELS.contains(&label.to_lowercase().as_str()) {
            continue;
        }
        let mailboxes: Vec<Mailbox> =
            value.split([',', ';']).take(LABELLED_MAX).filter_map(Mailbox::find).collect();
        if !mailboxes.is_empty() {
            return mailboxes;
        }
    }
    Vec::new()
}

/// The label of a line and what follows its colon.
fn split_label(line: &str) -> Option<(&str, &str)> {
    let (label, value) = line.split_once([':', '：'])?;
    let label = label.trim();
    (!label.is_empty() && label.len() <= LABEL_OCTETS_MAX).then_some((label, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipients_line_is_read_in_every_language() {
        for label in
            ["To:", "An:", "À:    ", "A:", "Para:", "Komu:", "Cimzett:  ", "Till:", "adresa :\t", "宛先："]
        {
            let text =
                format!("Rejected:-\n  {label} a@b.example, \"C\" <c@d.example>\n  Subject: x@y.example\n");
            let found: Vec<String> = labelled(&text).iter().map(ToString::to_string).collect();
            assert_eq!(found, ["a@b.example", "c@d.example"], "{label}");
        }
    }

    #[test]
    fn a_sentence_or_another_label_names_no_recipient() {
        for text in [
            "To: a@b.example",
            "To: a@b.example\nThis message was rejected.\n",
            "Subject: a@b.example\nDate: today\n",
            "To: everyone\nSubject: hello\n",
            "Please write to: a@b.example\nPhone: 1\n",
        ] {
            assert!(labelled(text).is_empty(), "{text}");
        }
    }
}
