//! Intake: turns a mail transaction into durable evidence. It judges the message, seals the reduced
//! report, appends both to the journal, and only then acknowledges.

mod maildir;
mod settings;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use ipnet::IpNet;

pub use settings::IntakeSettings;

use crate::blocklist::Donors;
use crate::classify::{self, Kind, SessionFacts, Verdict};
use crate::digest::{Digest, Digester};
use crate::evidence::{Channel, Entry, Evidence, EvidenceFacts, SentFrom, SessionReach};
use crate::journal::{Append, DiskReserve, Journal};
use crate::keys::Keys;
use crate::mail::{self, Header, LoggedRejection, Mailbox, Message, ReversePath};
use crate::metrics::Metrics;
use crate::observe::{Inquiry, Observer};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::trap::{self, Donor, KnownTraps};

/// Messages up to this size are judged on the runtime's worker; larger ones would block other
/// sessions there.
const INLINE_OCTETS_MAX: usize = 64 << 10;
/// Number of octets of an id that hold the time.
const TIME_OCTETS: usize = 6;
/// Maximum age of what a donor submits. The fold accepts times up to 12 hours in the past and would
/// count an older report as new, so older reports are refused.
const SUBMISSION_AGE_MAX: Span = Span::from_hours(12);
/// Maximum number of header fields that are searched for a recipient.
const RECIPIENT_FIELDS_MAX: usize = 20;
/// A client that waited longer than this for a reply may have left because of the wait, so its
/// departure is not taken for a callout.
const CALLOUT_WAIT_MAX: Span = Span::from_seconds(10);

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The relay itself, directly or through a proxy.
    Relay(Relay),
    /// An MTA of the operator that accepted the message from a relay and added the topmost Received
    /// line. `named` is the relay if the MTA named it.
    Front { mta: Relay, named: Option<Relay> },
    /// A donor that submits the message. `named` is the relay that brought it to the donor's hosts,
    /// if the donor says so; otherwise the hosts' Received lines name it.
    Handed { named: Option<Relay> },
    /// A trusted peer that did not name its client. A proxy adds no Received line, so the topmost
    /// line is the client's own and proves nothing.
    Unnamed(Relay),
}

