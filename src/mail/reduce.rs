//! The binary form of the reduced report, which is encrypted and kept for a limited time beside the
//! evidence.

use super::Message;

/// Version of the binary form, which is its first octet.
const VERSION: u8 = 1;
/// Initial capacity of the buffer in octets.
const REDUCED_OCTETS_USUAL: usize = 8 << 10;

/// Why octets cannot be read as a reduced report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReducedError {
    /// The first octet names another version, which is given here.
    #[error("the reduced report has version {0} of its format; this program reads version {VERSION}")]
    Version(u8),
    /// The octets are not valid CBOR of a message; the decoder's explanation is given here.
    #[error("the reduced report is damaged: {0}")]
    Damaged(String),
}

/// Encodes a message: one octet with the version, then CBOR.
pub fn to_octets(message: &Message) -> Vec<u8> {
    let mut octets = Vec::with_capacity(REDUCED_OCTETS_USUAL);
    octets.push(VERSION);
    minicbor::encode(message, &mut octets).expect("writing to memory cannot fail");
    octets
}

/// Decodes a message that [`to_octets`] encoded.
///
/// # Errors
///
/// Fails if the octets are of another version or damaged.
pub fn from_octets(octets: &[u8]) -> Result<Message, ReducedError> {
    match octets.split_first() {
        Some((&VERSION, rest)) => {
            minicbor::decode(rest).map_err(|error| ReducedError::Damaged(error.to_string()))
        }
        Some((&version, _)) => Err(ReducedError::Version(version)),
        None => Err(ReducedError::Damaged("it is empty".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PartContent, read};
    use super::*;

    const REPORT: &str = "From: MAILER-DAEMON@relay.example\r\nSubject: failure\r\nContent-Type: multipart/report;\r\n \
        report-type=delivery-status; boundary=B\r\n\r\npreamble\r\n--B\r\n\r\nSorry.\r\n--B\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n\r\n\
        Final-Recipient: rfc822; a@relay.example\r\nAction: failed\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n\
        From: t@trap.example\r\nSubject: pills\r\n\r\nSECRET body\r\n--B--\r\n";

    #[test]
    fn a_reduced_report_reads_back_and_holds_no_body_of_the_original() {
        let message = read(REPORT.as_bytes());
        let octets = to_octets(&message);
        assert_eq!(from_octets(&octets).as_ref(), Ok(&message));
        assert!(!octets.windows(6).any(|window| window == b"SECRET"));
        assert_eq!(message.original().unwrap().field("subject"), Some("pills"));
        assert_eq!(message.header.field("Subject"), Some("failure"));
        assert!(matches!(&message.parts[2].content, PartContent::Fields(groups) if groups.len() == 2));
        assert_eq!(message.parts[0].report_type.as_deref(), Some("delivery-status"));
    }

    #[test]
    fn another_version_is_named() {
        assert_eq!(from_octets(&[9, 1, 2]), Err(ReducedError::Version(9)));
        assert!(matches!(from_octets(&[]), Err(ReducedError::Damaged(_))));
        assert!(matches!(from_octets(&[VERSION, 0xff]), Err(ReducedError::Damaged(_))));
    }
}
