//! From a transaction to durable evidence: judge, seal, append, and only then acknowledge.

mod maildir;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use ipnet::IpNet;

use crate::blocklist::Donors;
use crate::classify::{self, Kind, Session, Verdict};
use crate::digest::{Digest, Digester};
use crate::evidence::{Entry, Evidence, Facts, Reach, Sent, Way};
use crate::journal::{Append, Journal, Room};
use crate::keys::Keys;
use crate::mail::{self, Header, Mailbox, Message, Rejected, ReversePath};
use crate::metrics::Metrics;
use crate::observe::{Inquiry, Observer};
use crate::relay::Relay;
use crate::time::{Span, Timestamp};
use crate::trap::{self, Donor, KnownTraps};

/// Messages up to this size are judged where they are; larger ones would hold up everybody else on a worker of the runtime.
const INLINE_OCTETS_MAX: usize = 64 << 10;
/// Of an id, those that tell the time.
const TIME_OCTETS: usize = 6;
/// What a donor handed over longer ago is not taken: it can't be told when it would have counted. As far back as the fold believes.
const SUBMISSION_AGE_MAX: Span = Span::from_hours(12);
/// Most header fields that are searched for a recipient.
const RECIPIENT_FIELDS_MAX: usize = 20;
/// A client that waited longer than this for a reply of ours may have left for that, and not have called out.
const CALLOUT_WAIT_MAX: Span = Span::from_seconds(10);

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The relay spoke to us, if through a proxy.
    Relay(Relay),
    /// An MTA in front of us took the message from a relay, and wrote the topmost Received line; it may have named it.
    Front { mta: Relay, named: Option<Relay> },
    /// A donor handed the message on: who brought it to the donor's hosts, as the donor says, or else as their Received lines do.
    Handed { named: Option<Relay> },
    /// A peer of ours spoke, which didn't say for whom: a proxy writes no Received line, so what stands there is the client's own.
    Unnamed(Relay),
}