impl Client {
    /// The host at the other end of the connection, for logs and ids.
    pub fn peer(&self) -> Relay {
        match self {
            Client::Relay(relay) | Client::Front { mta: relay, .. } | Client::Unnamed(relay) => *relay,
            Client::Handed { named } => named.unwrap_or(Relay::new(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        }
    }

    /// The relay that the message is attributed to, and the number of Received lines that trusted
    /// hosts added.
    fn attributed(&self, header: &Header, trusted: &[IpNet]) -> Option<(Relay, usize)> {
        let is_trusted = |relay: Relay| trusted.iter().any(|network| network.contains(&relay.address()));
        match *self {
            Client::Relay(relay) => attribute(relay, header, trusted),
            Client::Unnamed(_) => None,
            Client::Handed { named } => {
                let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let walked = attribute(Relay::new(here), header, &[trusted, &[IpNet::from(here)]].concat());
                match named.filter(|relay| !is_trusted(*relay) && !relay.address().is_loopback()) {
                    // The donor's own Received lines are known only if they lead to the relay that
                    // it names.
                    Some(relay) => Some(walked.filter(|(found, _)| found == &relay).unwrap_or((relay, 0))),
                    None => walked,
                }
            }
            Client::Front { mta, named } => {
                let front = IpNet::from(mta.address());
                let walked = attribute(mta, header, &[trusted, &[front]].concat());
                // An MTA that lost the client's address names itself or a trusted host. Its
                // Received lines still show the client.
                let is_client =
                    |relay: &Relay| !is_trusted(*relay) && !relay.address().is_loopback() && *relay != mta;
                match named.filter(is_client) {
                    // The walk gives the number of trusted lines if it leads to the relay that the
                    // MTA names.
                    Some(relay) => Some(walked.filter(|(found, _)| *found == relay).unwrap_or((relay, 1))),
                    None => walked,
                }
            }
        }
    }
}

/// A mail transaction (RFC 5321 §3.3) that ended with a message or with the client's departure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// When the transaction took place.
    pub seen_at: Timestamp,
    /// Where the message came from.
    pub client: Client,
    /// The name that the client gave in HELO or EHLO.
    pub helo: String,
    /// The reverse-path.
    pub reverse_path: ReversePath,
    /// The recipients that are traps.
    pub traps: Vec<Mailbox>,
    /// The recipients that are the operator's addresses, such as postmaster.
    pub operators: Vec<Mailbox>,
    /// The donors whose forwarding address is a recipient; they forward reports as attachments.
    pub donors: Vec<Donor>,
    /// The message: whole for an operator or from a donor, otherwise at most
    /// `mail::MESSAGE_OCTETS_MAX`.
    pub message: Vec<u8>,
    /// The size of the whole message, in octets.
    pub octets: u64,
    /// The longest time that the client waited for a reply.
    pub waited: Span,
}

impl Transaction {
    /// The number of recipients.
    pub fn recipients(&self) -> usize {
        self.traps.len() + self.operators.len() + self.donors.len()
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeOutcome {
    /// It is durable: it would survive a crash.
    Durable { id: String },
    /// It could not be made durable. The client keeps it and comes back.
    Later,
}

/// The relay that a message is attributed to, and the number of Received lines that trusted hosts
/// added.
///
/// It is the client, unless the client is a trusted host. Behind trusted hosts it is the host that
/// handed the message to the first of them. An address in a Received line counts only when every
/// host on the way is trusted. If the lines of the trusted hosts don't show the relay, the message
/// is not attributed.
pub fn attribute(client: Relay, header: &Header, trusted: &[IpNet]) -> Option<(Relay, usize)> {
    let is_trusted = |address: IpAddr| {
        address.is_loopback() || trusted.iter().any(|net| net.contains(&Relay::new(address).address()))
    };
    if !trusted.iter().any(|net| net.contains(&client.address())) {
        return Some((client, 0));
    }
    for (nth, hop) in mail::hops(header).enumerate() {
        match hop.from_address {
            Some(address) if is_trusted(address) => {}
            Some(address) => return Some((Relay::new(address), nth + 1)),
            None if hop.is_qmail_note => {}
            None => return None,
        }
    }
    None
}

/// Whether any answer of the DNS could make evidence count.
fn is_asked_about(evidence: &Evidence) -> bool {
    let facts = &evidence.facts;
    let from_null = evidence.reverse_path == SentFrom::FromNull;
    facts.kind.may_score()
        && !facts.carried
        && evidence.recipients == 1
        && (from_null || !facts.kind.comes_from_the_null_reverse_path())
}

/// A message that a donor or the operator submits.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The donor whose trap it must have been sent to; any donor's trap when the operator submits
    /// it.
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
    /// It is durable.
    Durable { id: String },
    /// It could not be made durable; the donor should submit it again.
    Later,
    /// It was not sent to a trap of the donor, so it is not evidence.
    NoTrap,
    /// The relay that brought it is unknown.
    Unattributed,
    /// It is older than 12 hours and would count as if it were new.
    TooOld,
}

/// Which donor vouches for a message, if any.
#[derive(Default)]
struct SubmissionOrigin {
    forwarded_by: Option<Donor>,
    trusted: Vec<IpNet>,
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

/// The facts about a transaction that make evidence.
struct TransactionFacts<'a> {
    relay: Relay,
    trap: &'a Mailbox,
    verdict: &'a Verdict,
    id: Digest,
    reach: SessionReach,
    /// The digest of the message, if there was one.
    report: Option<Digest>,
}

/// A message that was classified.
struct JudgedMessage {
    transaction: Transaction,
    trap: Mailbox,
    message: Message,
    verdict: Verdict,
    relay: Option<Relay>,
}

/// What is stored of a message: an entry with its sealed report, and the inquiry to make once both
/// are durable.
struct PreparedAppend {
    append: Append,
    kind: Kind,
    inquiry: Option<Box<Inquiry>>,
}

fn judge(transaction: Transaction, trap: Mailbox, trusted: &[IpNet]) -> JudgedMessage {
    let message = mail::read(&transaction.message);
    let attributed = transaction.client.attributed(&message.header, trusted);
    let session = SessionFacts {
        reverse_path: Some(transaction.reverse_path.clone()),
        client: attributed.map(|(relay, _)| relay.address()),
        recipient: Some(trap.clone()),
        trusted_hops: attributed.map_or(0, |(_, hops)| hops),
    };
    let verdict = classify::classify(&message, &session);
    JudgedMessage { transaction, trap, message, verdict, relay: attributed.map(|(relay, _)| relay) }
}

/// The intake of one trap node.
pub struct Intake {
    /// Where evidence is appended.
    pub journal: Arc<dyn Journal>,
    /// The keys for hashes and reports.
    pub keys: Arc<Keys>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Makes the inquiries about evidence.
    pub observer: Arc<Observer>,
    /// The newest traps.
    pub traps: Arc<ArcSwap<KnownTraps>>,
    /// The disk space that is reserved for decisions and ticks.
    pub room: Option<DiskReserve>,
    /// The newest donors.
    pub donors: Arc<ArcSwap<Donors>>,
    /// The networks of hosts whose Received lines are believed and which are never judged.
    pub trusted_relays: Vec<IpNet>,
    /// The name of this trap node.
    pub node: String,
    /// The Maildir for the operator's mail.
    pub operator_maildir: PathBuf,
    /// Random octets that distinguish this start of the node from others at the same time of the
    /// clock.
    pub start: [u8; 16],
    /// A counter that distinguishes the transactions of this node within one millisecond.
    pub transactions: AtomicU64,
}

impl Intake {
    /// Takes in a message. `Durable` means that it would survive a crash.
    pub async fn message(&self, transaction: Transaction) -> IntakeOutcome {
        let id = self.id(&transaction);
        let outcome = self.take(transaction, id).await;
        let label = match &outcome {
            IntakeOutcome::Durable { .. } => "durable",
            IntakeOutcome::Later => "later",
        };
        self.metrics.messages_total.with_label_values(&[label]).inc();
        outcome
    }

