//! Verifying: the fold's questions are put to relays' sides, and the answers become journal entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::blocklist::VerificationQuestion;
use crate::digest::{Digest, Digester};
use crate::evidence::{Entry, Offset, Verification, VerificationAnswer};
use crate::journal::Journal;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::relay::{Prefix, Relay};
use crate::score::short_domain;
use crate::time::{Clock, Span, Timestamp};
use crate::verify::{AskedDomain, Finding, SideFinding, Unanswered, Verifier, VerifyRequest};

/// How often the questions are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often they are looked at in a laboratory, where a table answers at once.
const LABORATORY_LOOK: Duration = Duration::from_millis(20);
/// How long a relay's side is left alone about a domain after it was asked.
const ASKED_EVERY: Span = Span::from_days(1);
/// The longest random delay of a question. A reporter who owns a relay's side must not learn from
/// the time of the question which report completed a case.
const DELAY_MAX: Span = Span::from_hours(1);
/// The largest number of questions that wait for their session, and how many of them may be about
/// relays of one network (an IPv4 /24, an IPv6 /48). The fold keeps the others.
const OPEN_MAX: usize = 10_000;
const OPEN_PER_NETWORK_MAX: usize = 16;
/// Pause before an answer is appended again after a passing error of the journal.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// A relay, and the short digest of the domain that its side is asked about.
type QuestionKey = (Prefix, u64);

/// What verifying works with.
pub(super) struct VerifyingParts {
    pub(super) published: Arc<Published>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) keys: Arc<Keys>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) verifier: Arc<Verifier>,
    /// Makes the delays, which nobody can guess.
    pub(super) nonce: [u8; 16],
}

/// When each question is put.
struct QuestionTimes {
    nonce: [u8; 16],
    /// The longest delay; zero in a laboratory, where nothing is connected to.
    delay_max: Span,
    /// From when on each question may be put: when it was first seen, or a day after it could not be
    /// put.
    noticed: BTreeMap<QuestionKey, Timestamp>,
}

impl QuestionTimes {
    /// Whether a question is to be put now.
    fn is_due(&mut self, key: QuestionKey, question: &VerificationQuestion, now: Timestamp) -> bool {
        let noticed = *self.noticed.entry(key).or_insert(now);
        let from = match question.asked {
            Some(asked) => asked.plus(ASKED_EVERY).max(noticed),
            None => noticed,
        };
        now >= from && now >= from.plus(self.delay(key, from))
    }

    /// The delay of a question that could be put from a time on.
    fn delay(&self, key: QuestionKey, from: Timestamp) -> Span {
        let mut digester = Digester::default();
        digester.add(&self.nonce).add(key.0.to_string().as_bytes()).add(&key.1.to_be_bytes());
        let random = digester.add(&from.milliseconds().to_be_bytes()).digest().short() >> 1;
        Span::from_seconds(i64::try_from(random).unwrap_or_default() % (self.delay_max.seconds() + 1))
    }

    /// Forgets questions that no longer stand.
    fn keep(&mut self, standing: &BTreeSet<QuestionKey>) {
        self.noticed.retain(|key, _| standing.contains(key));
    }
}

/// Whether a question may wait for its session beside those that do.
fn has_room(open: &BTreeSet<QuestionKey>, key: QuestionKey) -> bool {
    let network = Prefix::shared(key.0.network());
    let near = open.range((Prefix::lowest(network.network()), 0)..);
    let near = near.take_while(|(relay, _)| network.contains(relay.network()));
    open.len() < OPEN_MAX && near.take(OPEN_PER_NETWORK_MAX).count() < OPEN_PER_NETWORK_MAX
}

