//! Parses the machine-readable part of delivery status notifications (RFC 3464, RFC 6533).

use minicbor::{Decode, Encode};

use super::{Header, HeaderField, Mailbox};

/// What happened to the message for one recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum DsnAction {
    /// The message could not be delivered.
    #[n(0)]
    Failed,
    /// The message could not be delivered yet; the reporting MTA keeps trying.
    #[n(1)]
    Delayed,
    /// The message was delivered.
    #[n(2)]
    Delivered,
    /// The message was relayed to a host that may not send notifications.
    #[n(3)]
    Relayed,
    /// The message was delivered, and forwarded to several further addresses.
    #[n(4)]
    Expanded,
}

impl DsnAction {
    /// Parses the value of an Action field. Only the first word is read, because Sendmail writes
    /// `delivered (to mailbox)`; case is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        let standard = ALL_ACTIONS.into_iter().find(|action| word.eq_ignore_ascii_case(action.name()));
        let other = || {
            OTHER_ACTIONS
                .iter()
                .find(|(other, _)| word.eq_ignore_ascii_case(other))
                .map(|(_, action)| *action)
        };
        standard.or_else(other)
    }

    /// The keyword of the Action field.
    pub const fn name(self) -> &'static str {
        match self {
            DsnAction::Failed => "failed",
            DsnAction::Delayed => "delayed",
            DsnAction::Delivered => "delivered",
            DsnAction::Relayed => "relayed",
            DsnAction::Expanded => "expanded",
        }
    }
}

/// Keywords of some programs that are not in RFC 3464. Postfix writes `deliverable` and
/// `undeliverable` for address probes.
const OTHER_ACTIONS: [(&str, DsnAction); 8] = [
    ("expired", DsnAction::Failed),
    ("failure", DsnAction::Failed),
    ("fail", DsnAction::Failed),
    ("error", DsnAction::Failed),
    ("bounced", DsnAction::Failed),
    ("undeliverable", DsnAction::Failed),
    ("deliverable", DsnAction::Delivered),
    ("success", DsnAction::Delivered),
];

const ALL_ACTIONS: [DsnAction; 5] =
    [DsnAction::Failed, DsnAction::Delayed, DsnAction::Delivered, DsnAction::Relayed, DsnAction::Expanded];

/// An enhanced status code `class.subject.detail` (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct EnhancedStatus {
    /// 2 for success, 4 for a temporary failure, 5 for a permanent failure.
    #[n(0)]
    pub class: u8,
    /// The subject, such as 1 for the address; at most three digits.
    #[n(1)]
    pub subject: u16,
    /// The detail within the subject; at most three digits.
    #[n(2)]
    pub detail: u16,
}

impl EnhancedStatus {
    /// Finds the first status code in a text.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
            let mut numbers = word.trim_matches('.').split('.');
            let class = numbers.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
            let mut three_digits = || numbers.next().filter(|n| n.len() <= 3)?.parse().ok();
            let status = EnhancedStatus { class, subject: three_digits()?, detail: three_digits()? };
            numbers.next().is_none().then_some(status)
        })
    }
}

impl std::fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The per-message fields and the per-recipient fields that could be parsed (RFC 3464 §2.2, §2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// The value of Reporting-MTA, without its type (RFC 3464 §2.2.2).
    pub reporting_mta: Option<String>,
    /// The value of Original-Envelope-Id, decoded from xtext, in its original case (RFC 3464
    /// §2.2.1).
    pub original_envelope_id: Option<String>,
    /// The recipients in the order of the report.
    pub recipients: Vec<RecipientStatus>,
}

/// The fields of one recipient (RFC 3464 §2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientStatus {
    /// Final-Recipient: the address to which delivery was tried.
    pub final_recipient: Option<Mailbox>,
    /// Original-Recipient: the address that the sender gave.
    pub original_recipient: Option<Mailbox>,
    /// Action: what happened.
    pub action: Option<DsnAction>,
    /// Status: the enhanced status code.
    pub status: Option<EnhancedStatus>,
    /// Remote-MTA: the host that the reporting MTA tried to deliver to, without the type.
    pub remote_mta: Option<String>,
    /// Diagnostic-Code: the reply of that host or another explanation, without the type.
    pub diagnostic: Option<String>,
}

impl DeliveryStatus {
    /// Reads the groups of fields. The first group has the per-message fields (RFC 3464 §2.1). If
    /// the empty line after them is missing, the first recipient is read from the same group.
    pub fn from_groups(groups: &[Header]) -> Self {
        let per_message = |name| groups.first().and_then(|first| first.field(name));
        DeliveryStatus {
            reporting_mta: per_message("Reporting-MTA").and_then(typed_value),
            original_envelope_id: per_message("Original-Envelope-Id").map(decode_xtext),
            recipients: groups
                .iter()
                .flat_map(by_recipient)
                .filter_map(|group| RecipientStatus::from_group(&group))
                .collect(),
        }
    }
}

