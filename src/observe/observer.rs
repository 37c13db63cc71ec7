//! The observer at work: it makes the inquiries of the schedule and appends their results.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inquiry::Inquiry;
use super::lookups::Lookups;
use super::networks::Networks;
use super::place::Place;
use super::relation;
use super::schedule::{Admission, InquirySchedule};
use super::settings::ObserverLimits;
use super::{TRIES_BEFORE_COUNTING, TRY_AGAIN_AFTER};
use crate::evidence::{Entry, Evidence, Observation};
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::score::Relation;
use crate::time::{Clock, Span};

/// Maximum timeout of the first attempt. Slow servers get more time in the repetition. Reports about
/// domains with unresponsive servers must not delay the inquiries about other relays.
const FIRST_TIMEOUT: Duration = Duration::from_secs(4);
/// The age from which an observation contains its evidence, because the evidence may have been
/// counted already. It is shorter than the shipped `policy.observation_wait`.
const COUNTED_AGE: Span = Span::from_seconds(600);
/// The time of one generation of silences: a silence is remembered for at least this time and at
/// most twice as long.
const SILENCE_GENERATION: Duration = Duration::from_secs(300);
/// Pause before the append of an observation is tried again.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Makes inquiries and appends their results to the journal as observations.
pub struct Observer(Arc<ObserverParts>);