/// Puts the questions of the fold, until it is stopped.
pub(super) async fn verify(parts: VerifyingParts, stop: CancellationToken) {
    let parts = Arc::new(parts);
    let (delay_max, look) =
        if parts.verifier.opens_connections() { (DELAY_MAX, LOOK) } else { (Span::ZERO, LABORATORY_LOOK) };
    let mut times = QuestionTimes { nonce: parts.nonce, delay_max, noticed: BTreeMap::new() };
    let (mut open, mut sessions) = (BTreeSet::new(), JoinSet::new());
    let budgets = tokio::spawn({
        let (parts, stop) = (Arc::clone(&parts), stop.clone());
        async move { parts.verifier.run(stop).await }
    });
    loop {
        let now = parts.published.snapshot().time;
        let mut standing = BTreeSet::new();
        parts.published.for_each_question(|prefix, question| {
            let key = (prefix, question.domain);
            standing.insert(key);
            if has_room(&open, key) && !open.contains(&key) && times.is_due(key, question, now) {
                open.insert(key);
                let (parts, question) = (Arc::clone(&parts), question.clone());
                sessions.spawn(async move { parts.put(prefix, question).await.then_some(key).ok_or(key) });
            }
        });
        times.keep(&standing);
        tokio::select! {
            () = tokio::time::sleep(look) => {}
            Some(ended) = sessions.join_next() => match ended {
                Ok(Ok(key)) => drop(open.remove(&key)),
                // A question that cannot be put rests for a day.
                Ok(Err(key)) => {
                    open.remove(&key);
                    times.noticed.insert(key, now.plus(ASKED_EVERY));
                }
                Err(error) => tracing::error!(%error, "a verification failed"),
            },
            () = stop.cancelled() => break,
        }
    }
    // Sessions that are open are closed, and asked again after the next start.
    sessions.shutdown().await;
    if let Err(error) = budgets.await {
        tracing::error!(%error, "the budgets of verification failed");
    }
}

impl VerifyingParts {
    /// Puts a question and appends the answer. Returns whether the fold has taken an answer: until then
    /// the question would seem to be open.
    async fn put(&self, prefix: Prefix, question: VerificationQuestion) -> bool {
        let relay = Relay::new(prefix.network());
        let Some((domain, asked)) = self.domain(&question) else {
            tracing::warn!(%relay, "a case cannot be verified: no domain of its failed recipients can be asked about");
            return false;
        };
        let seed = self.seed(relay, &domain);
        let request = VerifyRequest { relay, domain: asked, side: question.side, seed };
        let found = self.verifier.ask(&request).await;
        self.metrics.verification(found.finding.name());
        let said = (answer(&found), &*reply(&found));
        let verification = Verification::new(relay, domain, question.side, said, self.clock.now());
        self.append(Entry::Verification(Box::new(verification))).await
    }

    /// The domain that a question is about, as the evidence names it, or as the last answer does. `None`
    /// if nothing names it, or if the evidence names several domains.
    fn domain(&self, question: &VerificationQuestion) -> Option<(String, AskedDomain)> {
        let named = question.evidence.iter().filter_map(|&offset| self.domain_in(offset));
        let named: BTreeSet<String> = named.chain(question.name.clone()).collect();
        let mut named = named.into_iter();
        let only = named.next().filter(|domain| short_domain(domain) == question.domain)?;
        let asked = AskedDomain::parse(&only).ok()?;
        named.next().is_none().then_some((only, asked))
    }

    /// The domain of the failed recipient in an entry of evidence.
    fn domain_in(&self, offset: Offset) -> Option<String> {
        match self.journal.entry(offset) {
            Ok(recorded) => match recorded?.entry {
                Entry::Evidence(evidence) => {
                    Some(evidence.facts.failed_recipient()?.domain?.to_ascii_lowercase())
                }
                _ => None,
            },
            Err(error) => {
                tracing::warn!(%error, "cannot read evidence whose relay is to be verified");
                None
            }
        }
    }

    /// The seed of the made-up names: the same at every try, and known to nobody else.
    fn seed(&self, relay: Relay, domain: &str) -> Digest {
        let of = format!("made-up names {relay} {domain}");
        self.keys.hasher().seed(of.as_bytes())
    }

    async fn append(&self, entry: Entry) -> bool {
        loop {
            match self.journal.append(entry.clone().into()).await {
                Ok(offset) => return self.published.reached(offset).await,
                Err(error) if error.is_passing() => tokio::time::sleep(JOURNAL_PAUSE).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot store the answer of a relay's side");
                    return false;
                }
            }
        }
    }
}