    async fn take(&self, transaction: Transaction, id: Digest) -> IntakeOutcome {
        if !transaction.operators.is_empty() && !self.deliver(&transaction, id).await {
            return IntakeOutcome::Later;
        }
        for donor in &transaction.donors {
            // Boxed to keep the common future small: few messages are forwarded.
            if !Box::pin(self.forwarded(donor, &transaction)).await {
                return IntakeOutcome::Later;
            }
        }
        if transaction.traps.is_empty() {
            return IntakeOutcome::Durable { id: id.to_string() };
        }
        // An unattributed message is acknowledged as well: the client could do nothing about it.
        let judged = self.judged(transaction, id, &SubmissionOrigin::default()).await;
        judged.unwrap_or_else(|| IntakeOutcome::Durable { id: id.to_string() })
    }

    /// Takes in the messages that a donor forwards as attachments; `false` when one of them can't
    /// be stored now. Repeated messages are stored once.
    async fn forwarded(&self, donor: &Donor, transaction: &Transaction) -> bool {
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
            if self.submit(submission).await == SubmissionOutcome::Later {
                return false;
            }
        }
        true
    }

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
        let (message, header) = if submission.message.len() <= INLINE_OCTETS_MAX {
            let header = mail::read(&submission.message).header;
            (submission.message, header)
        } else {
            let octets = submission.message;
            let read = tokio::task::spawn_blocking(move || {
                let header = mail::read(&octets).header;
                (octets, header)
            });
            let Ok(read) = read.await else { return SubmissionOutcome::Later };
            read
        };
        digester.add(&message);
        let named =
            submission.recipient.map_or_else(|| recipients_named(&header), |recipient| vec![recipient]);
        // A donor must not learn of traps that it did not give.
        let found = named.into_iter().find_map(|mailbox| {
            let donor = self.trap_donor(&mailbox)?;
            submission.donor.as_ref().is_none_or(|by| *by == donor).then_some((mailbox, donor))
        });
        let Some((trap, donor)) = found else { return SubmissionOutcome::NoTrap };
        if handed_over(&header).is_some_and(|at| submission.seen_at.since(at) > SUBMISSION_AGE_MAX) {
            return SubmissionOutcome::TooOld;
        }
        let terms = self.donors.load().get(&donor).map(|record| record.terms.clone()).unwrap_or_default();
        if submission.client.is_none() && terms.relays.is_empty() {
            return SubmissionOutcome::Unattributed;
        }
        digester.add(donor.as_str().as_bytes());
        let reverse_path =
            submission.reverse_path.or_else(|| Some(ReversePath::parse(header.field("Return-Path")?)));
        let transaction = Transaction {
            seen_at: submission.seen_at,
            client: Client::Handed { named: submission.client.map(Relay::new) },
            helo: String::new(),
            // An unknown reverse-path must not count as the null reverse-path.
            reverse_path: reverse_path.unwrap_or_else(|| ReversePath::Address("unknown".to_owned())),
            traps: vec![trap],
            operators: Vec::new(),
            donors: Vec::new(),
            octets: message.len() as u64,
            message,
            waited: Span::ZERO,
        };
        let networks =
            terms.relays.iter().filter_map(|prefix| IpNet::new(prefix.network(), prefix.length()).ok());
        let origin = SubmissionOrigin { forwarded_by: Some(donor), trusted: networks.collect() };
        match self.judged(transaction, digester.digest(), &origin).await {
            Some(IntakeOutcome::Durable { id }) => SubmissionOutcome::Durable { id },
            Some(IntakeOutcome::Later) => SubmissionOutcome::Later,
            None => SubmissionOutcome::Unattributed,
        }
    }

