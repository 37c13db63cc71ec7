//! What the SMTP and LMTP sessions hand over: a message, or a client that left without one.

use std::sync::atomic::Ordering;

use super::Intake;
use super::judging::{self, SubmissionOrigin};
use crate::classify;
use crate::digest::{Digest, Digester};
use crate::evidence::{Entry, Evidence, EvidenceParts};
use crate::time::Span;
use crate::transaction::{Client, IntakeOutcome, Transaction};

/// Number of octets of an id that hold the time.
const TIME_OCTETS: usize = 6;
/// A client that waited longer than this for a reply may have left because of the wait, so its
/// departure is not taken for a callout.
const CALLOUT_WAIT_MAX: Span = Span::from_seconds(10);

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

    async fn take(&self, mut transaction: Transaction, id: Digest) -> IntakeOutcome {
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
        let octets = std::mem::take(&mut transaction.message);
        let Some((octets, message)) = judging::read(octets).await else { return IntakeOutcome::Later };
        transaction.message = octets;
        // An unattributed message is acknowledged as well: the client could do nothing about it.
        let judged = self.judged(transaction, message, id, &SubmissionOrigin::default()).await;
        judged.unwrap_or_else(|| IntakeOutcome::Durable { id: id.to_string() })
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
        let left = |reason| self.metrics.smtp_abandoned_total.with_label_values(&[reason]).inc();
        if transaction.waited > CALLOUT_WAIT_MAX {
            return left("slow");
        }
        left("callout");
        let id = self.id(&transaction);
        let Some(trap) = transaction.traps.first() else { return };
        let verdict = classify::callout();
        let parts = EvidenceParts {
            id,
            transaction: &transaction,
            relay,
            trap,
            wider: self.wider(trap, None),
            verdict: &verdict,
            report: None,
            forwarded_by: None,
            node: &self.node,
        };
        let evidence = Evidence::of(parts, self.keys.hasher());
        self.append(Entry::Evidence(Box::new(evidence)).into(), verdict.kind, id).await;
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
