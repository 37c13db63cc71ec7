//! From a transaction to durable evidence: judge, seal, append, and only then acknowledge.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;

use super::maildir;
use super::session::{Outcome, Transaction};
use crate::classify::{self, Session, Verdict};
use crate::digest::{Digest, Digester};
use crate::evidence::{Entry, Evidence, Facts, Reach, Sent};
use crate::journal::{Append, Journal};
use crate::keys::Keys;
use crate::mail::{self, Header, Mailbox};
use crate::metrics::Metrics;
use crate::observe::{Inquiry, Observer};
use crate::relay::Relay;
use crate::trap;

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

pub struct Intake {
    pub journal: Arc<dyn Journal>,
    pub keys: Arc<Keys>,
    pub metrics: Arc<Metrics>,
    pub observer: Arc<Observer>,
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
        let Some(addressed) = transaction.traps.first().cloned() else {
            return Outcome::Durable { id: id.to_string() };
        };
        // A forwarder's or a sender's wrapping is not part of the address.
        let trap = trap::base(&addressed).unwrap_or_else(|| addressed.clone());
        let trusted = self.trusted_relays.clone();
        let recipient = trap.clone();
        // The largest messages take long enough to hold up everybody else on a worker of the runtime.
        let judging = tokio::task::spawn_blocking(move || {
            let message = mail::read(&transaction.message);
            let attributed = attribute(transaction.relay, &message.header, &trusted);
            let session = Session {
                reverse_path: Some(transaction.reverse_path.clone()),
                client: attributed.map(|(relay, _)| relay.address()),
                recipient: Some(recipient),
                trusted_hops: attributed.map_or(0, |(_, hops)| hops),
            };
            let verdict = classify::classify(&message, &session);
            (transaction, message, verdict, attributed)
        });
        let Ok((mut transaction, message, verdict, attributed)) = judging.await else {
            return Outcome::Later;
        };
        let Some((relay, _)) = attributed else {
            tracing::info!(relay = %transaction.relay, "a trusted relay's line doesn't tell who handed the message in: nobody is judged");
            return Outcome::Durable { id: id.to_string() };
        };
        transaction.relay = relay;
        let mut digester = Digester::default();
        digester.add(&transaction.message).add(&transaction.octets.to_be_bytes());
        let mut evidence =
            self.evidence(&transaction, &trap, &verdict, id, Reach::Data, Some(digester.digest()));
        evidence.facts.solicited = self.keys.hasher().is_ours(&addressed, transaction.seen_at);
        let sealed = self.keys.seal(transaction.seen_at.day(), id, &mail::to_octets(&message));
        let report = match sealed {
            Ok(report) => Some(report),
            Err(error) => {
                // The evidence stands by itself; only judging it anew is lost.
                tracing::error!(%error, "a reduced report can't be sealed and is not kept");
                None
            }
        };
        let inquiry = is_asked_about(&evidence).then(|| Inquiry::about(&evidence, Some(trap.domain())));
        let entry = Entry::Evidence(Box::new(evidence));
        let outcome = self.append(Append { entry, report }, &verdict, id).await;
        if let (Outcome::Durable { .. }, Some(inquiry)) = (&outcome, inquiry) {
            self.observer.inquire(inquiry);
        }
        outcome
    }

    /// Notes that a client named a trap and left.
    pub async fn left(&self, transaction: Transaction) {
        if self.trusted_relays.iter().any(|net| net.contains(&transaction.relay.address())) {
            return;
        }
        let id = self.id(&transaction);
        let Some(trap) = transaction.traps.first() else { return };
        let verdict = classify::callout();
        let evidence = self.evidence(&transaction, trap, &verdict, id, Reach::Recipient, None);
        self.append(Entry::Evidence(Box::new(evidence)).into(), &verdict, id).await;
    }

    async fn append(&self, append: Append, verdict: &Verdict, id: Digest) -> Outcome {
        match self.journal.append(append).await {
            Ok(_) => {
                self.metrics.evidence(verdict.kind);
                Outcome::Durable { id: id.to_string() }
            }
            Err(error) => {
                tracing::error!(%error, "evidence could not be made durable; the client was asked to come back");
                Outcome::Later
            }
        }
    }

    fn evidence(
        &self,
        transaction: &Transaction,
        trap: &Mailbox,
        verdict: &Verdict,
        id: Digest,
        reach: Reach,
        report: Option<Digest>,
    ) -> Evidence {
        let hasher = self.keys.hasher();
        Evidence {
            id,
            seen_at: transaction.seen_at,
            relay: transaction.relay,
            helo: transaction.helo.clone(),
            reverse_path: Sent::of(&transaction.reverse_path, hasher),
            trap: hasher.address(trap),
            trap_domain: hasher.domain(trap.domain()),
            recipients: u16::try_from(transaction.traps.len() + transaction.operators.len())
                .unwrap_or(u16::MAX),
            reach,
            report,
            facts: Facts::of(verdict, classify::VERSION, trap, hasher),
            node: self.node.clone(),
        }
    }

    async fn deliver(&self, transaction: &Transaction, id: Digest) -> bool {
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

    fn id(&self, transaction: &Transaction) -> Digest {
        let nth = self.transactions.fetch_add(1, Ordering::Relaxed);
        let mut digester = Digester::default();
        digester
            .add(&self.start)
            .add(self.node.as_bytes())
            .add(&transaction.seen_at.milliseconds().to_be_bytes());
        digester.add(&nth.to_be_bytes()).add(transaction.relay.to_string().as_bytes());
        for trap in &transaction.traps {
            digester.add(trap.folded().as_bytes());
        }
        digester.add(&transaction.message);
        digester.digest()
    }
}