    /// Takes in a line of a donor's MTA log that reports a rejected transaction from the null
    /// reverse-path to a trap. A repeated line is stored once.
    pub async fn logged(
        &self,
        donor: &Donor,
        line: &str,
        rejected: &LoggedRejection,
        seen_at: Timestamp,
    ) -> SubmissionOutcome {
        if self.trap_donor(&rejected.recipient).as_ref() != Some(donor) {
            return SubmissionOutcome::NoTrap;
        }
        // Hosts that carry mail for the donor or for this system are not judged.
        let terms = self.donors.load().get(donor).map(|record| record.terms.clone()).unwrap_or_default();
        let client = Relay::new(rejected.client);
        let ours = |network: &IpNet| network.contains(&client.address());
        if client.address().is_loopback() || terms.has_relay(client) || self.trusted_relays.iter().any(ours) {
            return SubmissionOutcome::Unattributed;
        }
        let mut digester = Digester::default();
        digester.add(b"log line").add(donor.as_str().as_bytes()).add(line.as_bytes());
        let id = digester.digest();
        let relay = Relay::new(rejected.client);
        let transaction = Transaction {
            seen_at,
            client: Client::Relay(relay),
            helo: rejected.helo.clone(),
            reverse_path: ReversePath::Null,
            traps: vec![rejected.recipient.clone()],
            operators: Vec::new(),
            donors: Vec::new(),
            message: Vec::new(),
            octets: 0,
            waited: Span::ZERO,
        };
        let verdict = classify::null_rejected();
        let trap = trap::strip_rewriting(&rejected.recipient).unwrap_or_else(|| rejected.recipient.clone());
        let mut evidence = self.evidence(
            &transaction,
            &TransactionFacts {
                relay,
                trap: &trap,
                verdict: &verdict,
                id,
                reach: SessionReach::Recipient,
                report: None,
            },
        );
        (evidence.channel, evidence.forwarded_by) = (Channel::Logged, Some(donor.clone()));
        match self.append(Entry::Evidence(Box::new(evidence)).into(), verdict.kind, id).await {
            IntakeOutcome::Durable { id } => SubmissionOutcome::Durable { id },
            IntakeOutcome::Later => SubmissionOutcome::Later,
        }
    }

