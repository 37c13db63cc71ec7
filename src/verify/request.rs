//! What is asked.

use crate::digest::Digest;
use crate::evidence::AskedSide;
use crate::relay::Relay;
use crate::zone::DomainName;

/// A question to a relay's side: does it refuse recipients of this domain that do not exist?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The relay that brought evidence.
    pub relay: Relay,
    /// The domain of the recipients.
    pub domain: AskedDomain,
    /// The hosts that are asked.
    pub side: AskedSide,
    /// Determines the made-up names. The same seed gives the same names, so that a host that
    /// greylists knows them when it is asked again. Nobody should be able to guess it.
    pub seed: Digest,
}

/// A domain in the form that RCPT takes (RFC 5321 §4.1.2): letters, digits and hyphens, at least two
/// labels. Other people wrote the name, so nothing else may reach a command.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskedDomain(String);

impl AskedDomain {
    /// Checks a domain.
    ///
    /// # Errors
    /// When the text is not a domain name of two labels or more, or is an address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = DomainName::parse(text)?;
        let is_host_label =
            |label: &String| !label.starts_with('-') && !label.ends_with('-') && !label.contains('_');
        let labels = name.labels();
        let last_is_number = labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if labels.len() < 2 || last_is_number || !labels.iter().all(is_host_label) {
            return Err(format!("{text:?} is not a domain that mail can be addressed to"));
        }
        Ok(AskedDomain(labels.join(".")))
    }

    /// The name in lower case, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_others_reaches_a_command() {
        for (text, expected) in [
            ("Relay.Example", "relay.example"),
            ("mx.relay.example.", "mx.relay.example"),
            ("xn--mller-kva.example", "xn--mller-kva.example"),
        ] {
            assert_eq!(AskedDomain::parse(text).unwrap().as_str(), expected);
        }
        for wrong in [
            "",
            ".",
            "localhost",
            "192.0.2.1",
            "[192.0.2.1]",
            "a..example",
            "relay.example>\r\nDATA",
            "relay.example\n",
            "relay example.org",
            "relay.example SIZE=1",
            "müller.example",
            "-x.example",
            "x-.example",
            "a_b.example",
            "a@b.example",
            &format!("{}.example", "a.".repeat(130)),
        ] {
            assert!(AskedDomain::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