/// Splits a group at each Final-Recipient, in case the empty lines between recipients are missing.
fn by_recipient(group: &Header) -> Vec<Header> {
    let begins = |field: &HeaderField| field.name.eq_ignore_ascii_case("Final-Recipient");
    if group.fields().iter().filter(|field| begins(field)).count() < 2 {
        return vec![group.clone()];
    }
    let starts: Vec<usize> =
        group.fields().iter().enumerate().filter(|(_, field)| begins(field)).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([group.fields().len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| Header::from_fields(group.fields()[start..end].to_vec()))
        .collect()
}

impl RecipientStatus {
    fn from_group(group: &Header) -> Option<Self> {
        let mailbox = |name| {
            let value = decode_xtext(&group.field(name).and_then(typed_value)?);
            Mailbox::parse(&value).or_else(|| Mailbox::find(&value))
        };
        let action = group.field("Action").and_then(DsnAction::parse);
        let final_recipient = mailbox("Final-Recipient");
        if action.is_none() && final_recipient.is_none() && group.field("Final-Recipient").is_none() {
            return None;
        }
        Some(RecipientStatus {
            final_recipient,
            original_recipient: mailbox("Original-Recipient"),
            action,
            status: group.field("Status").and_then(EnhancedStatus::find),
            remote_mta: group.field("Remote-MTA").and_then(typed_value),
            diagnostic: group.field("Diagnostic-Code").and_then(typed_value),
        })
    }
}

/// The value of a field without its `type;` prefix (RFC 3464 §2.1.2). A field without a type is
/// used as a whole.
fn typed_value(field: &str) -> Option<String> {
    let value = match field.split_once(';') {
        Some((kind, value)) if !kind.contains(' ') => value,
        _ => field,
    };
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Decodes xtext (RFC 3461 §4): `+` and two upper-case hexadecimal digits encode an octet, and any
/// other character is literal. If the result is not UTF-8, the text is returned unchanged.
pub(crate) fn decode_xtext(text: &str) -> String {
    let octets = text.as_bytes();
    let mut decoded = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        let pair = octets
            .get(at + 1..at + 3)
            .filter(|pair| octet == b'+' && pair.iter().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F')));
        match pair
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|d| u8::from_str_radix(d, 16).ok())
        {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(octet);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> DeliveryStatus {
        DeliveryStatus::from_groups(&Header::groups(text.as_bytes(), 10))
    }

    #[test]
    fn rfc3464_s5_fields_are_read_by_the_standard() {
        let read = status(
            "Reporting-MTA: dns; relay.example\nOriginal-Envelope-Id: QQ+2B31\n\n\
             FINAL-recipient: RFC822;\n nosuch@relay.example\nAction: Failed\nStatus: 5.1.1 (unknown)\n\
             Remote-MTA: dns; mx.other.example\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n\n\
             Final-Recipient: utf-8; víctim@relay.example\naction: delivered (to mailbox)\n",
        );
        assert_eq!(read.reporting_mta.as_deref(), Some("relay.example"));
        assert_eq!(read.original_envelope_id.as_deref(), Some("QQ+31"));
        let [failed, delivered] = &read.recipients[..] else { panic!("{read:?}") };
        assert_eq!(failed.final_recipient.as_ref().unwrap().to_string(), "nosuch@relay.example");
        assert_eq!(failed.action, Some(DsnAction::Failed));
        assert_eq!(failed.status, Some(EnhancedStatus { class: 5, subject: 1, detail: 1 }));
        assert_eq!(failed.remote_mta.as_deref(), Some("mx.other.example"));
        assert_eq!(delivered.action, Some(DsnAction::Delivered));
    }

    #[test]
    fn rfc3464_s5_a_missing_empty_line_costs_no_recipient() {
        let read = status(
            "Reporting-MTA: dns; relay.example\nFinal-Recipient: rfc822; a@b.example\nAction: failed\n",
        );
        assert_eq!(read.recipients.len(), 1);
    }

    #[test]
    fn rfc3464_s7_envelope_ids_keep_their_case_and_are_decoded() {
        assert_eq!(decode_xtext("Ab+3Dc+2b+"), "Ab=c+2b+");
        assert_eq!(decode_xtext("+FF"), "+FF");
    }

    #[test]
    fn status_codes_are_found_and_nothing_else_is() {
        assert_eq!(EnhancedStatus::find("(#5.1.1)").unwrap().to_string(), "5.1.1");
        for text in ["", "550 unknown", "192.0.2.1", "1.2.3", "5.1", "5.1.1.1", "5.12345.1"] {
            assert_eq!(EnhancedStatus::find(text), None, "{text}");
        }
    }
}
