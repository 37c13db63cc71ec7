//! Lines in which a report quotes the subject of the original.
//!
//! The writer of the original chose the subject, so nothing is read from these lines.

/// The label of the subject in several languages, in lower case.
const LABELS: [&str; 19] = [
    "subject:",
    "betreff:",
    "objet:",
    "objet :",
    "asunto:",
    "assunto:",
    "oggetto:",
    "onderwerp:",
    "temat:",
    "тема:",
    "件名:",
    "件名：",
    "主题:",
    "主題:",
    "主旨:",
    "제목:",
    "konu:",
    "ämne:",
    "emne:",
];

/// Whether a line of a report quotes the subject of the original.
pub(super) fn quotes_subject(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '>', '*', '|']);
    let Some(colon) = line.find([':', '：']) else { return false };
    let end = (colon + '：'.len_utf8()).min(line.len());
    let Some(label) = line.get(..end).or_else(|| line.get(..=colon)) else { return false };
    let label = label.to_lowercase();
    LABELS.iter().any(|known| label.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::quotes_subject;

    #[test]
    fn the_subject_is_known_by_its_label() {
        for line in ["Subject: x", "  > BETREFF: x", "件名：x", "Objet : x", "Emne:", "Тема: x"] {
            assert!(quotes_subject(line), "{line}");
        }
        for line in ["The subject: x", "Subjects", "user unknown: x", "", "x：", "é:"] {
            assert!(!quotes_subject(line), "{line}");
        }
    }
}
