//! Judges a message and makes of it what the journal stores.

use ipnet::IpNet;

use super::{Intake, trap_named};
use crate::classify::{self, Kind, SessionFacts, Verdict};
use crate::digest::{Digest, Digester};
use crate::evidence::{Entry, Evidence, EvidenceParts};
use crate::journal::Append;
use crate::mail::{self, Mailbox, Message};
use crate::observe::is_asked_about;
use crate::relay::Relay;
use crate::transaction::{IntakeOutcome, Transaction};
use crate::trap::Donor;

/// Messages up to this size are read and judged on the runtime's worker; larger ones would block
/// other sessions there.
const INLINE_OCTETS_MAX: usize = 64 << 10;

/// Which donor vouches for a message, if any.
#[derive(Default)]
pub(super) struct SubmissionOrigin {
    /// The donor that hands on the message.
    pub(super) forwarded_by: Option<Donor>,
    /// The networks of the donor's hosts. Their Received lines are believed.
    pub(super) trusted: Vec<IpNet>,
}

/// Reads a message, and returns it with its octets. `None` if the thread that read it failed.
pub(super) async fn read(octets: Vec<u8>) -> Option<(Vec<u8>, Message)> {
    work_on(octets.len(), move || {
        let message = mail::read(&octets);
        (octets, message)
    })
    .await
}

impl Intake {
    /// Judges and stores a message; `None` when it can't be attributed to a relay.
    pub(super) async fn judged(
        &self,
        transaction: Transaction,
        message: Message,
        id: Digest,
        origin: &SubmissionOrigin,
    ) -> Option<IntakeOutcome> {
        let addressed = transaction.traps.first()?;
        let trap = trap_named(addressed);
        let trusted = [&self.trusted_relays[..], &origin.trusted].concat();
        let judging = work_on(transaction.message.len(), move || judge(transaction, message, trap, &trusted));
        let Some(judged) = judging.await else { return Some(IntakeOutcome::Later) };
        let PreparedAppend { append, kind, asked } = self.prepare(judged, id, origin)?;
        let outcome = self.append(append, kind, id).await;
        if let (IntakeOutcome::Durable { .. }, Some(AskedAbout { evidence, trap_domain })) = (&outcome, asked)
        {
            self.observer.inquire(evidence, Some(&trap_domain));
        }
        Some(outcome)
    }

    /// What the journal stores of a message, and the inquiry to make about it. Not async, so that a
    /// session that waits for the journal holds nothing else in memory.
    fn prepare(
        &self,
        judged: JudgedMessage,
        id: Digest,
        origin: &SubmissionOrigin,
    ) -> Option<PreparedAppend> {
        let JudgedMessage { transaction, trap, message, verdict, relay } = judged;
        let Some(relay) = relay else {
            tracing::info!(mta = %transaction.client.peer(), "the message counts against no relay: no Received line of a trusted host names the relay");
            return None;
        };
        // The message is hashed on its own: a digest over one slice hashes several blocks at a
        // time.
        let mut digester = Digester::default();
        digester.add(Digest::of(&transaction.message).octets()).add(&transaction.octets.to_be_bytes());
        let parts = EvidenceParts {
            id,
            transaction: &transaction,
            relay,
            trap: &trap,
            wider: self.wider(&trap, origin.forwarded_by.as_ref()),
            verdict: &verdict,
            report: Some(digester.digest()),
            forwarded_by: origin.forwarded_by.clone(),
            node: &self.node,
        };
        let evidence = Evidence::of(parts, self.keys.hasher());
        let sealed = self.keys.seal(transaction.seen_at.day(), id, &mail::to_octets(&message));
        let report = match sealed {
            Ok(report) => Some(report),
            Err(error) => {
                // The evidence is stored without the report, and can't be judged again later.
                tracing::error!(%error, "cannot encrypt a reduced report; the report is not stored");
                None
            }
        };
        let evidence = Box::new(evidence);
        let asked = is_asked_about(&evidence)
            .then(|| AskedAbout { evidence: evidence.clone(), trap_domain: trap.domain().to_owned() });
        let append = Append { entry: Entry::Evidence(evidence), report };
        Some(PreparedAppend { append, kind: verdict.kind, asked })
    }
}

/// A message that was classified.
struct JudgedMessage {
    transaction: Transaction,
    trap: Mailbox,
    message: Message,
    verdict: Verdict,
    relay: Option<Relay>,
}

/// What is stored of a message: an entry with its sealed report, and what the DNS is asked about
/// once both are durable.
struct PreparedAppend {
    append: Append,
    kind: Kind,
    asked: Option<AskedAbout>,
}

/// The evidence that the DNS is asked about, and the trap's domain in clear text.
struct AskedAbout {
    evidence: Box<Evidence>,
    trap_domain: String,
}

fn judge(transaction: Transaction, message: Message, trap: Mailbox, trusted: &[IpNet]) -> JudgedMessage {
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

/// Does work on a message of this size: a small one at once, a large one on a thread that may block.
/// `None` if that thread failed.
async fn work_on<T: Send + 'static>(octets: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if octets <= INLINE_OCTETS_MAX {
        return Some(work());
    }
    tokio::task::spawn_blocking(work).await.ok()
}
