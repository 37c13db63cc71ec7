//! A verdict as others read it: the same on the command line and in the API.

use std::net::IpAddr;

use serde::Serialize;

use super::Verdict;
use crate::mail::Action;

/// Addresses are bare; a field that isn't known is null. Of several recipients, action and the fields behind it are those
/// of the failed one.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    pub kind: &'static str,
    pub format: &'static str,
    pub original_sender: Option<String>,
    pub final_recipients: Vec<String>,
    pub reporting_mta: Option<&'a str>,
    pub action: Option<&'static str>,
    pub status: Option<String>,
    pub diagnostic: Option<&'a str>,
    /// Another host refused the recipient.
    pub remote: bool,
    /// What the failure was about: address, mailbox, expired, policy or system.
    pub cause: Option<&'static str>,
    pub injector: Option<IpAddr>,
    pub generator: Option<&'a str>,
    /// The client only carried the report.
    pub carried: bool,
    pub original_envelope_id: Option<&'a str>,
    pub original_from: Option<String>,
    pub original_message_id: Option<&'a str>,
    pub original_date: Option<&'a str>,
    pub reasons: &'a [String],
    pub doubts: &'a [String],
}

impl Verdict {
    pub fn told(&self) -> Told<'_> {
        let report = &self.report;
        let worst =
            report.recipients.iter().min_by_key(|recipient| recipient.action.unwrap_or(Action::Expanded));
        Told {
            kind: self.kind.name(),
            format: self.format,
            original_sender: report.original_sender.as_ref().map(ToString::to_string),
            final_recipients: report
                .recipients
                .iter()
                .filter_map(|r| Some(r.mailbox.as_ref()?.to_string()))
                .collect(),
            reporting_mta: report.reporting_mta.as_deref(),
            action: worst.and_then(|recipient| recipient.action).map(Action::name),
            status: worst.and_then(|recipient| recipient.status).map(|status| status.to_string()),
            diagnostic: worst.and_then(|recipient| recipient.diagnostic.as_deref()),
            remote: worst.is_some_and(|recipient| recipient.remote),
            cause: worst
                .filter(|recipient| recipient.action == Some(Action::Failed))
                .map(|recipient| recipient.cause.name()),
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