/// What a finding means for the relay's cases.
fn answer(found: &SideFinding) -> VerificationAnswer {
    match found.finding {
        Finding::RefusesUnknown => VerificationAnswer::RefusesUnknown,
        Finding::Refuses => VerificationAnswer::RefusesAll,
        Finding::TakesAll => VerificationAnswer::TakesAll,
        // Without a host, the relay itself must not be asked.
        Finding::NoAnswer(Unanswered::OptedOut) if found.hosts.is_empty() => VerificationAnswer::OptedOut,
        Finding::NoAnswer(_) => VerificationAnswer::NoAnswer,
    }
}

/// The replies of the host that decided, or what is known instead.
fn reply(found: &SideFinding) -> String {
    let deciding = found.hosts.iter().find(|host| host.finding == found.finding);
    match deciding.filter(|host| !host.replies.is_empty()) {
        Some(host) => format!("{}: {}", host.host, host.replies.join("; ")),
        None => found.finding.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::AskedSide;

    fn times(delay_max: Span) -> QuestionTimes {
        QuestionTimes { nonce: [7; 16], delay_max, noticed: BTreeMap::new() }
    }

    fn question(asked: Option<Timestamp>) -> VerificationQuestion {
        VerificationQuestion { domain: 1, side: AskedSide::Relay, evidence: Vec::new(), name: None, asked }
    }

    fn key(relay: &str) -> QuestionKey {
        (Prefix::host(relay.parse().unwrap()), 1)
    }

    #[test]
    fn a_question_is_put_after_a_delay_that_nobody_can_foresee() {
        let now = Timestamp::from_milliseconds(1_000_000_000);
        let delays: BTreeSet<i64> = (1..=50)
            .map(|nth| times(DELAY_MAX).delay(key(&format!("192.0.2.{nth}")), now).seconds())
            .collect();
        assert!(delays.len() > 40 && delays.last().unwrap() <= &DELAY_MAX.seconds(), "{delays:?}");
        assert!(delays.last().unwrap() > &(DELAY_MAX.seconds() / 2), "{delays:?}");
        let mut times = times(DELAY_MAX);
        let delay = times.delay(key("192.0.2.1"), now);
        assert!(!times.is_due(key("192.0.2.1"), &question(None), now) || delay == Span::ZERO);
        assert!(times.is_due(key("192.0.2.1"), &question(None), now.plus(delay)));
    }

    #[test]
    fn a_question_that_cannot_be_put_rests_for_a_day() {
        let (asked, mut times) = (Timestamp::from_milliseconds(1_000_000_000), times(Span::ZERO));
        let now = asked.plus(Span::from_hours(30));
        times.noticed.insert(key("192.0.2.1"), now.plus(ASKED_EVERY));
        assert!(!times.is_due(key("192.0.2.1"), &question(Some(asked)), now.plus(Span::from_hours(23))));
        assert!(times.is_due(key("192.0.2.1"), &question(Some(asked)), now.plus(Span::from_hours(24))));
    }

    #[test]
    fn one_network_cannot_keep_the_others_away() {
        let crowd = (1..=u64::try_from(OPEN_PER_NETWORK_MAX).unwrap()).map(|nth| (key("192.0.2.1").0, nth));
        let open: BTreeSet<QuestionKey> = crowd.collect();
        assert!(!has_room(&open, key("192.0.2.200")));
        assert!(has_room(&open, key("198.51.100.1")));
    }

    #[test]
    fn a_relays_side_is_left_alone_for_a_day() {
        let asked = Timestamp::from_milliseconds(1_000_000_000);
        let mut times = times(Span::ZERO);
        let due = |times: &mut QuestionTimes, after: Span| {
            times.is_due(key("192.0.2.1"), &question(Some(asked)), asked.plus(after))
        };
        assert!(!due(&mut times, Span::from_hours(23)));
        assert!(due(&mut times, Span::from_hours(24)));
    }
}
