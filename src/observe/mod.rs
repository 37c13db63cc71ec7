//! Observation: what the DNS says about a relay after it brought evidence, above all whether the
//! relay serves the domain of the mail that it reports on.
//!
//! Observation never delays the SMTP reply, and it may fail: evidence without an observation counts
//! as one whose relation to the relay is unknown. Only relays that brought evidence are looked up,
//! and only the DNS is asked (RFC 6471 §3.6).

mod enrolment;
mod inquiry;
mod lookups;
mod networks;
mod relation;
mod settings;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use enrolment::{DomainRecords, EnrolmentFault, faults};
pub use inquiry::Inquiry;
pub use lookups::{LaboratoryAnswer, LaboratoryHost, Lookups};
pub use networks::{Networks, NetworksError};
pub use relation::{DnsAnswers, observation, organisation};
pub use settings::{ObserverLimits, ObserverSettings};

use crate::evidence::{Entry, Observation};
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::relay::Prefix;

/// Pauses before an incompletely answered inquiry is repeated, each counted from the previous
/// attempt. Servers that are down for a moment are up again by then.
const TRY_AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(240)];
/// Maximum timeout of the first attempt. Slow servers get more time in the repetition, which has a
/// shorter queue of its own. Reports about domains with unresponsive servers must not delay the
/// inquiries about other relays.
const FIRST_TIMEOUT: Duration = Duration::from_secs(4);
/// Repetitions may take this fraction (one fourth) of the inquiries that run at once.
const AGAIN_SHARE: usize = 4;
/// Maximum number of inquiries that wait for a repetition.
const WAITING_MAX: usize = 1_000;
/// Maximum number of inquiries about relays of one site that run or wait.
const PER_SITE_MAX: u32 = 32;
/// Maximum number of inquiries about domains of one organisation that run or wait.
const PER_ORGANISATION_MAX: u32 = 32;

/// Appends an observation, and tries again while the journal has a passing error. The fold's time
/// stands still meanwhile.
async fn keep(journal: &dyn Journal, observation: Observation, stop: &CancellationToken) {
    let entry = Entry::Observation(observation);
    loop {
        match journal.append(entry.clone().into()).await {
            Ok(_) => return,
            Err(error) if error.is_passing() => {}
            Err(error) => {
                tracing::warn!(%error, "cannot store a DNS observation; its evidence counts without the observation");
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(JOURNAL_PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Pause before the append of an observation is tried again.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Makes inquiries and appends their results to the journal as observations.
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
    /// An observer without inquiries.
    pub fn new(
        lookups: Lookups,
        networks: Networks,
        journal: Arc<dyn Journal>,
        metrics: Arc<Metrics>,
        limits: ObserverLimits,
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

    /// Starts an inquiry, unless one of the limits is reached.
    pub fn inquire(&self, inquiry: Inquiry) {
        let held = (
            Arc::clone(&self.queue).try_acquire_owned().ok(),
            Arc::clone(&self.sites).take(inquiry.relay.site()),
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
                // A repetition must not block other inquiries: it waits in a queue of its own, or
                // is not made.
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

    /// Waits until all first attempts have ended and their observations are durable. Inquiries that
    /// wait for a repetition are not waited for.
    pub async fn settled(&self) {
        let all = u32::try_from(self.queue_max).unwrap_or(u32::MAX);
        // The queue is never closed.
        let _ = self.queue.acquire_many(all).await;
    }

    /// Stops all inquiries. Evidence without an observation counts as unknown.
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

/// Limits how many inquiries each key has at once.
struct Shares<K: Eq + Hash> {
    most: u32,
    taken: DashMap<K, u32>,
}

/// One key's place for an inquiry; returned when dropped.
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

/// Whether every question that the inquiry raises was answered.
fn is_whole(observation: &Observation, inquiry: &Inquiry) -> bool {
    let signs = [observation.mx_of_recipient, observation.spf_of_recipient, observation.same_organisation];
    let confirmed = observation.mx_of_recipient == Some(true);
    inquiry.domain.is_none() || confirmed || !signs.contains(&None)
}
