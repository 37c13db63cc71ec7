//! What the DNS tells of a relay after it brought evidence: who answers for the mail that it reports on.
//!
//! Nothing here delays the SMTP reply, and nothing here is certain to come: evidence that no observation follows counts as
//! something of which nothing is known. Only relays that brought evidence are asked about, and only the DNS is asked
//! (RFC 6471 §3.6).

mod enrolment;
mod lookups;
mod networks;
mod relation;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
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
use crate::relay::{Prefix, Relay};

/// When an inquiry is made again that the DNS did not answer in full, after the time before: servers that are down for a moment
/// are up again.
const TRY_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(240)];
/// The longest first try. Slow answers are waited for at the second, which stands in a shorter queue of its own: whoever sends
/// reports about domains whose servers say nothing must not keep the others from being asked about in time.
const FIRST_TIMEOUT: Duration = Duration::from_secs(4);
/// Of the inquiries that are made at once, those that were made before.
const AGAIN_SHARE: usize = 4;
/// Most inquiries that wait to be made again.
const WAITING_MAX: usize = 1_000;
/// Most inquiries about relays of one site, and about domains of one organisation, that are made or wait.
const PER_SITE_MAX: u32 = 32;
const PER_ORGANISATION_MAX: u32 = 32;

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

/// Appends an observation, and tries again while the journal may come back: no time passes for the fold meanwhile.
async fn keep(journal: &dyn Journal, observation: Observation, stop: &CancellationToken) {
    let entry = Entry::Observation(observation);
    loop {
        match journal.append(entry.clone().into()).await {
            Ok(_) => return,
            Err(error) if error.is_passing() => {}
            Err(error) => {
                tracing::warn!(%error, "an observation is lost; its evidence counts without");
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(JOURNAL_PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Pause before an observation is appended again that could not be.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Asks, and appends what was found out to the journal.
pub struct Observer {
    lookups: Arc<Lookups>,
    networks: Arc<Networks>,
    journal: Arc<dyn Journal>,
    metrics: Arc<Metrics>,
    queue: Arc<Semaphore>,
    queue_max: usize,
    asking: Arc<Semaphore>,
    again: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    sites: Arc<Shares<Prefix>>,
    organisations: Arc<Shares<String>>,
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
            again: Arc::new(Semaphore::new((limits.inquiries_max / AGAIN_SHARE).max(1))),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            sites: Arc::new(Shares::new(PER_SITE_MAX)),
            organisations: Arc::new(Shares::new(PER_ORGANISATION_MAX)),
            timeout: limits.timeout,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Begins to ask, unless too much is asked already.
    pub fn inquire(&self, inquiry: Inquiry) {
        let held = (
            Arc::clone(&self.queue).try_acquire_owned().ok(),
            Arc::clone(&self.sites).take(relation::site(inquiry.relay)),
            Arc::clone(&self.organisations).take(relation::organisation(inquiry.domain.as_deref())),
        );
        let (Some(waits), Some(site), Some(organisation)) = held else {
            self.metrics.observation("dropped");
            return;
        };
        let (lookups, networks) = (Arc::clone(&self.lookups), Arc::clone(&self.networks));
        let (journal, metrics) = (Arc::clone(&self.journal), Arc::clone(&self.metrics));
        let (asking, again, waiting) =
            (Arc::clone(&self.asking), Arc::clone(&self.again), Arc::clone(&self.waiting));
        let (timeout, stop) = (self.timeout, self.stop.clone());
        self.tasks.spawn(async move {
            let mut held = Some((waits, site, organisation));
            let asked = async {
                let first = timeout.min(FIRST_TIMEOUT);
                let mut observation = once(&lookups, &networks, &asking, first, &inquiry).await;
                if is_whole(&observation, &inquiry) {
                    return observation;
                }
                // What is asked again holds nobody up: it waits elsewhere, or not at all.
                held = None;
                let Ok(_place) = waiting.try_acquire() else { return observation };
                for pause in TRY_AGAIN_AFTER {
                    if is_whole(&observation, &inquiry) {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                    observation = once(&lookups, &networks, &again, timeout, &inquiry).await;
                }
                observation
            };
            let observation = tokio::select! {
                observation = asked => observation,
                () = stop.cancelled() => return,
            };
            metrics.observation(if is_whole(&observation, &inquiry) { "whole" } else { "partial" });
            keep(&*journal, observation, &stop).await;
            drop(held);
        });
    }

    /// Waits until everything that was asked once is answered and durable.
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

async fn once(
    lookups: &Lookups,
    networks: &Networks,
    turn: &Semaphore,
    timeout: Duration,
    inquiry: &Inquiry,
) -> Observation {
    // Neither semaphore is ever closed.
    let _turn = turn.acquire().await;
    let answers = lookups.answers(inquiry, timeout).await;
    let injector = inquiry.injector.and_then(|injector| networks.number(injector.address()));
    Observation {
        network: networks.number(inquiry.relay.address()),
        injector_network: injector,
        ..relation::observation(inquiry, &answers)
    }
}

/// How much of something each has a share of.
struct Shares<K: Eq + Hash> {
    most: u32,
    taken: DashMap<K, u32>,
}

/// One share; given back when it goes.
struct Share<K: Eq + Hash + Clone>(Arc<Shares<K>>, K);

impl<K: Eq + Hash + Clone> Shares<K> {
    fn new(most: u32) -> Self {
        Shares { most, taken: DashMap::new() }
    }

    fn take(self: Arc<Self>, key: K) -> Option<Share<K>> {
        let mut taken = self.taken.entry(key.clone()).or_insert(0);
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        drop(taken);
        Some(Share(self, key))
    }
}

impl<K: Eq + Hash + Clone> Drop for Share<K> {
    fn drop(&mut self) {
        if let Some(mut taken) = self.0.taken.get_mut(&self.1) {
            *taken = taken.saturating_sub(1);
        }
        self.0.taken.remove_if(&self.1, |_, taken| *taken == 0);
    }
}

/// Whether everything was answered that there is to ask.
fn is_whole(observation: &Observation, inquiry: &Inquiry) -> bool {
    let signs = [observation.mx_of_recipient, observation.spf_of_recipient, observation.same_organisation];
    let confirmed = observation.mx_of_recipient == Some(true);
    inquiry.domain.is_none() || confirmed || !signs.contains(&None)
}
