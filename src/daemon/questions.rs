//! The questions that are to be put to relays' sides: when each of them is due, and which one may be put
//! next. It has no side effects.
//!
//! A question that is due waits until it may be put; then it is open until it is closed. The networks of
//! relays take turns, and the fold keeps the questions, so nothing is dropped.

use std::collections::{BTreeMap, BTreeSet};

use crate::blocklist::VerificationQuestion;
use crate::digest::Digester;
use crate::evidence::ASK_AGAIN_AFTER;
use crate::relay::Prefix;
use crate::time::{Span, Timestamp};
use crate::verify::{KeyCounts, NetworkPlace, NetworkRotation};

/// The maximum number of open questions.
const OPEN_MAX: usize = 10_000;
/// How many of them may be about relays of one network (an IPv4 /24, an IPv6 /48).
const OPEN_PER_NETWORK_MAX: u32 = 16;
/// How many of them may be about relays of one provider (an IPv6 /32).
const OPEN_PER_PROVIDER_MAX: u32 = 640;

/// A relay, and the short digest of the domain that its side is asked about.
pub(super) type QuestionKey = (Prefix, u64);

/// The questions, by relay and domain.
#[derive(Debug)]
pub(super) struct QuestionBook {
    /// Makes the delays, which nobody can guess.
    nonce: [u8; 16],
    /// The longest delay of a question.
    delay_max: Span,
    standing: BTreeMap<QuestionKey, StandingQuestion>,
    /// When questions become due, the earliest first.
    later: BTreeSet<(Timestamp, QuestionKey)>,
    /// Questions that are due.
    ready: NetworkRotation<QuestionKey>,
    open: BTreeSet<QuestionKey>,
    open_networks: KeyCounts<Prefix>,
    open_providers: KeyCounts<Prefix>,
}

/// A question that the fold has.
#[derive(Debug)]
struct StandingQuestion {
    question: VerificationQuestion,
    /// From when on it may be put: when it was first seen, or a day after it could not be put.
    noticed: Timestamp,
    /// When it becomes due; `None` if it is due or open.
    due: Option<Timestamp>,
}

impl QuestionBook {
    /// A book without questions.
    pub(super) fn new(nonce: [u8; 16], delay_max: Span) -> Self {
        QuestionBook {
            nonce,
            delay_max,
            standing: BTreeMap::new(),
            later: BTreeSet::new(),
            ready: NetworkRotation::default(),
            open: BTreeSet::new(),
            open_networks: KeyCounts::default(),
            open_providers: KeyCounts::default(),
        }
    }

    /// Replaces the questions about a relay.
    pub(super) fn learn(&mut self, relay: Prefix, questions: Vec<VerificationQuestion>, now: Timestamp) {
        let asked: BTreeSet<u64> = questions.iter().map(|question| question.domain).collect();
        let known = self.standing.range((relay, 0)..=(relay, u64::MAX)).map(|(key, _)| *key);
        let gone: Vec<QuestionKey> = known.filter(|(_, domain)| !asked.contains(domain)).collect();
        for key in gone {
            self.take_back(key);
            self.standing.remove(&key);
        }
        for question in questions {
            let key = (relay, question.domain);
            let noticed = self.standing.get(&key).map_or(now, |known| known.noticed);
            // A question that is due keeps its turn.
            if self.standing.get(&key).is_none_or(|known| known.due.is_some()) {
                self.take_back(key);
                self.standing.insert(key, StandingQuestion { question, noticed, due: None });
                self.schedule(key);
            } else if let Some(known) = self.standing.get_mut(&key) {
                known.question = question;
            }
        }
    }

