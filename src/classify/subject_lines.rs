//! Lines in which a report quotes the subject of the original.
//!
//! The writer of the original chose the subject, so nothing is read from these lines.

use memchr::memchr2;

/// Octets at the start of a line that can be a label.
const LABEL_OCTETS_MAX: usize = 48;
/// The first octet of a full-width colon.
const WIDE_COLON: u8 = 0xef;

/// The label of the subject in several languages, in lower case.
const LABELS: [&str; 18] = [
    "assunto",
    "asunto",
    "betreff",
    "emne",
    "konu",
    "objet",
    "oggetto",
    "onderwerp",
    "subject",
    "temat",
    "ämne",
    "тема",
    "主旨",
    "主題",
    "主题",
    "件名",
    "제목",
    "subj",
];
/// The ends of longer labels, in lower case.
const LABELS_END: [&str; 3] = [" subject", "the subject of the message is", " betreff"];

/// Whether a line of a report quotes the subject of the original.
pub(super) fn quotes_subject(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || ">*|-•".contains(c));
    let head = &line[..line.floor_char_boundary(LABEL_OCTETS_MAX)];
    memchr2(b':', WIDE_COLON, head.as_bytes()).is_some() && {
        let label = head.split([':', '：']).next().unwrap_or_default().trim().to_lowercase();
        LABELS.contains(&label.as_str()) || LABELS_END.iter().any(|end| label.ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use super::quotes_subject;

    #[test]
    fn the_subject_is_known_by_its_label() {
        for line in [
            "Subject : x",
            "- Message subject: x",
            "The subject of the message is: x",
            "Subject: x",
            "  > BETREFF: x",
            "件名：x",
            "Objet : x",
            "Emne:",
            "Тема: x",
        ] {
            assert!(quotes_subject(line), "{line}");
        }
        for line in ["Subjects", "user unknown: x", "", "x：", "é:"] {
            assert!(!quotes_subject(line), "{line}");
        }
    }
}
