//! Domain names in the restricted form that blocklist zones use (RFC 1035 §2.3, RFC 5782 §2).

use std::fmt;

use super::numbers::{LABEL_OCTETS_MAX, NAME_LETTERS_MAX};

/// A domain name: its labels in lower case, the leftmost first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Vec<String>);

impl DomainName {
    /// Reads a host or zone name: letters, digits, hyphens and underscores (RFC 1123 §2.1). A
    /// trailing dot is allowed.
    ///
    /// # Errors
    /// If a label is empty, longer than 63 octets or has another character, or if the text is
    /// longer than 253 octets.
    pub fn parse(text: &str) -> Result<Self, String> {
        let labels: Vec<String> =
            text.trim_end_matches('.').split('.').map(str::to_ascii_lowercase).collect();
        let sound = |label: &String| {
            (1..=LABEL_OCTETS_MAX).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if labels.iter().all(sound) && text.len() <= NAME_LETTERS_MAX {
            Ok(DomainName(labels))
        } else {
            Err(format!("{text:?} is not a domain name"))
        }
    }

    /// The uncompressed wire form (RFC 1035 §3.1).
    pub fn to_wire(&self) -> Vec<u8> {
        let labels = self.0.iter().flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes()));
        labels.chain([0]).collect()
    }

    /// The labels in lower case, the leftmost first.
    pub fn labels(&self) -> &[String] {
        &self.0
    }

    /// Whether the name is `origin` or lies below it.
    pub fn is_under(&self, origin: &DomainName) -> bool {
        self.0.ends_with(&origin.0)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_under_origins() {
        let origin = DomainName::parse("BL.Example.org.").unwrap();
        assert_eq!(origin.to_string(), "bl.example.org.");
        assert_eq!(origin.to_wire(), b"\x02bl\x07example\x03org\x00");
        assert!(DomainName::parse("A.bl.EXAMPLE.org").unwrap().is_under(&origin));
        assert!(!DomainName::parse("xbl.example.org").unwrap().is_under(&origin));
        for wrong in ["", "a..b", "under score", &"a".repeat(64)] {
            assert!(DomainName::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
