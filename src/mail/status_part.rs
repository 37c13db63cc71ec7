//! Recognises the fields of a delivery-status part that a gateway encoded again or retyped.
//!
//! Other hosts than the reporting MTA may have written such a part. The rules here ask for fields and
//! nothing else wherever the text of a person could stand.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;

use super::boundary::begins_with_content;
use super::header::{field_name, is_report_field};
use super::lines::lines;
use super::transfer_encoding::{TransferEncoding, is_encoded_line};
use super::{GROUPS_MAX, Header};

/// Shortest first line of fields that are encoded in base64, in octets: `Action: failed` has 20.
const ENCODED_LINE_OCTETS_MIN: usize = 20;

/// What a part may hold beside the fields of a delivery status to be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing. A person could have written other lines.
    Nothing,
    /// Lines behind the fields, such as the footer of a gateway.
    Footer,
}

/// The groups of fields of a machine-readable part. Its content or single groups may be encoded
/// although no Content-Transfer-Encoding says so.
pub(super) fn field_groups(content: &[u8]) -> Vec<Header> {
    Header::report_groups(&plain_fields(content), GROUPS_MAX)
}

/// The groups of fields of a part that has another type and is a delivery status by its content.
pub(super) fn retyped_groups(content: &[u8], beside: Beside) -> Option<Vec<Header>> {
    let first = lines(content).find(|line| !line.trim_ascii().is_empty())?;
    if !begins_fields(first) && !begins_block(first) {
        return None;
    }
    let plain = plain_fields(content);
    let mut filled = lines(&plain).filter(|line| !line.trim_ascii().is_empty());
    let begins = filled.clone().next().is_some_and(begins_fields);
    if !begins || (beside == Beside::Nothing && !filled.all(is_field_line)) {
        return None;
    }
    Some(Header::report_groups(&plain, GROUPS_MAX)).filter(|groups| is_delivery_status(groups))
}

/// Whether groups of fields say what happened to a message for a recipient.
pub(super) fn is_delivery_status(groups: &[Header]) -> bool {
    let any =
        |names: [&str; 2]| groups.iter().any(|group| names.iter().any(|name| group.field(name).is_some()));
    any(["Final-Recipient", "Original-Recipient"]) && any(["Action", "Status"])
}

/// Whether a line may be the first one of the fields. A gateway may have written a Content- field
/// before them.
fn begins_fields(line: &[u8]) -> bool {
    begins_with_content(line)
        || field_name(line).is_some_and(|(name, _)| is_report_field(&String::from_utf8_lossy(name)))
}

fn is_field_line(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t')) || field_name(line).is_some()
}

/// The content with base64 and quoted-printable decoded that no Content-Transfer-Encoding gives.
fn plain_fields(content: &[u8]) -> Cow<'_, [u8]> {
    let plain = without_base64(content);
    if !is_quoted_printable(&plain) {
        return plain;
    }
    Cow::Owned(TransferEncoding::QuotedPrintable.decode(&plain).into_owned())
}

/// The content with every block of base64 decoded that holds fields.
fn without_base64(content: &[u8]) -> Cow<'_, [u8]> {
    if !lines(content).any(begins_block) {
        return Cow::Borrowed(content);
    }
    let mut plain = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(line) = lines(rest).next() {
        let block: usize = if begins_block(line) {
            lines(rest).take_while(|line| is_encoded_line(line)).map(<[u8]>::len).sum()
        } else {
            0
        };
        let fields =
            base64_decode(&rest[..block]).filter(|octets| lines(octets).next().is_some_and(is_field_line));
        match &fields {
            Some(fields) if block > 0 => {
                plain.extend_from_slice(fields);
                plain.push(b'\n');
            }
            _ => plain.extend_from_slice(&rest[..block.max(line.len())]),
        }
        rest = &rest[block.max(line.len())..];
    }
    Cow::Owned(plain)
}

/// Whether a line may be the first one of a block of base64.
fn begins_block(line: &[u8]) -> bool {
    line.len() >= ENCODED_LINE_OCTETS_MIN && is_encoded_line(line)
}

