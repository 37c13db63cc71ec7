//! The messages that donors hand on: submitted one by one, or forwarded as attachments.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Intake;
use super::judging::{self, SubmissionOrigin};
use crate::digest::Digester;
use crate::mail::{self, Header, Mailbox, ReversePath};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::transaction::{Client, IntakeOutcome, Transaction};
use crate::trap::Donor;

/// Maximum age of what a donor submits. The fold accepts times up to 12 hours in the past and would
/// count an older report as new, so older reports are refused.
const SUBMISSION_AGE_MAX: Span = Span::from_hours(12);
/// Maximum number of header fields that are searched for a recipient.
const RECIPIENT_FIELDS_MAX: usize = 20;

/// A message that a donor or the operator submits.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The donor whose trap it must have been sent to, also if another donor gave the trap before;
    /// any donor's trap when the operator submits it.
    pub donor: Option<Donor>,
    /// When it was submitted.
    pub seen_at: Timestamp,
    /// A key that makes submissions of the same message distinct; may be empty.
    pub key: String,
    /// The recipient; if absent it is taken from the message's header.
    pub recipient: Option<Mailbox>,
    /// The reverse-path; if absent it is taken from the Return-Path field.
    pub reverse_path: Option<ReversePath>,
    /// The address of the relay that brought it to the donor's host, as that host recorded it; if
    /// absent it is taken from the Received lines.
    pub client: Option<IpAddr>,
    /// The message.
    pub message: Vec<u8>,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmissionOutcome {
    /// The message is durable. By its receipt the donor can ask later what became of it.
    Durable { receipt: String },
    /// The message could not be made durable; the donor should submit the message again.
    Later,
    /// The message was not sent to a trap of the donor, so it is not evidence.
    NoTrap,
    /// The relay that brought it is unknown.
    Unattributed,
    /// The message is older than 12 hours and would count as if it were new.
    TooOld,
}

impl Intake {
    /// Takes in a message that a donor submits, or the operator in the name of the trap's donor.
    /// The relay is the host that brought it to the donor's hosts. A repeated submission with the
    /// same message, key and other arguments is stored once.
    pub async fn submit(&self, submission: Submission) -> SubmissionOutcome {
        let mut digester = Digester::default();
        digester.add(b"submission").add(submission.key.as_bytes());
        digester.add(
            format!("{:?} {:?} {:?}", submission.recipient, submission.reverse_path, submission.client)
                .as_bytes(),
        );
        let Some((octets, message)) = judging::read(submission.message).await else {
            return SubmissionOutcome::Later;
        };
        let header = &message.header;
        digester.add(&octets);
        let named =
            submission.recipient.map_or_else(|| recipients_named(header), |recipient| vec![recipient]);
        let found = named.into_iter().find_map(|mailbox| {
            let donor = match &submission.donor {
                None => self.trap_donor(&mailbox),
                Some(by) => self.is_trap_of(by, &mailbox).then(|| by.clone()),
            };
            donor.map(|donor| (mailbox, donor))
        });
        let Some((trap, donor)) = found else { return SubmissionOutcome::NoTrap };
        if handed_over(header).is_some_and(|at| submission.seen_at.since(at) > SUBMISSION_AGE_MAX) {
            return SubmissionOutcome::TooOld;
        }
        let terms = self.donors.load().get(&donor).map(|record| record.terms.clone()).unwrap_or_default();
        if submission.client.is_none() && terms.relays.is_empty() {
            return SubmissionOutcome::Unattributed;
        }
        digester.add(donor.as_str().as_bytes());
        let reverse_path =
            submission.reverse_path.or_else(|| Some(ReversePath::parse(header.field("Return-Path")?)));
        // An unknown reverse-path must not count as the null reverse-path.
        let reverse_path = reverse_path.unwrap_or_else(|| ReversePath::Address("unknown".to_owned()));
        let client = Client::Handed { named: submission.client.map(Relay::new) };
        let transaction = Transaction {
            traps: vec![trap],
            octets: octets.len() as u64,
            message: octets,
            ..Transaction::new(submission.seen_at, client, String::new(), reverse_path)
        };
        let networks =
            terms.relays.iter().filter_map(|prefix| IpNet::new(prefix.network(), prefix.length()).ok());
        let receipt = self.keys.hasher().receipt(&donor, digester.digest());
        let origin = SubmissionOrigin { forwarded_by: Some(donor), trusted: networks.collect() };
        match self.judged(transaction, message, digester.digest(), &origin).await {
            Some(IntakeOutcome::Durable { .. }) => SubmissionOutcome::Durable { receipt },
            Some(IntakeOutcome::Later) => SubmissionOutcome::Later,
            None => SubmissionOutcome::Unattributed,
        }
    }

    /// Counts a message that a donor handed on to a recipient that is no trap of the donor. Returns
    /// whether this is within the donor's daily budget.
    pub fn wrong_recipient(&self, donor: &Donor, at: Timestamp) -> bool {
        self.metrics.wrong_recipients_total.inc();
        self.wrong_recipients.is_within_budget(donor, at)
    }

    /// Takes in the messages that a donor forwards as attachments; `false` when one of them can't
    /// be stored now. Repeated messages are stored once.
    pub(super) async fn forwarded(&self, donor: &Donor, transaction: &Transaction) -> bool {
        let Some(record) = self.donors.load().get(donor).cloned() else { return true };
        let message = transaction.message.clone();
        let read = tokio::task::spawn_blocking(move || mail::attached(&message)).await;
        let Ok(attached) = read else { return false };
        if attached.is_empty() {
            tracing::warn!(%donor, "forwarded mail has no message attached");
        }
        let mut room = record
            .terms
            .reports_per_day_max
            .saturating_sub(record.contribution.forwarded_on(transaction.seen_at));
        for mut message in attached {
            if room == 0 {
                tracing::warn!(%donor, "the donor's daily limit of reports is reached");
                return false;
            }
            room -= 1;
            message.truncate(mail::MESSAGE_OCTETS_MAX);
            let submission = Submission {
                donor: Some(donor.clone()),
                seen_at: transaction.seen_at,
                key: String::new(),
                recipient: None,
                reverse_path: None,
                client: None,
                message,
            };
            match self.submit(submission).await {
                SubmissionOutcome::Later => return false,
                SubmissionOutcome::NoTrap => {
                    self.wrong_recipient(donor, transaction.seen_at);
                }
                _ => {}
            }
        }
        true
    }
}

/// The recipients that a delivered message names in its header.
fn recipients_named(header: &Header) -> Vec<Mailbox> {
    let fields = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-RCPT-To", "To", "Cc"];
    let values = fields.iter().flat_map(|name| header.all(name)).take(RECIPIENT_FIELDS_MAX);
    values.filter_map(Mailbox::find).collect()
}

/// The date of the topmost Received line, or else of the message.
fn handed_over(header: &Header) -> Option<Timestamp> {
    let received = header.field("Received").and_then(|line| line.rsplit_once(';')).map(|(_, date)| date);
    Timestamp::parse_rfc5322(received.or(header.field("Date"))?)
}