    /// Opens the next question that is due and may be put.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<(QuestionKey, VerificationQuestion)> {
        while let Some(&(due, key)) = self.later.first()
            && due <= now
        {
            self.later.pop_first();
            if let Some(known) = self.standing.get_mut(&key) {
                known.due = None;
                self.ready.push(place(key), key);
            }
        }
        if self.open.len() >= OPEN_MAX {
            return None;
        }
        let (networks, providers) = (&self.open_networks, &self.open_providers);
        let (key, ()) = self.ready.take(
            |provider| providers.of(&provider) < OPEN_PER_PROVIDER_MAX,
            |place, _| (networks.of(&place.network) < OPEN_PER_NETWORK_MAX).then_some((0, ())),
        )?;
        let question = self.standing.get(&key)?.question.clone();
        self.open.insert(key);
        self.open_networks.add(place(key).network);
        self.open_providers.add(place(key).provider);
        Some((key, question))
    }

    /// Closes a question. One that could not be put rests for a day.
    pub(super) fn close(&mut self, key: QuestionKey, was_put: bool, now: Timestamp) {
        if self.open.remove(&key) {
            self.open_networks.remove(&place(key).network);
            self.open_providers.remove(&place(key).provider);
        }
        if let Some(known) = self.standing.get_mut(&key) {
            if !was_put {
                known.noticed = now.plus(ASK_AGAIN_AFTER);
            }
            self.schedule(key);
        }
    }

    /// Sets the time at which a question becomes due. An open question is scheduled when it is closed.
    fn schedule(&mut self, key: QuestionKey) {
        let Some(known) = self.standing.get(&key).filter(|_| !self.open.contains(&key)) else { return };
        let from = match known.question.asked {
            Some(asked) => asked.plus(ASK_AGAIN_AFTER).max(known.noticed),
            None => known.noticed,
        };
        let due = from.plus(self.delay(key, from));
        self.later.insert((due, key));
        if let Some(known) = self.standing.get_mut(&key) {
            known.due = Some(due);
        }
    }

    /// Takes a question out of those that become due or are due.
    fn take_back(&mut self, key: QuestionKey) {
        let Some(known) = self.standing.get_mut(&key) else { return };
        match known.due.take() {
            Some(due) => drop(self.later.remove(&(due, key))),
            None => drop(self.ready.remove(place(key), |waiting| *waiting == key)),
        }
    }

    /// The delay of a question that could be put from a time on.
    fn delay(&self, key: QuestionKey, from: Timestamp) -> Span {
        let mut digester = Digester::default();
        digester.add(&self.nonce).add(key.0.to_string().as_bytes()).add(&key.1.to_be_bytes());
        let random = digester.add(&from.milliseconds().to_be_bytes()).digest().short() >> 1;
        Span::from_seconds(i64::try_from(random).unwrap_or_default() % (self.delay_max.seconds() + 1))
    }
}