impl Client {
    /// Who is on the other end of the wire, as far as it matters to what can't be attributed.
    pub fn peer(&self) -> Relay {
        match self {
            Client::Relay(relay) | Client::Front { mta: relay, .. } | Client::Unnamed(relay) => *relay,
            Client::Handed { named } => named.unwrap_or(Relay::new(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        }
    }

    /// Who is judged for the message, and how many of its Received lines are by hosts that we trust.
    fn attributed(&self, header: &Header, trusted: &[IpNet]) -> Option<(Relay, usize)> {
        let is_trusted = |relay: Relay| trusted.iter().any(|network| network.contains(&relay.address()));
        match *self {
            Client::Relay(relay) => attribute(relay, header, trusted),
            Client::Unnamed(_) => None,
            Client::Handed { named } => {
                let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let walked = attribute(Relay::new(here), header, &[trusted, &[IpNet::from(here)]].concat());
                match named.filter(|relay| !is_trusted(*relay) && !relay.address().is_loopback()) {
                    // Which lines are the donor's is known only where they lead to whom it names.
                    Some(relay) => Some(walked.filter(|(found, _)| found == &relay).unwrap_or((relay, 0))),
                    None => walked,
                }
            }
            Client::Front { mta, named } => {
                let front = IpNet::from(mta.address());
                let walked = attribute(mta, header, &[trusted, &[front]].concat());
                // Itself, or one of ours, is what an MTA names that lost sight of the client; its lines still tell.
                let is_client =
                    |relay: &Relay| !is_trusted(*relay) && !relay.address().is_loopback() && *relay != mta;
                match named.filter(is_client) {
                    // How many lines are ours tells the walk, where it leads to whom the MTA names.
                    Some(relay) => Some(walked.filter(|(found, _)| *found == relay).unwrap_or((relay, 1))),
                    None => walked,
                }
            }
        }
    }
}

/// One mail transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub seen_at: Timestamp,
    pub client: Client,
    pub helo: String,
    pub reverse_path: ReversePath,
    pub traps: Vec<Mailbox>,
    pub operators: Vec<Mailbox>,
    /// Donors who forward what it has attached.
    pub donors: Vec<Donor>,
    /// The message: whole for an operator or from a donor, else up to `mail::MESSAGE_OCTETS_MAX`.
    pub message: Vec<u8>,
    /// The whole message's size.
    pub octets: u64,
    /// The longest that the client waited for a reply of ours.
    pub waited: Span,
}

impl Transaction {
    pub fn recipients(&self) -> usize {
        self.traps.len() + self.operators.len() + self.donors.len()
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It would survive a crash.
    Durable { id: String },
    /// It would not; the client keeps it and comes back.
    Later,
}

/// Who is judged for a message: the client, or, behind relays that we trust, whoever handed it to the first of them, with the
/// number of lines that they wrote. An address in mail text counts only where every host between is trusted; where their
/// lines don't tell, nobody is judged.
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

/// Whether anything that the DNS says could make evidence count.
fn is_asked_about(evidence: &Evidence) -> bool {
    let facts = &evidence.facts;
    let from_null = evidence.reverse_path == Sent::FromNull;
    facts.kind.may_score()
        && !facts.carried
        && evidence.recipients == 1
        && (from_null || !facts.kind.comes_from_the_null_reverse_path())
}

/// A message that a donor hands on.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whose trap it must have come to; whoever's, where the operator hands it on.
    pub donor: Option<Donor>,
    pub seen_at: Timestamp,
    /// Tells one try from another, if the donor says so.
    pub key: String,
    /// Whom it was for; else the message's header tells.
    pub recipient: Option<Mailbox>,
    /// From whom it was; else its Return-Path tells.
    pub reverse_path: Option<ReversePath>,
    /// Who brought it to the donor's host, as that host says; else its Received line tells.
    pub client: Option<IpAddr>,
    pub message: Vec<u8>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    Durable {
        id: String,
    },
    Later,
    /// It was for no trap of the donor's, so it is not evidence.
    NoTrap,
    /// Nothing tells who brought it.
    Unattributed,
    /// It would count as of today.
    TooOld,
}

/// On whose word a message came.
#[derive(Default)]
struct Origin {
    forwarded_by: Option<Donor>,
    trusted: Vec<IpNet>,
}

/// Whom a message that was delivered already says that it was for.
fn recipients_named(header: &Header) -> Vec<Mailbox> {
    let fields = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-RCPT-To", "To", "Cc"];
    let values = fields.iter().flat_map(|name| header.all(name)).take(RECIPIENT_FIELDS_MAX);
    values.filter_map(Mailbox::find).collect()
}

/// When the topmost Received line, or else the message, was written.
fn handed_over(header: &Header) -> Option<Timestamp> {
    let received = header.field("Received").and_then(|line| line.rsplit_once(';')).map(|(_, date)| date);
    Timestamp::parse_rfc5322(received.or(header.field("Date"))?)
}

/// What was found out about a transaction.
struct Seen<'a> {
    relay: Relay,
    trap: &'a Mailbox,
    verdict: &'a Verdict,
    id: Digest,
    reach: Reach,
    /// The digest of the message, where there was one.
    report: Option<Digest>,
}

/// A message that was looked at.
struct Judged {
    transaction: Transaction,
    trap: Mailbox,
    message: Message,
    verdict: Verdict,
    relay: Option<Relay>,
}

/// What is kept of one: an entry with its sealed report, and what the DNS is asked once both are durable.
struct Kept {
    append: Append,
    kind: Kind,
    inquiry: Option<Box<Inquiry>>,
}

fn judge(transaction: Transaction, trap: Mailbox, trusted: &[IpNet]) -> Judged {
    let message = mail::read(&transaction.message);
    let attributed = transaction.client.attributed(&message.header, trusted);
    let session = Session {
        reverse_path: Some(transaction.reverse_path.clone()),
        client: attributed.map(|(relay, _)| relay.address()),
        recipient: Some(trap.clone()),
        trusted_hops: attributed.map_or(0, |(_, hops)| hops),
    };
    let verdict = classify::classify(&message, &session);
    Judged { transaction, trap, message, verdict, relay: attributed.map(|(relay, _)| relay) }
}