    /// The donor of the trap that an address is.
    fn trap_donor(&self, mailbox: &Mailbox) -> Option<Donor> {
        let (hasher, known) = (self.keys.hasher(), self.traps.load());
        let trap = trap::strip_rewriting(mailbox).unwrap_or_else(|| mailbox.clone());
        let (address, domain) = (hasher.address(&trap), hasher.domain(trap.domain()));
        known.traps.find(address, domain, &known.wider(hasher, &trap)).map(|(_, trap)| trap.donor)
    }

    /// Judges and stores a message; `None` when it can't be attributed to a relay.
    async fn judged(
        &self,
        transaction: Transaction,
        id: Digest,
        origin: &SubmissionOrigin,
    ) -> Option<IntakeOutcome> {
        let addressed = transaction.traps.first().cloned()?;
        // A forwarder's or a sender's rewriting is not part of the trap's address.
        let trap = trap::strip_rewriting(&addressed).unwrap_or_else(|| addressed.clone());
        let judged = if transaction.message.len() <= INLINE_OCTETS_MAX {
            judge(transaction, trap, &self.trusted_with(origin))
        } else {
            let trusted = self.trusted_with(origin).into_owned();
            let judging = tokio::task::spawn_blocking(move || judge(transaction, trap, &trusted));
            let Ok(judged) = judging.await else { return Some(IntakeOutcome::Later) };
            judged
        };
        let PreparedAppend { append, kind, inquiry } = self.kept(judged, &addressed, id, origin)?;
        let outcome = self.append(append, kind, id).await;
        if let (IntakeOutcome::Durable { .. }, Some(inquiry)) = (&outcome, inquiry) {
            self.observer.inquire(*inquiry);
        }
        Some(outcome)
    }

    /// What the journal stores of a message, and the inquiry to make about it. Not async, so that a
    /// session that waits for the journal holds nothing else in memory.
    fn kept(
        &self,
        judged: JudgedMessage,
        addressed: &Mailbox,
        id: Digest,
        origin: &SubmissionOrigin,
    ) -> Option<PreparedAppend> {
        let JudgedMessage { transaction, trap, message, verdict, relay } = judged;
        let Some(relay) = relay else {
            tracing::info!(mta = %transaction.client.peer(), "the message can't be attributed: no Received line of a trusted host names the relay");
            return None;
        };
        // The message is hashed on its own: a digest over one slice hashes several blocks at a
        // time.
        let mut digester = Digester::default();
        digester.add(Digest::of(&transaction.message).octets()).add(&transaction.octets.to_be_bytes());
        let mut evidence = self.evidence(
            &transaction,
            &TransactionFacts {
                relay,
                trap: &trap,
                verdict: &verdict,
                id,
                reach: SessionReach::Data,
                report: Some(digester.digest()),
            },
        );
        if let Some(donor) = &origin.forwarded_by {
            (evidence.channel, evidence.forwarded_by) = (Channel::Submitted, Some(donor.clone()));
        }
        evidence.facts.solicited = self.keys.hasher().is_ours(addressed, transaction.seen_at);
        let sealed = self.keys.seal(transaction.seen_at.day(), id, &mail::to_octets(&message));
        let report = match sealed {
            Ok(report) => Some(report),
            Err(error) => {
                // The evidence is stored without the report, and can't be judged again later.
                tracing::error!(%error, "a reduced report can't be sealed and is not stored");
                None
            }
        };
        let inquiry =
            is_asked_about(&evidence).then(|| Box::new(Inquiry::about(&evidence, Some(trap.domain()))));
        let append = Append { entry: Entry::Evidence(Box::new(evidence)), report };
        Some(PreparedAppend { append, kind: verdict.kind, inquiry })
    }