fn place(key: QuestionKey) -> NetworkPlace {
    NetworkPlace::of(key.0.network())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::AskedSide;

    const HOUR: Span = Span::from_hours(1);

    fn book(delay_max: Span) -> QuestionBook {
        QuestionBook::new([7; 16], delay_max)
    }

    fn start() -> Timestamp {
        Timestamp::from_milliseconds(1_000_000_000)
    }

    fn question(domain: u64, asked: Option<Timestamp>) -> VerificationQuestion {
        VerificationQuestion { domain, side: AskedSide::Relay, evidence: Vec::new(), name: None, asked }
    }

    fn relay(text: &str) -> Prefix {
        Prefix::host(text.parse().unwrap())
    }

    /// The keys of all questions that may be put at a time.
    fn opened(book: &mut QuestionBook, now: Timestamp) -> Vec<QuestionKey> {
        std::iter::from_fn(|| book.next(now)).map(|(key, _)| key).collect()
    }

    #[test]
    fn a_question_is_put_after_a_delay_that_nobody_can_foresee() {
        let mut delays = BTreeSet::new();
        for nth in 1..=50 {
            let (mut book, relay) = (book(HOUR), relay(&format!("192.0.2.{nth}")));
            book.learn(relay, vec![question(1, None)], start());
            let delay = book.delay((relay, 1), start());
            if delay > Span::ZERO {
                let before = start().plus(delay).minus(Span::from_seconds(1));
                assert!(opened(&mut book, before).is_empty(), "one second before {delay}");
            }
            assert_eq!(opened(&mut book, start().plus(delay)), [(relay, 1)]);
            delays.insert(delay.seconds());
        }
        assert!(delays.len() > 40, "{delays:?}");
        assert!(delays.last() <= Some(&HOUR.seconds()), "{delays:?}");
        assert!(delays.last() > Some(&(HOUR.seconds() / 2)), "{delays:?}");
        let (other, relay) = (QuestionBook::new([8; 16], HOUR), relay("192.0.2.1"));
        assert_ne!(other.delay((relay, 1), start()), book(HOUR).delay((relay, 1), start()), "another nonce");
    }

    #[test]
    fn a_relays_side_is_left_alone_for_a_day() {
        let (mut book, relay) = (book(Span::ZERO), relay("192.0.2.1"));
        book.learn(relay, vec![question(1, None)], start());
        assert_eq!(opened(&mut book, start()), [(relay, 1)]);
        assert!(opened(&mut book, start().plus(HOUR)).is_empty(), "it is open");
        // The answer has come, and the fold asks again.
        book.learn(relay, vec![question(1, Some(start().plus(HOUR)))], start().plus(HOUR));
        book.close((relay, 1), true, start().plus(HOUR));
        assert!(opened(&mut book, start().plus(Span::from_hours(24))).is_empty());
        assert_eq!(opened(&mut book, start().plus(Span::from_hours(25))), [(relay, 1)]);
    }

    #[test]
    fn a_question_that_cannot_be_put_rests_for_a_day() {
        let (mut book, relay) = (book(Span::ZERO), relay("192.0.2.1"));
        book.learn(relay, vec![question(1, None)], start());
        assert_eq!(opened(&mut book, start()), [(relay, 1)]);
        book.close((relay, 1), false, start());
        assert!(opened(&mut book, start().plus(Span::from_hours(23))).is_empty());
        assert_eq!(opened(&mut book, start().plus(Span::from_hours(24))), [(relay, 1)]);
    }

    #[test]
    fn a_question_that_no_longer_stands_is_not_put_and_leaves_nothing() {
        let (mut book, relay) = (book(HOUR), relay("192.0.2.1"));
        book.learn(relay, vec![question(1, None), question(2, None), question(3, None)], start());
        let late = start().plus(HOUR);
        let (open, _) = book.next(late).unwrap();
        book.learn(relay, Vec::new(), late);
        assert!(opened(&mut book, late).is_empty());
        assert!(book.standing.is_empty() && book.later.is_empty() && book.ready.is_empty());
        // It is asked for again while its session is still open.
        book.learn(relay, vec![question(open.1, None)], late);
        assert!(opened(&mut book, late.plus(HOUR)).is_empty());
        book.close(open, true, late.plus(HOUR));
        assert_eq!(opened(&mut book, late.plus(HOUR)), [open]);
        book.close(open, true, late.plus(HOUR));
        book.learn(relay, Vec::new(), late.plus(HOUR));
        assert!(book.open.is_empty() && book.open_networks.keys() == 0 && book.open_providers.keys() == 0);
    }

    #[test]
    fn neither_a_network_nor_a_provider_keeps_the_others_away() {
        let mut book = book(Span::ZERO);
        let crowded = relay("192.0.2.1");
        book.learn(crowded, (1..=100).map(|domain| question(domain, None)).collect(), start());
        for network in 0..2_000 {
            let relay = relay(&format!("2001:db8:{network:x}::25"));
            book.learn(relay, vec![question(1, None), question(2, None)], start());
        }
        let others = ["198.51.100.1", "2001:db9::25"].map(relay);
        for relay in others {
            book.learn(relay, vec![question(1, None)], start());
        }
        let open = opened(&mut book, start());
        let of = |network: &str| {
            let network: Prefix = network.parse().unwrap();
            open.iter().filter(|(relay, _)| network.contains(relay.network())).count()
        };
        assert_eq!(of("192.0.2.0/24"), OPEN_PER_NETWORK_MAX as usize);
        assert_eq!(of("2001:db8::/32"), OPEN_PER_PROVIDER_MAX as usize);
        for relay in others {
            let nth = open.iter().position(|(opened, _)| *opened == relay).unwrap();
            assert!(nth < 4, "{relay:?} has its turn in the first round: {nth}");
        }
        // What had no room comes later.
        for key in &open {
            book.learn(key.0, Vec::new(), start());
            book.close(*key, true, start());
        }
        assert_eq!(opened(&mut book, start()).len(), 640, "the other networks of the provider");
    }

    #[test]
    fn the_number_of_open_questions_is_limited_and_the_oldest_of_a_network_comes_first() {
        let mut book = book(Span::ZERO);
        for nth in 0..12_000_u32 {
            let address = std::net::Ipv4Addr::from(0x0900_0000 + nth * 256);
            let later = start().plus(Span::from_seconds(nth.into()));
            book.learn(
                Prefix::host(crate::relay::Relay::new(address.into())),
                vec![question(1, None)],
                later,
            );
        }
        let open = opened(&mut book, start().plus(Span::from_days(1)));
        assert_eq!(open.len(), OPEN_MAX);
        assert!(open.is_sorted(), "in the order in which they became due");
    }
}
