//! Delivery status notifications' machine-readable part (RFC 3464; RFC 6533 for the global form).

use minicbor::{Decode, Encode};

use super::{Field, Header, Mailbox};

/// What a report says happened to one recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Action {
    #[n(0)]
    Failed,
    #[n(1)]
    Delayed,
    #[n(2)]
    Delivered,
    #[n(3)]
    Relayed,
    #[n(4)]
    Expanded,
}

impl Action {
    /// The first word counts, whatever its case: Sendmail writes `delivered (to mailbox)`.
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

    pub const fn name(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        }
    }
}

/// What some writers say instead; Postfix calls what it only probed `deliverable` and `undeliverable`.
const OTHER_ACTIONS: [(&str, Action); 8] = [
    ("expired", Action::Failed),
    ("failure", Action::Failed),
    ("fail", Action::Failed),
    ("error", Action::Failed),
    ("bounced", Action::Failed),
    ("undeliverable", Action::Failed),
    ("deliverable", Action::Delivered),
    ("success", Action::Delivered),
];

const ALL_ACTIONS: [Action; 5] =
    [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded];

/// An enhanced status code (RFC 3463 §2): class 2, 4 or 5, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Status {
    #[n(0)]
    pub class: u8,
    #[n(1)]
    pub subject: u16,
    #[n(2)]
    pub detail: u16,
}

impl Status {
    /// Finds the first `x.y.z` in the text.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
            let mut numbers = word.trim_matches('.').split('.');
            let class = numbers.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
            let mut three_digits = || numbers.next().filter(|n| n.len() <= 3)?.parse().ok();
            let status = Status { class, subject: three_digits()?, detail: three_digits()? };
            numbers.next().is_none().then_some(status)
        })
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The per-message fields and one entry a recipient, as far as they could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    pub reporting_mta: Option<String>,
    /// `Original-Envelope-Id`, xtext decoded, case kept (RFC 3464 §2.2.1).
    pub original_envelope_id: Option<String>,
    pub recipients: Vec<RecipientStatus>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientStatus {
    pub final_recipient: Option<Mailbox>,
    pub original_recipient: Option<Mailbox>,
    pub action: Option<Action>,
    pub status: Option<Status>,
    pub remote_mta: Option<String>,
    pub diagnostic: Option<String>,
}

impl DeliveryStatus {
    /// The first group holds the per-message fields (RFC 3464 §2.1); a writer that forgot the empty line behind them
    /// has its recipient there as well.
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

/// A group as one for each recipient, where a writer forgot the empty line between them.
fn by_recipient(group: &Header) -> Vec<Header> {
    let begins = |field: &Field| field.name.eq_ignore_ascii_case("Final-Recipient");
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
        let action = group.field("Action").and_then(Action::parse);
        let final_recipient = mailbox("Final-Recipient");
        if action.is_none() && final_recipient.is_none() && group.field("Final-Recipient").is_none() {
            return None;
        }
        Some(RecipientStatus {
            final_recipient,
            original_recipient: mailbox("Original-Recipient"),
            action,
            status: group.field("Status").and_then(Status::find),
            remote_mta: group.field("Remote-MTA").and_then(typed_value),
            diagnostic: group.field("Diagnostic-Code").and_then(typed_value),
        })
    }
}

/// The value behind `type;` (RFC 3464 §2.1.2); a field without a type is taken whole.
fn typed_value(field: &str) -> Option<String> {
    let value = match field.split_once(';') {
        Some((kind, value)) if !kind.contains(' ') => value,
        _ => field,
    };
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// RFC 3461 §4: `+` and two upper-case hexadecimal digits stand for an octet; anything else stands for itself.
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
        assert_eq!(failed.action, Some(Action::Failed));
        assert_eq!(failed.status, Some(Status { class: 5, subject: 1, detail: 1 }));
        assert_eq!(failed.remote_mta.as_deref(), Some("mx.other.example"));
        assert_eq!(delivered.action, Some(Action::Delivered));
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
        assert_eq!(Status::find("(#5.1.1)").unwrap().to_string(), "5.1.1");
        for text in ["", "550 unknown", "192.0.2.1", "1.2.3", "5.1", "5.1.1.1", "5.12345.1"] {
            assert_eq!(Status::find(text), None, "{text}");
        }
    }
}