    fn trusted_with(&self, origin: &SubmissionOrigin) -> Cow<'_, [IpNet]> {
        if origin.trusted.is_empty() {
            Cow::Borrowed(&self.trusted_relays)
        } else {
            Cow::Owned([&self.trusted_relays[..], &origin.trusted].concat())
        }
    }

    /// Records that a client named a trap and left before sending a message.
    pub async fn left(&self, transaction: Transaction) {
        let relay = match transaction.client {
            Client::Relay(relay) if !self.trusted_relays.iter().any(|net| net.contains(&relay.address())) => {
                relay
            }
            // Hosts that carry mail for this system are not judged.
            _ => return,
        };
        let left = |how| self.metrics.smtp_left_total.with_label_values(&[how]).inc();
        if transaction.waited > CALLOUT_WAIT_MAX {
            return left("slow");
        }
        left("callout");
        let id = self.id(&transaction);
        let Some(trap) = transaction.traps.first() else { return };
        let verdict = classify::callout();
        let evidence = self.evidence(
            &transaction,
            &TransactionFacts {
                relay,
                trap,
                verdict: &verdict,
                id,
                reach: SessionReach::Recipient,
                report: None,
            },
        );
        self.append(Entry::Evidence(Box::new(evidence)).into(), verdict.kind, id).await;
    }

    async fn append(&self, append: Append, kind: Kind, id: Digest) -> IntakeOutcome {
        match self.journal.append(append).await {
            Ok(_) => {
                self.metrics.evidence(kind);
                IntakeOutcome::Durable { id: id.to_string() }
            }
            Err(error) => {
                tracing::error!(%error, "evidence could not be made durable; the client was asked to come back");
                IntakeOutcome::Later
            }
        }
    }

    fn evidence(&self, transaction: &Transaction, seen: &TransactionFacts<'_>) -> Evidence {
        let TransactionFacts { relay, trap, verdict, id, reach, report } = *seen;
        let hasher = self.keys.hasher();
        Evidence {
            id,
            seen_at: transaction.seen_at,
            relay,
            helo: transaction.helo.clone(),
            reverse_path: SentFrom::of(&transaction.reverse_path, hasher),
            trap: hasher.address(trap),
            trap_domain: hasher.domain(trap.domain()),
            recipients: u16::try_from(transaction.recipients()).unwrap_or(u16::MAX),
            reach,
            report,
            facts: EvidenceFacts::of(verdict, classify::VERSION, trap, hasher),
            node: self.node.clone(),
            wider: self.traps.load().wider(hasher, trap),
            channel: Channel::Direct,
            forwarded_by: None,
        }
    }

    async fn deliver(&self, transaction: &Transaction, id: Digest) -> bool {
        // The remaining disk space is reserved for decisions and ticks.
        if self.room.as_ref().is_some_and(DiskReserve::is_short) {
            tracing::warn!("the disk has no room for operator mail");
            return false;
        }
        let (maildir, octets) = (self.operator_maildir.clone(), transaction.message.clone());
        let name = format!("{}.{id}.{}", transaction.seen_at.seconds(), self.node);
        let written = tokio::task::spawn_blocking(move || maildir::deliver(&maildir, &name, &octets)).await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, maildir = %self.operator_maildir.display(), "operator mail can't be written");
                false
            }
            Err(_) => false,
        }
    }

    /// An id that no other transaction has. It begins with the time in milliseconds, so that
    /// consecutive ids lie together in the store.
    fn id(&self, transaction: &Transaction) -> Digest {
        let nth = self.transactions.fetch_add(1, Ordering::Relaxed);
        let mut digester = Digester::default();
        digester
            .add(&self.start)
            .add(self.node.as_bytes())
            .add(&transaction.seen_at.milliseconds().to_be_bytes());
        digester.add(&nth.to_be_bytes()).add(transaction.client.peer().to_string().as_bytes());
        let mut octets = *digester.digest().octets();
        octets[..TIME_OCTETS]
            .copy_from_slice(&transaction.seen_at.milliseconds().to_be_bytes()[8 - TIME_OCTETS..]);
        Digest::from_octets(octets)
    }
}
