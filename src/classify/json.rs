//! The JSON form of a verdict, for the command line and the HTTP API.

use std::net::IpAddr;

use serde::Serialize;

use super::verdict::Verdict;
use crate::mail::DsnAction;

/// A verdict, ready to be written as JSON.
///
/// Addresses are written as `local@domain`. An unknown field is null. The fields `action`,
/// `status`, `diagnostic`, `remote` and `cause` describe one recipient; of several, it is the
/// failed one.
#[derive(Debug, Serialize)]
pub struct VerdictJson<'a> {
    /// The name of the kind, such as `dsn-failed`.
    pub kind: &'static str,
    /// The name of the format that claimed the message, or `none`.
    pub format: &'static str,
    /// The reverse-path of the original, or the sender in its header.
    pub original_sender: Option<String>,
    /// The addresses of all recipients that the report names.
    pub final_recipients: Vec<String>,
    /// The name of the reporting MTA (RFC 3464 §2.2.2).
    pub reporting_mta: Option<&'a str>,
    /// What happened: failed, delayed, delivered, relayed or expanded (RFC 3464 §2.3.3).
    pub action: Option<&'static str>,
    /// The enhanced status code, such as `5.1.1` (RFC 3463).
    pub status: Option<String>,
    /// The reply or the explanation that the report quotes.
    pub diagnostic: Option<&'a str>,
    /// Another host refused the recipient.
    pub remote: bool,
    /// Why delivery failed: address, mailbox, expired, policy, system or unknown. It is null unless
    /// `action` is failed.
    pub cause: Option<&'static str>,
    /// Who wrote the message: mail-system, user or unknown.
    pub author: &'static str,
    /// The host that handed the original to the relay.
    pub injector: Option<IpAddr>,
    /// The host that wrote the report, by its oldest Received field.
    pub generator: Option<&'a str>,
    /// The relay only carried the report for another host.
    pub carried: bool,
    /// The envelope identifier of the original (RFC 3464 §2.2.1).
    pub original_envelope_id: Option<&'a str>,
    /// The address in the From field of the original.
    pub original_from: Option<String>,
    /// The Message-ID field of the original.
    pub original_message_id: Option<&'a str>,
    /// The Date field of the original, unparsed.
    pub original_date: Option<&'a str>,
    /// The reasons for the verdict.
    pub reasons: &'a [String],
    /// The reasons against the message being a genuine report.
    pub doubts: &'a [String],
}

impl Verdict {
    /// The verdict in the form that is written as JSON.
    pub fn json(&self) -> VerdictJson<'_> {
        let report = &self.report;
        let worst =
            report.recipients.iter().min_by_key(|recipient| recipient.action.unwrap_or(DsnAction::Expanded));
        VerdictJson {
            kind: self.kind.name(),
            format: self.format,
            original_sender: report.original_sender.as_ref().map(ToString::to_string),
            final_recipients: report
                .recipients
                .iter()
                .filter_map(|r| Some(r.mailbox.as_ref()?.to_string()))
                .collect(),
            reporting_mta: report.reporting_mta.as_deref(),
            action: worst.and_then(|recipient| recipient.action).map(DsnAction::name),
            status: worst.and_then(|recipient| recipient.status).map(|status| status.to_string()),
            diagnostic: worst.and_then(|recipient| recipient.diagnostic.as_deref()),
            remote: worst.is_some_and(|recipient| recipient.remote),
            cause: worst
                .filter(|recipient| recipient.action == Some(DsnAction::Failed))
                .map(|recipient| recipient.cause.name()),
            author: report.author.name(),
            injector: report.injector,
            generator: report.generator.as_deref(),
            carried: report.carried,
            original_envelope_id: report.original_envelope_id.as_deref(),
            original_from: report.original_from.as_ref().map(ToString::to_string),
            original_message_id: report.original_message_id.as_deref(),
            original_date: report.original_date.as_deref(),
            reasons: &self.reasons,
            doubts: &self.doubts,
        }
    }
}