pub struct Intake {
    pub journal: Arc<dyn Journal>,
    pub keys: Arc<Keys>,
    pub metrics: Arc<Metrics>,
    pub observer: Arc<Observer>,
    pub traps: Arc<ArcSwap<KnownTraps>>,
    /// What of the disk is not for mail.
    pub room: Option<Room>,
    pub donors: Arc<ArcSwap<Donors>>,
    /// Whose Received lines are believed, and who is never judged.
    pub trusted_relays: Vec<IpNet>,
    /// The name of this trap node.
    pub node: String,
    pub operator_maildir: PathBuf,
    /// Random: tells this start of the node from any other, whose clock may have stood at the same moment.
    pub start: [u8; 16],
    /// Tells the transactions of one node apart that fall into one millisecond.
    pub transactions: AtomicU64,
}

impl Intake {
    /// Takes a message in; `Durable` means that it would survive a crash.
    pub async fn message(&self, transaction: Transaction) -> Outcome {
        let id = self.id(&transaction);
        let outcome = self.take(transaction, id).await;
        let label = match &outcome {
            Outcome::Durable { .. } => "durable",
            Outcome::Later => "later",
        };
        self.metrics.messages_total.with_label_values(&[label]).inc();
        outcome
    }

    async fn take(&self, transaction: Transaction, id: Digest) -> Outcome {
        if !transaction.operators.is_empty() && !self.deliver(&transaction, id).await {
            return Outcome::Later;
        }
        for donor in &transaction.donors {
            // On the heap: few messages are such.
            if !Box::pin(self.forwarded(donor, &transaction)).await {
                return Outcome::Later;
            }
        }
        if transaction.traps.is_empty() {
            return Outcome::Durable { id: id.to_string() };
        }
        // What is nobody's is taken all the same: the client has no part in that.
        let judged = self.judged(transaction, id, &Origin::default()).await;
        judged.unwrap_or_else(|| Outcome::Durable { id: id.to_string() })
    }

