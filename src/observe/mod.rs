//! What the DNS tells of a relay after it brought evidence: who answers for the mail that it reports on.
//!
//! Nothing here delays the SMTP reply, and nothing here is certain to come: evidence that no observation follows counts as
//! something of which nothing is known. Only relays that brought evidence are asked about, and only the DNS is asked
//! (RFC 6471 §3.6).

mod enrolment;
mod lookups;
mod networks;
mod relation;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use enrolment::{Fault, Published, faults};
pub use lookups::{LaboratoryHost, Lookups};
pub use networks::{Networks, NetworksError};
pub use relation::{Answers, observation};

use crate::digest::Digest;
use crate::evidence::{Entry, Evidence, Observation};
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::relay::Relay;

/// How often an inquiry is made that the DNS did not answer in full.
const TRIES_MAX: u32 = 3;
/// Time between two tries: servers that are down for a moment are up again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(120);

/// What is asked about one piece of evidence.
#[derive(Clone, Debug)]
pub struct Inquiry {
    pub evidence: Digest,
    pub relay: Relay,
    pub helo: String,
    /// The domain that the relay handled mail for.
    pub domain: Option<String>,
    /// The host that refused the recipient, as the report names it.
    pub remote_mta: Option<String>,
    pub injector: Option<Relay>,
    /// The trap's, in clear: it is asked about and not kept.
    pub trap_domain: Option<String>,
}

impl Inquiry {
    pub fn about(evidence: &Evidence, trap_domain: Option<&str>) -> Self {
        let facts = &evidence.facts;
        Inquiry {
            evidence: evidence.id,
            relay: evidence.relay,
            helo: evidence.helo.clone(),
            domain: facts.party().and_then(|party| party.domain),
            remote_mta: facts.leading_failure().and_then(|failure| failure.remote_mta.clone()),
            injector: facts.injector.map(Relay::new),
            trap_domain: trap_domain.map(str::to_owned),
        }
    }
}

/// Limits of what is asked at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Inquiries made at once.
    pub inquiries_max: usize,
    /// Inquiries that are made or wait; a further one is not made.
    pub queue_max: usize,
    pub timeout: Duration,
}

/// Asks, and appends what was found out to the journal.
pub struct Observer {
    lookups: Arc<Lookups>,
    networks: Arc<Networks>,
    journal: Arc<dyn Journal>,
    metrics: Arc<Metrics>,
    queue: Arc<Semaphore>,
    queue_max: usize,
    asking: Arc<Semaphore>,
    timeout: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Observer {
    pub fn new(
        lookups: Lookups,
        networks: Networks,
        journal: Arc<dyn Journal>,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> Self {
        Observer {
            lookups: Arc::new(lookups),
            networks: Arc::new(networks),
            journal,
            metrics,
            queue: Arc::new(Semaphore::new(limits.queue_max)),
            queue_max: limits.queue_max,
            asking: Arc::new(Semaphore::new(limits.inquiries_max)),
            timeout: limits.timeout,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Begins to ask, unless too much is asked already.
    pub fn inquire(&self, inquiry: Inquiry) {
        let Ok(waits) = Arc::clone(&self.queue).try_acquire_owned() else {
            self.metrics.observation("dropped");
            return;
        };
        let (lookups, networks) = (Arc::clone(&self.lookups), Arc::clone(&self.networks));
        let (journal, metrics) = (Arc::clone(&self.journal), Arc::clone(&self.metrics));
        let (asking, timeout, stop) = (Arc::clone(&self.asking), self.timeout, self.stop.clone());
        self.tasks.spawn(async move {
            let asked = ask(&lookups, &networks, &asking, timeout, &inquiry);
            let observation = tokio::select! {
                observation = asked => observation,
                () = stop.cancelled() => return,
            };
            metrics.observation(if is_whole(&observation, &inquiry) { "whole" } else { "partial" });
            if let Err(error) = journal.append(Entry::Observation(observation).into()).await {
                tracing::warn!(%error, "an observation is lost; its evidence counts without");
            }
            drop(waits);
        });
    }

    /// Waits until everything that was asked is answered and durable.
    pub async fn settled(&self) {
        let all = u32::try_from(self.queue_max).unwrap_or(u32::MAX);
        // The queue is never closed.
        let _ = self.queue.acquire_many(all).await;
    }

    /// Ends what is asked. Evidence of which nothing was found out yet counts as such.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn ask(
    lookups: &Lookups,
    networks: &Networks,
    asking: &Semaphore,
    timeout: Duration,
    inquiry: &Inquiry,
) -> Observation {
    let mut observation = Observation::unknown(inquiry.evidence);
    for nth in 0..TRIES_MAX {
        if nth > 0 {
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        let Ok(_permit) = asking.acquire().await else { break };
        let answers = tokio::time::timeout(timeout, lookups.answers(inquiry)).await.unwrap_or_default();
        observation = relation::observation(inquiry, &answers);
        observation.network = networks.number(inquiry.relay.address());
        observation.injector_network =
            inquiry.injector.and_then(|injector| networks.number(injector.address()));
        if is_whole(&observation, inquiry) {
            break;
        }
    }
    observation
}

/// Whether everything was answered that there is to ask.
fn is_whole(observation: &Observation, inquiry: &Inquiry) -> bool {
    let signs = [observation.mx_of_recipient, observation.spf_of_recipient, observation.same_organisation];
    inquiry.domain.is_none() || !signs.contains(&None)
}
