//! Verifying: the fold's questions are put to relays' sides, and the answers become journal entries.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::questions::{QuestionBook, QuestionKey};
use crate::blocklist::VerificationQuestion;
use crate::digest::Digest;
use crate::evidence::{AskedHost, Entry, Offset, Verification, VerificationAnswer};
use crate::journal::Journal;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::relay::{Prefix, Relay};
use crate::score::short_domain;
use crate::time::{Clock, Span};
use crate::verify::{AskedDomain, Finding, HostFinding, SideFinding, Unanswered, Verifier, VerifyRequest};

/// How often the questions are looked at, and whether the budgets allow further sessions.
const LOOK: Duration = Duration::from_millis(500);
/// How often they are looked at in a laboratory, where a table answers at once.
const LABORATORY_LOOK: Duration = Duration::from_millis(20);
/// The longest random delay of a question. A reporter who owns a relay's side must not learn from
/// the time of the question which report completed a case.
const DELAY_MAX: Span = Span::from_hours(1);
/// Pause before an answer is appended again after a passing error of the journal.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// What verifying works with.
pub struct VerifyingParts {
    /// The results of the fold, with its questions.
    pub published: Arc<Published>,
    /// Takes the answers.
    pub journal: Arc<dyn Journal>,
    /// Makes the made-up names.
    pub keys: Arc<Keys>,
    /// Counts the findings.
    pub metrics: Arc<Metrics>,
    /// Tells when an answer is entered.
    pub clock: Arc<dyn Clock>,
    /// Asks the hosts.
    pub verifier: Arc<Verifier>,
    /// How often the questions and the budgets are looked at.
    pub look: Duration,
    /// Makes the delays, which nobody can guess.
    pub nonce: [u8; 16],
}

/// The questions that are put at this moment, each by a task of its own.
#[derive(Default)]
struct OpenQuestions {
    tasks: JoinSet<bool>,
    keys: HashMap<Id, QuestionKey>,
}

impl OpenQuestions {
    /// Puts a question.
    fn put(&mut self, parts: Arc<VerifyingParts>, key: QuestionKey, question: VerificationQuestion) {
        let task = self.tasks.spawn(async move { parts.put(key.0, question).await });
        self.keys.insert(task.id(), key);
    }

    /// The next question that ended, and whether it could be put. `None` if none is open.
    async fn ended(&mut self) -> Option<(QuestionKey, bool)> {
        let (id, was_put) = match self.tasks.join_next_with_id().await? {
            Ok(ended) => ended,
            // A panic is a fault of the program. The question is put again on another day.
            Err(error) => {
                tracing::error!(%error, "a verification failed");
                (error.id(), false)
            }
        };
        self.keys.remove(&id).map(|key| (key, was_put))
    }
}

/// How often the questions to this verifier are looked at.
pub(super) fn look_of(verifier: &Verifier) -> Duration {
    if verifier.opens_connections() { LOOK } else { LABORATORY_LOOK }
}

/// Puts the questions of the fold, until it is stopped.
pub async fn verify(parts: VerifyingParts, stop: CancellationToken) {
    let parts = Arc::new(parts);
    // In a laboratory without connections, nobody learns anything from a time.
    let delay_max = if parts.verifier.opens_connections() { DELAY_MAX } else { Span::ZERO };
    let mut book = QuestionBook::new(parts.nonce, delay_max);
    let mut open = OpenQuestions::default();
    let budgets = tokio::spawn({
        let (parts, stop) = (Arc::clone(&parts), stop.clone());
        async move { parts.verifier.run(parts.look, stop).await }
    });
    loop {
        let ended = tokio::select! {
            () = tokio::time::sleep(parts.look) => None,
            Some(ended) = open.ended() => Some(ended),
            () = stop.cancelled() => break,
        };
        let now = parts.published.snapshot().time;
        for (relay, questions) in parts.published.changed_questions() {
            book.learn(relay, questions, now);
        }
        // The fold has taken the answer by now, so the question has its new time.
        if let Some((key, was_put)) = ended {
            book.close(key, was_put, now);
        }
        while let Some((key, question)) = book.next(now) {
            open.put(Arc::clone(&parts), key, question);
        }
    }
    // Sessions that are open are closed, and asked again after the next start.
    open.tasks.shutdown().await;
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
        let sessions = found.hosts.iter().filter_map(session).collect();
        let verification = Verification::new(relay, domain, question.side, said, self.clock.now());
        let verification = verification.by_sessions(sessions);
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
        // Without a host, the relay itself must not be asked.
        Finding::NoAnswer(Unanswered::OptedOut) if found.hosts.is_empty() => VerificationAnswer::OptedOut,
        finding => answer_of(finding),
    }
}

const fn answer_of(finding: Finding) -> VerificationAnswer {
    match finding {
        Finding::RefusesUnknown => VerificationAnswer::RefusesUnknown,
        Finding::Refuses => VerificationAnswer::RefusesAll,
        Finding::TakesAll => VerificationAnswer::TakesAll,
        Finding::NoAnswer(_) => VerificationAnswer::NoAnswer,
    }
}

/// The session with a host, as the entry names it. `None` if there was none.
fn session(found: &HostFinding) -> Option<AskedHost> {
    Some(AskedHost {
        host: found.host,
        ended: found.ended?,
        answer: answer_of(found.finding),
        is_unreachable: found.finding == Finding::NoAnswer(Unanswered::Unreachable),
    })
}

/// What a session of an earlier process found, with the domain that it was about.
pub fn past_session((domain, session): (String, AskedHost)) -> (String, HostFinding) {
    let finding = match session.answer {
        VerificationAnswer::RefusesUnknown => Finding::RefusesUnknown,
        VerificationAnswer::RefusesAll => Finding::Refuses,
        VerificationAnswer::TakesAll => Finding::TakesAll,
        VerificationAnswer::NoAnswer | VerificationAnswer::OptedOut if session.is_unreachable => {
            Finding::NoAnswer(Unanswered::Unreachable)
        }
        VerificationAnswer::NoAnswer | VerificationAnswer::OptedOut => Finding::NoAnswer(Unanswered::Earlier),
    };
    let ended = Some(session.ended);
    (domain, HostFinding { ended, ..HostFinding::not_asked(session.host, finding) })
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
    use crate::time::Timestamp;

    #[test]
    fn a_session_of_an_earlier_process_says_what_it_said_then() {
        let ended = Some(Timestamp::from_milliseconds(1_000));
        let no = Finding::NoAnswer;
        for (finding, after) in [
            (Finding::TakesAll, Finding::TakesAll),
            (Finding::RefusesUnknown, Finding::RefusesUnknown),
            (Finding::Refuses, Finding::Refuses),
            (no(Unanswered::Unreachable), no(Unanswered::Unreachable)),
            (no(Unanswered::Deferred), no(Unanswered::Earlier)),
        ] {
            let asked = HostFinding { ended, ..HostFinding::not_asked([192, 0, 2, 1].into(), finding) };
            let (domain, known) = past_session(("a.example".to_owned(), session(&asked).unwrap()));
            assert_eq!((&*domain, &known), ("a.example", &HostFinding { finding: after, ..asked }));
        }
        assert_eq!(session(&HostFinding::not_asked([192, 0, 2, 1].into(), Finding::TakesAll)), None);
    }
}