    /// Takes in the messages that a donor forwards as attachments; `false` where one of them can't be kept now. The same one again is the same.
    async fn forwarded(&self, donor: &Donor, transaction: &Transaction) -> bool {
        let Some(record) = self.donors.load().get(donor).cloned() else { return true };
        let message = transaction.message.clone();
        let read = tokio::task::spawn_blocking(move || mail::attached(&message)).await;
        let Ok(attached) = read else { return false };
        if attached.is_empty() {
            tracing::warn!(%donor, "forwarded mail without a message attached");
        }
        let mut room = record
            .terms
            .reports_per_day_max
            .saturating_sub(record.contribution.forwarded_on(transaction.seen_at));
        for mut message in attached {
            if room == 0 {
                tracing::warn!(%donor, "the donor's quota of reports for today is used up");
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
            if self.submit(submission).await == Submitted::Later {
                return false;
            }
        }
        true
    }

    /// Takes in what a donor hands on, or the operator in the name of whoever gave the trap. The relay is whoever brought it to the donor's
    /// hosts; the same message with the same key and the same words beside it is the same.
    pub async fn submit(&self, submission: Submission) -> Submitted {
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
            let Ok(read) = read.await else { return Submitted::Later };
            read
        };
        digester.add(&message);
        let named =
            submission.recipient.map_or_else(|| recipients_named(&header), |recipient| vec![recipient]);
        // Nobody learns of a trap that he didn't give.
        let found = named.into_iter().find_map(|mailbox| {
            let donor = self.trap_donor(&mailbox)?;
            submission.donor.as_ref().is_none_or(|by| *by == donor).then_some((mailbox, donor))
        });
        let Some((trap, donor)) = found else { return Submitted::NoTrap };
        if handed_over(&header).is_some_and(|at| submission.seen_at.since(at) > SUBMISSION_AGE_MAX) {
            return Submitted::TooOld;
        }
        let terms = self.donors.load().get(&donor).map(|record| record.terms.clone()).unwrap_or_default();
        if submission.client.is_none() && terms.relays.is_empty() {
            return Submitted::Unattributed;
        }
        digester.add(donor.as_str().as_bytes());
        let reverse_path =
            submission.reverse_path.or_else(|| Some(ReversePath::parse(header.field("Return-Path")?)));
        let transaction = Transaction {
            seen_at: submission.seen_at,
            client: Client::Handed { named: submission.client.map(Relay::new) },
            helo: String::new(),
            // What nobody tells is not the null reverse-path.
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
        let origin = Origin { forwarded_by: Some(donor), trusted: networks.collect() };
        match self.judged(transaction, digester.digest(), &origin).await {
            Some(Outcome::Durable { id }) => Submitted::Durable { id },
            Some(Outcome::Later) => Submitted::Later,
            None => Submitted::Unattributed,
        }
    }

    /// Takes in what a donor's MTA noted: that it turned somebody away who brought mail from the null reverse-path for a trap. The same
    /// line again is the same.
    pub async fn logged(
        &self,
        donor: &Donor,
        line: &str,
        rejected: &Rejected,
        seen_at: Timestamp,
    ) -> Submitted {
        if self.trap_donor(&rejected.recipient).as_ref() != Some(donor) {
            return Submitted::NoTrap;
        }
        // Whoever carries mail for the donor, or for us, has its reasons.
        let terms = self.donors.load().get(donor).map(|record| record.terms.clone()).unwrap_or_default();
        let client = Relay::new(rejected.client);
        let ours = |network: &IpNet| network.contains(&client.address());
        if client.address().is_loopback() || terms.has_relay(client) || self.trusted_relays.iter().any(ours) {
            return Submitted::Unattributed;
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
        let trap = trap::base(&rejected.recipient).unwrap_or_else(|| rejected.recipient.clone());
        let mut evidence = self.evidence(
            &transaction,
            &Seen { relay, trap: &trap, verdict: &verdict, id, reach: Reach::Recipient, report: None },
        );
        (evidence.way, evidence.forwarded_by) = (Way::Logged, Some(donor.clone()));
        match self.append(Entry::Evidence(Box::new(evidence)).into(), verdict.kind, id).await {
            Outcome::Durable { id } => Submitted::Durable { id },
            Outcome::Later => Submitted::Later,
        }
    }

    /// Who gave the trap that an address is.
    fn trap_donor(&self, mailbox: &Mailbox) -> Option<Donor> {
        let (hasher, known) = (self.keys.hasher(), self.traps.load());
        let trap = trap::base(mailbox).unwrap_or_else(|| mailbox.clone());
        let (address, domain) = (hasher.address(&trap), hasher.domain(trap.domain()));
        known.traps.find(address, domain, &known.wider(hasher, &trap)).map(|(_, trap)| trap.donor)
    }

    /// Nothing where nothing tells who is to be judged.
    async fn judged(&self, transaction: Transaction, id: Digest, origin: &Origin) -> Option<Outcome> {
        let addressed = transaction.traps.first().cloned()?;
        // A forwarder's or a sender's wrapping is not part of the address.
        let trap = trap::base(&addressed).unwrap_or_else(|| addressed.clone());
        let judged = if transaction.message.len() <= INLINE_OCTETS_MAX {
            judge(transaction, trap, &self.trusted_with(origin))
        } else {
            let trusted = self.trusted_with(origin).into_owned();
            let judging = tokio::task::spawn_blocking(move || judge(transaction, trap, &trusted));
            let Ok(judged) = judging.await else { return Some(Outcome::Later) };
            judged
        };
        let Kept { append, kind, inquiry } = self.kept(judged, &addressed, id, origin)?;
        let outcome = self.append(append, kind, id).await;
        if let (Outcome::Durable { .. }, Some(inquiry)) = (&outcome, inquiry) {
            self.observer.inquire(*inquiry);
        }
        Some(outcome)
    }

    /// What the journal is to keep of a message, and what is asked about it then. Not async: a session that waits for the journal holds
    /// no more than this.
    fn kept(&self, judged: Judged, addressed: &Mailbox, id: Digest, origin: &Origin) -> Option<Kept> {
        let Judged { transaction, trap, message, verdict, relay } = judged;
        let Some(relay) = relay else {
            tracing::info!(mta = %transaction.client.peer(), "nothing tells who handed the message to a host of ours: nobody is judged");
            return None;
        };
        // The message by itself: what is hashed from its first octet on is hashed several blocks at a time.
        let mut digester = Digester::default();
        digester.add(Digest::of(&transaction.message).octets()).add(&transaction.octets.to_be_bytes());
        let mut evidence = self.evidence(
            &transaction,
            &Seen {
                relay,
                trap: &trap,
                verdict: &verdict,
                id,
                reach: Reach::Data,
                report: Some(digester.digest()),
            },
        );
        if let Some(donor) = &origin.forwarded_by {
            (evidence.way, evidence.forwarded_by) = (Way::Submitted, Some(donor.clone()));
        }
        evidence.facts.solicited = self.keys.hasher().is_ours(addressed, transaction.seen_at);
        let sealed = self.keys.seal(transaction.seen_at.day(), id, &mail::to_octets(&message));
        let report = match sealed {
            Ok(report) => Some(report),
            Err(error) => {
                // The evidence stands by itself; only judging it anew is lost.
                tracing::error!(%error, "a reduced report can't be sealed and is not kept");
                None
            }
        };
        let inquiry =
            is_asked_about(&evidence).then(|| Box::new(Inquiry::about(&evidence, Some(trap.domain()))));
        let append = Append { entry: Entry::Evidence(Box::new(evidence)), report };
        Some(Kept { append, kind: verdict.kind, inquiry })
    }

    fn trusted_with(&self, origin: &Origin) -> Cow<'_, [IpNet]> {
        if origin.trusted.is_empty() {
            Cow::Borrowed(&self.trusted_relays)
        } else {
            Cow::Owned([&self.trusted_relays[..], &origin.trusted].concat())
        }
    }

    /// Notes that a client named a trap and left.
    pub async fn left(&self, transaction: Transaction) {
        let relay = match transaction.client {
            Client::Relay(relay) if !self.trusted_relays.iter().any(|net| net.contains(&relay.address())) => {
                relay
            }
            // Whoever carries mail for us has its reasons.
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
            &Seen { relay, trap, verdict: &verdict, id, reach: Reach::Recipient, report: None },
        );
        self.append(Entry::Evidence(Box::new(evidence)).into(), verdict.kind, id).await;
    }

    async fn append(&self, append: Append, kind: Kind, id: Digest) -> Outcome {
        match self.journal.append(append).await {
            Ok(_) => {
                self.metrics.evidence(kind);
                Outcome::Durable { id: id.to_string() }
            }
            Err(error) => {
                tracing::error!(%error, "evidence could not be made durable; the client was asked to come back");
                Outcome::Later
            }
        }
    }

    fn evidence(&self, transaction: &Transaction, seen: &Seen<'_>) -> Evidence {
        let Seen { relay, trap, verdict, id, reach, report } = *seen;
        let hasher = self.keys.hasher();
        Evidence {
            id,
            seen_at: transaction.seen_at,
            relay,
            helo: transaction.helo.clone(),
            reverse_path: Sent::of(&transaction.reverse_path, hasher),
            trap: hasher.address(trap),
            trap_domain: hasher.domain(trap.domain()),
            recipients: u16::try_from(transaction.recipients()).unwrap_or(u16::MAX),
            reach,
            report,
            facts: Facts::of(verdict, classify::VERSION, trap, hasher),
            node: self.node.clone(),
            wider: self.traps.load().wider(hasher, trap),
            way: Way::Direct,
            forwarded_by: None,
        }
    }

    async fn deliver(&self, transaction: &Transaction, id: Digest) -> bool {
        // What is left of the disk is for decisions and ticks.
        if self.room.as_ref().is_some_and(Room::is_short) {
            tracing::warn!("there is no room for operator mail");
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

    /// No other transaction's. It begins with the time in milliseconds, so that ids that come one after the other lie so in the store.
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