struct ObserverParts {
    lookups: Arc<Lookups>,
    networks: Networks,
    journal: Arc<dyn Journal>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    schedule: Mutex<InquirySchedule<ScheduledInquiry>>,
    /// The number of inquiries about evidence that was never asked about.
    firsts: watch::Sender<usize>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// An inquiry, the evidence that it is about, and the number of its try.
struct ScheduledInquiry {
    inquiry: Inquiry,
    evidence: Box<Evidence>,
    attempt: u16,
}

impl Observer {
    /// An observer without inquiries.
    pub fn new(
        lookups: impl Into<Arc<Lookups>>,
        networks: Networks,
        journal: Arc<dyn Journal>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        limits: ObserverLimits,
    ) -> Self {
        Observer(Arc::new(ObserverParts {
            lookups: lookups.into(),
            networks,
            journal,
            metrics,
            clock,
            timeout: limits.timeout,
            schedule: Mutex::new(InquirySchedule::new(limits.queue_max, limits.inquiries_max)),
            firsts: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Asks about new evidence. If there is no place, [`Recall`](super::Recall) finds the evidence
    /// later. The domain of the trap is known in clear text only when the evidence arrives.
    pub fn inquire(&self, evidence: Box<Evidence>, trap_domain: Option<&str>) {
        let inquiry = Inquiry::about(&evidence, trap_domain);
        let place = Place::of(&inquiry, true);
        self.admit(place, ScheduledInquiry { inquiry, evidence, attempt: 0 });
    }

    /// Asks once about evidence that was counted while an answer was missing; `false` if there is no
    /// place for the inquiry.
    pub fn ask_again(&self, evidence: Box<Evidence>, attempt: u16) -> bool {
        let inquiry = Inquiry::about(&evidence, None);
        let place = Place::of(&inquiry, false);
        self.admit(place, ScheduledInquiry { inquiry, evidence, attempt }) != Admission::Full
    }

    fn admit(&self, place: Place, scheduled: ScheduledInquiry) -> Admission {
        let admission = self.0.schedule().admit(place, scheduled);
        if matches!(admission, Admission::Full | Admission::Displaced) {
            self.0.metrics.observation("deferred");
        }
        self.0.run_next();
        admission
    }

    /// Whether there is anything that could answer an inquiry.
    pub fn is_enabled(&self) -> bool {
        !matches!(*self.0.lookups, Lookups::Nothing)
    }

    /// The number of further inquiries that have a place in the schedule.
    pub fn room(&self) -> usize {
        self.0.schedule().room()
    }

    /// Waits until all first attempts have ended and their observations are durable. Inquiries that
    /// wait for a repetition are not waited for.
    pub async fn settled(&self) {
        // The sender lives as long as the observer.
        let _ = self.0.firsts.subscribe().wait_for(|firsts| *firsts == 0).await;
    }

    /// Stops all inquiries. Evidence without an observation counts as unknown.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl ObserverParts {
    fn schedule(&self) -> MutexGuard<'_, InquirySchedule<ScheduledInquiry>> {
        // No code between lock and unlock leaves the schedule in a state that is half changed.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every inquiry that may run now.
    fn run_next(self: &Arc<Self>) {
        while !self.stop.is_cancelled() {
            // A runtime that ends drops a new task at once, and with it the place: the lock must be
            // free by then.
            let next = self.schedule().next();
            let Some((place, scheduled)) = next else { break };
            let held = HeldPlace { parts: Arc::clone(self), place: Some(place), has_slot: true };
            self.spawn(Arc::clone(self).run(held, scheduled));
        }
        let counts = self.schedule().counts();
        self.firsts.send_replace(counts.firsts);
        for (state, number) in [
            ("waiting", counts.waiting),
            ("behind", counts.behind),
            ("running", counts.running),
            ("resting", counts.resting),
        ] {
            self.metrics.inquiries(state, number);
        }
    }

    /// Makes an inquiry, and repeats it or stores its result.
    async fn run(self: Arc<Self>, mut held: HeldPlace, mut scheduled: ScheduledInquiry) {
        let observation = self.observe(&scheduled).await;
        let is_whole = is_whole(&observation, &scheduled);
        self.metrics.observation(if is_whole { "whole" } else { "partial" });
        held.end_slot(is_whole);
        let pause = TRY_AGAIN_AFTER.get(usize::from(scheduled.attempt)).filter(|_| !is_whole);
        let rest = pause.and_then(|pause| Some((pause, held.rest()?)));
        self.run_next();
        if let Some((pause, rest)) = rest {
            tokio::time::sleep(*pause).await;
            scheduled.attempt += 1;
            self.schedule().repeat(rest, scheduled);
            return self.run_next();
        }
        // A later try that tells nothing new leaves no entry.
        if is_whole || scheduled.attempt < TRIES_BEFORE_COUNTING {
            self.keep(observation, *scheduled.evidence).await;
        }
        drop(held);
        self.run_next();
    }

    async fn observe(&self, ScheduledInquiry { inquiry, attempt, .. }: &ScheduledInquiry) -> Observation {
        let timeout = if *attempt == 0 { self.timeout.min(FIRST_TIMEOUT) } else { self.timeout };
        let answers = self.lookups.answers(inquiry, timeout).await;
        let network = |relay: crate::relay::Relay| self.networks.number(relay.address());
        Observation {
            network: network(inquiry.relay),
            injector_network: inquiry.injector.and_then(network),
            attempt: *attempt,
            ..relation::observation(inquiry, &answers)
        }
    }

    /// Lets silences age as long as any is remembered.
    async fn age_silences(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SILENCE_GENERATION).await;
            if !self.schedule().age_silence() {
                return;
            }
        }
    }

    /// Runs a task until it ends or the observer is stopped.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Appends an observation, and tries again while the journal has a passing error. The fold's time
    /// stands still meanwhile.
    async fn keep(&self, observation: Observation, evidence: Evidence) {
        let may_be_counted = observation.attempt >= TRIES_BEFORE_COUNTING
            || self.clock.now().since(evidence.seen_at) >= COUNTED_AGE;
        let counted = may_be_counted.then(|| Box::new(evidence));
        let entry = Entry::Observation(Observation { counted, ..observation });
        loop {
            match self.journal.append(entry.clone().into()).await {
                Ok(_) => return,
                Err(error) if error.is_passing() => tokio::time::sleep(JOURNAL_PAUSE).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot store a DNS observation; its evidence counts without the observation");
                    return;
                }
            }
        }
    }
}

/// The place and the slot of an inquiry that runs. Both are given back when it is dropped, also after
/// a panic.
struct HeldPlace {
    parts: Arc<ObserverParts>,
    /// `None` while the inquiry rests: the schedule keeps the place then.
    place: Option<Place>,
    has_slot: bool,
}

impl HeldPlace {
    fn end_slot(&mut self, is_answered: bool) {
        let mut schedule = self.parts.schedule();
        if let Some(place) = self.place.as_ref().filter(|_| self.has_slot) {
            schedule.ended(place, is_answered);
        }
        self.has_slot = false;
        let begins_ageing = schedule.begins_ageing();
        drop(schedule);
        if begins_ageing {
            self.parts.spawn(Arc::clone(&self.parts).age_silences());
        }
    }

    /// Lets the inquiry rest, and returns the number of the rest; `None` if too many rest.
    fn rest(&mut self) -> Option<u64> {
        let rest = self.parts.schedule().rest(self.place.as_ref()?)?;
        self.place = None;
        Some(rest)
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        if self.has_slot {
            self.end_slot(false);
        }
        if let Some(place) = self.place.take() {
            self.parts.schedule().leave(&place);
        }
    }
}

/// Whether asking again could not tell more about the relation.
fn is_whole(observation: &Observation, scheduled: &ScheduledInquiry) -> bool {
    scheduled.inquiry.domain.is_none()
        || observation.is_whole()
        || Relation::of(&scheduled.evidence, Some(observation), None) != Relation::Unknown
}
