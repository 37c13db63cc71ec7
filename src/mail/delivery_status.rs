//! Parses the machine-readable part of delivery status notifications (RFC 3464, RFC 6533).

use minicbor::{Decode, Encode};

use super::header::decoded_words;
use super::recipient_groups::{RecipientGroup, recipient_groups};
use super::typed_value::{TypedValue, decode_xtext};
use super::{Header, Mailbox};

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
        let per_message = |name| groups.iter().find_map(|group| group.field(name));
        let host = |field| TypedValue::parse(field).and_then(TypedValue::host);
        DeliveryStatus {
            reporting_mta: per_message("Reporting-MTA").and_then(host),
            original_envelope_id: per_message("Original-Envelope-Id").map(decode_xtext),
            recipients: recipient_groups(groups).iter().filter_map(RecipientStatus::from_group).collect(),
        }
    }
}

impl RecipientStatus {
    fn from_group(group: &RecipientGroup<'_>) -> Option<Self> {
        let typed = |name| group.field(name).and_then(TypedValue::parse);
        let action = action(group);
        let final_recipient = typed("Final-Recipient").and_then(TypedValue::mailbox);
        if action.is_none() && final_recipient.is_none() && group.field("Final-Recipient").is_none() {
            return None;
        }
        Some(RecipientStatus {
            original_recipient: typed("Original-Recipient")
                .and_then(|value| value.original_mailbox(final_recipient.as_ref())),
            final_recipient,
            action,
            status: group.field("Status").and_then(EnhancedStatus::find),
            remote_mta: typed("Remote-MTA").and_then(TypedValue::host),
            // Some programs encode a reply that is not in US-ASCII as they encode a subject.
            diagnostic: typed("Diagnostic-Code").map(TypedValue::text).map(|text| decoded_words(&text)),
        })
    }
}

/// The action of a group. If it gives several, one that is no failure comes first.
fn action(group: &RecipientGroup<'_>) -> Option<DsnAction> {
    let actions = || group.all("Action").filter_map(DsnAction::parse);
    actions().find(|action| *action != DsnAction::Failed).or_else(|| actions().next())
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
        assert_eq!(status("Original-Envelope-Id: Ab+3D\n").original_envelope_id.as_deref(), Some("Ab="));
    }

    #[test]
    fn rfc6533_both_fields_of_a_recipient_name_one_address() {
        let read = status(
            "Reporting-MTA: dns; relay.example (tcp-daemon)\n\n\
             Original-Recipient: utf-8; v\u{ed}ctim@relay.example\n\
             Final-Recipient: utf-8; v\\x{ED}ctim@relay.example\nAction: failed\n\n\
             Original-Recipient: rfc822;nosuch+2B2024@relay.example\n\
             Final-Recipient: rfc822; nosuch+2024@relay.example\nAction: failed\n\
             Remote-MTA: dns; mx.relay.example [192.0.2.1]\n",
        );
        assert_eq!(read.reporting_mta.as_deref(), Some("relay.example"));
        assert_eq!(read.recipients[1].remote_mta.as_deref(), Some("mx.relay.example"));
        for recipient in &read.recipients {
            assert_eq!(recipient.original_recipient, recipient.final_recipient);
        }
        assert_eq!(read.recipients.len(), 2);
    }

    #[test]
    fn recipients_are_told_apart_without_empty_lines_whatever_field_begins_them() {
        let groups = [
            "Original-Recipient: rfc822; N@relay.example\nFinal-Recipient: rfc822; N@relay.example\n\
             Action: failed\nStatus: 5.1.N\n",
            "Final-Recipient: rfc822; N@relay.example\nAction: failed\nStatus: 5.1.N\n\
             Original-Recipient: rfc822; N@relay.example\n",
            "Action: failed\nFinal-Recipient: rfc822; N@relay.example\nStatus: 5.1.N\n\
             Original-Recipient: rfc822; N@relay.example\n",
            "X-Number: N\nDiagnostic-Code: smtp; 550 N\nStatus: 5.1.N\nAction: failed\n\
             Final-Recipient: rfc822; N@relay.example\nOriginal-Recipient: rfc822; N@relay.example\n",
        ];
        for group in groups {
            let text: String = ["1", "2", "3"].iter().map(|nth| group.replace('N', nth)).collect();
            for text in [format!("Reporting-MTA: dns; relay.example\n{text}"), text] {
                let read = status(&text);
                assert_eq!(read.recipients.len(), 3, "{text}");
                for (recipient, nth) in read.recipients.iter().zip(1..) {
                    let want = Mailbox::parse(&format!("{nth}@relay.example"));
                    assert_eq!((&recipient.final_recipient, &recipient.original_recipient), (&want, &want));
                    assert_eq!(recipient.status.unwrap().detail, nth, "{text}");
                    let diagnostic = recipient.diagnostic.as_deref();
                    assert!(diagnostic.is_none_or(|reply| reply == format!("550 {nth}")), "{text}");
                }
            }
        }
    }

    #[test]
    fn empty_lines_between_the_fields_of_a_recipient_change_nothing() {
        let text = "Reporting-MTA: dns; relay.example\nOriginal-Recipient: rfc822; a@relay.example\n\
            Final-Recipient: rfc822; a@relay.example\nAction: delayed\nStatus: 4.2.2\n\
            Diagnostic-Code: smtp; 452 full\nFinal-Recipient: rfc822; b@relay.example\nAction: failed\n";
        let read = status(&text.replace('\n', "\n\n"));
        assert_eq!(read, status(text));
        assert_eq!(read.recipients.len(), 2);
        assert_eq!(read.recipients[0].diagnostic.as_deref(), Some("452 full"));
    }

    #[test]
    fn rfc2047_words_in_a_diagnostic_code_are_decoded() {
        let read = status(
            "Final-Recipient: rfc822; a@relay.example\nAction: failed\n\
             Diagnostic-Code: smtp; 552 =?utf-8?q?Das_Postfach_ist_=C3=BCberf=C3=BCllt?=\n",
        );
        assert_eq!(read.recipients[0].diagnostic.as_deref(), Some("552 Das Postfach ist überfüllt"));
    }

    #[test]
    fn contradicting_actions_are_no_failure() {
        let read = status("Final-Recipient: rfc822; a@relay.example\nAction: failed\nAction: delayed\n");
        assert_eq!(read.recipients.len(), 1);
        assert_eq!(read.recipients[0].action, Some(DsnAction::Delayed));
    }

    #[test]
    fn status_codes_are_found_and_nothing_else_is() {
        assert_eq!(EnhancedStatus::find("(#5.1.1)").unwrap().to_string(), "5.1.1");
        for text in ["", "550 unknown", "192.0.2.1", "1.2.3", "5.1", "5.1.1.1", "5.12345.1"] {
            assert_eq!(EnhancedStatus::find(text), None, "{text}");
        }
    }
}