/// Whether fields are encoded in quoted-printable: a group says so, a line ends with a soft line
/// break that splits a field, or the `@` of a recipient is encoded.
fn is_quoted_printable(content: &[u8]) -> bool {
    let mut below = lines(content);
    while let Some(line) = below.next() {
        let line = line.trim_ascii_end();
        if let Some((name, value)) = field_name(line) {
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            let value = value.trim_ascii();
            let said = is(b"Content-Transfer-Encoding")
                && value.get(..16).is_some_and(|word| word.eq_ignore_ascii_case(b"quoted-printable"));
            let at_encoded = (is(b"Final-Recipient") || is(b"Original-Recipient"))
                && !value.contains(&b'@')
                && value.windows(3).any(|window| window == b"=40");
            if said || at_encoded {
                return true;
            }
        }
        let next = below.clone().next().unwrap_or_default();
        if line.ends_with(b"=") && !next.trim_ascii().is_empty() && !is_field_line(next) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Reporting-MTA: dns; relay.example\n\n\
        Final-Recipient: rfc822; nosuch@relay.example\nAction: failed\nStatus: 5.1.1\n";
    /// The second group of [`STATUS`] in base64.
    const GROUP: &str = "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7IG5vc3VjaEByZWxheS5leGFtcGxlCkFjdGlvbjogZmFp\n\
        bGVkClN0YXR1czogNS4xLjEK\n";
    /// The whole of [`STATUS`] in base64.
    const WHOLE: &str = "UmVwb3J0aW5nLU1UQTogZG5zOyByZWxheS5leGFtcGxlCgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgy\n\
        Mjsgbm9zdWNoQHJlbGF5LmV4YW1wbGUKQWN0aW9uOiBmYWlsZWQKU3RhdHVzOiA1LjEuMQo=\n";

    #[test]
    fn fields_are_read_whatever_encoded_them_again() {
        let quoted = "Reporting-MTA: dns; relay.example\n\n\
            Final-Recipient: rfc822; nosuch=40relay.exa=\nmple\nAction: failed\nStatus: 5=2E1.1\n";
        let said = format!("Content-Transfer-Encoding: quoted-printable\n{}", STATUS.replace("5.1", "5=2E1"));
        let one_group = format!("Reporting-MTA: dns; relay.example\n\n{GROUP}");
        let announced =
            format!("Reporting-MTA: dns; relay.example\n\nContent-Transfer-Encoding: base64\n\n{GROUP}");
        let want = Header::groups(STATUS.as_bytes(), 9);
        for content in [STATUS, quoted, &said, &one_group, &announced, WHOLE, &WHOLE.replace('\n', "\r\n")] {
            assert_eq!(field_groups(content.as_bytes()), want, "{content}");
            assert_eq!(retyped_groups(content.as_bytes(), Beside::Footer).as_ref(), Some(&want), "{content}");
        }
    }

    #[test]
    fn values_that_only_look_encoded_stay() {
        let content = "Final-Recipient: rfc822; a=40b@relay.example\nAction: failed\n\
            Diagnostic-Code: smtp; 550 token=\n\tAAAABBBBCCCCDDDDEEEE\nX-Token: abcd=\nStatus: 5.1.1\n";
        assert_eq!(field_groups(content.as_bytes()), Header::report_groups(content.as_bytes(), 9));
        assert_eq!(field_groups(content.as_bytes())[0].field("X-Token"), Some("abcd="));
    }

    #[test]
    fn text_around_fields_is_no_delivery_status() {
        let retyped = |content: &str, beside| retyped_groups(content.as_bytes(), beside).is_some();
        let with_footer = format!("{STATUS}\nScanned by relay.example.\n");
        assert!(retyped(STATUS, Beside::Nothing));
        assert!(retyped(&with_footer, Beside::Footer) && !retyped(&with_footer, Beside::Nothing));
        for content in [
            format!("Sorry, this failed.\n\n{STATUS}"),
            format!("> {STATUS}"),
            "Reporting-MTA: dns; relay.example\n".to_owned(),
            "Final-Recipient: rfc822; a@relay.example\n".to_owned(),
            "Subject: x\nAction: failed\nFinal-Recipient: rfc822; a@relay.example\n".to_owned(),
            String::new(),
        ] {
            assert!(!retyped(&content, Beside::Footer), "{content}");
        }
    }
}
