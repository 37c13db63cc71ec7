//! Guessed recipients: a network whose clients named many recipients that were refused gets its answers
//! later, to recipients of all sorts alike, so that a list of domains cannot be tried out.

use std::sync::atomic::{AtomicI64, Ordering};

use dashmap::DashMap;

use crate::relay::{Prefix, Relay};
use crate::time::{Span, Timestamp};

/// Maximum number of networks that are counted. While there are so many, refusals to further networks
/// are not counted.
const NETWORKS_MAX: usize = 65_536;
/// The time in which a network may use its number of refused recipients.
const BUDGET_TIME: Span = Span::from_hours(1);
/// How far a network can be beyond its number: after this time and `BUDGET_TIME` without a refusal, it
/// may use all of it again.
const DEBT_MAX: Span = Span::from_hours(1);
/// Time between two answers to a network that is beyond its number: at most 360 answers in an hour.
const ANSWER_SPACING: Span = Span::from_seconds(10);
/// Maximum wait for an answer. A client that would wait longer gets 421.
const ANSWER_WAIT_MAX: Span = Span::from_seconds(30);
/// An IPv6 /32 may use the number of this many networks.
const PROVIDER_TIMES: u32 = 5;
/// Minimum time between two removals of networks that may use all of their number again.
const SWEEP_EVERY: Span = Span::from_seconds(60);
/// Maximum number of clients that wait for an answer at one time. Beyond it, clients that would wait get
/// 421.
pub const GUESSERS_WAITING_MAX: usize = 256;

/// When the answer to a named recipient is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerTime {
    /// At once.
    Now,
    /// After this time.
    After(Span),
    /// Not at all: the session ends.
    Never,
}

/// The networks to which recipients were refused: IPv4 /24, IPv6 /48 and IPv6 /32.
pub struct GuessAccounts {
    /// Refused recipients in an hour of an IPv4 /24 or an IPv6 /48; 0 for no limit.
    per_hour: u32,
    networks: DashMap<Prefix, GuessAccount>,
    swept: AtomicI64,
}

/// The refusals to one network.
#[derive(Clone, Copy, Debug)]
struct GuessAccount {
    /// When the network may use all of its number again. Each refusal moves it by an equal part of
    /// `BUDGET_TIME`.
    free_at: Timestamp,
    /// When the last answer to the network was due, while it was beyond its number.
    answered_at: Timestamp,
}

impl GuessAccount {
    fn is_beyond(&self, now: Timestamp) -> bool {
        self.free_at >= now.plus(BUDGET_TIME)
    }

    fn count(&mut self, per_hour: u32, now: Timestamp) {
        let part = Span::from_milliseconds(BUDGET_TIME.milliseconds() / i64::from(per_hour.max(1)));
        let latest = now.plus(BUDGET_TIME).plus(DEBT_MAX);
        self.free_at = self.free_at.max(now).plus(part).min(latest);
    }

    /// The time of the next answer, which becomes the last one.
    fn answer(&mut self, now: Timestamp) -> AnswerTime {
        let at = self.answered_at.max(now).plus(ANSWER_SPACING);
        if at > now.plus(ANSWER_WAIT_MAX) {
            return AnswerTime::Never;
        }
        self.answered_at = at;
        AnswerTime::After(at.since(now))
    }
}

impl GuessAccounts {
    /// No refusals so far. `per_hour` is the number of refused recipients that an IPv4 /24 or an IPv6
    /// /48 may use in an hour; 0 for no limit.
    pub fn new(per_hour: u32) -> Self {
        GuessAccounts { per_hour, networks: DashMap::new(), swept: AtomicI64::new(0) }
    }

    /// When a client gets its answer to a recipient, and counts a refusal.
    pub(super) fn named(&self, client: Relay, taken: bool, now: Timestamp) -> AnswerTime {
        if self.per_hour == 0 {
            return AnswerTime::Now;
        }
        let provider = Prefix::provider(client.address());
        let provider = provider.map(|network| (network, self.per_hour.saturating_mul(PROVIDER_TIMES)));
        let networks = provider.into_iter().chain([(Prefix::shared(client.address()), self.per_hour)]);
        for (network, per_hour) in networks.clone() {
            let account = self.networks.get_mut(&network);
            let Some(mut account) = account.filter(|account| account.is_beyond(now)) else { continue };
            let answer = account.answer(now);
            if answer != AnswerTime::Never && !taken {
                account.count(per_hour, now);
            }
            // A provider that is beyond its number adds no networks to the table.
            return answer;
        }
        if !taken {
            networks.for_each(|(network, per_hour)| self.count(network, per_hour, now));
        }
        AnswerTime::Now
    }

    fn count(&self, network: Prefix, per_hour: u32, now: Timestamp) {
        if self.networks.len() >= NETWORKS_MAX && !self.networks.contains_key(&network) {
            self.sweep(now);
            if self.networks.len() >= NETWORKS_MAX {
                return;
            }
        }
        let unused = GuessAccount { free_at: now, answered_at: now };
        self.networks.entry(network).or_insert(unused).count(per_hour, now);
    }

    /// Removes the networks that may use all of their number again.
    fn sweep(&self, now: Timestamp) {
        let before = Timestamp::from_milliseconds(self.swept.load(Ordering::Relaxed));
        if now.since(before) >= SWEEP_EVERY {
            self.swept.store(now.milliseconds(), Ordering::Relaxed);
            self.networks.retain(|_, account| account.free_at > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_HOUR: u32 = 20;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(1_000_000_000_000 + seconds * 1_000)
    }

    fn relay(text: &str) -> Relay {
        text.parse().unwrap()
    }

    /// How many of `tries` guesses are answered that come from these addresses in turn, one every
    /// `every` milliseconds.
    fn answered(accounts: &GuessAccounts, from: &[String], tries: usize, every: i64) -> usize {
        let begun = at(0);
        let asks = |nth: usize| {
            let now = begun.plus(Span::from_milliseconds(every * i64::try_from(nth).unwrap()));
            accounts.named(relay(&from[nth % from.len()]), false, now)
        };
        (0..tries).filter(|&nth| asks(nth) != AnswerTime::Never).count()
    }

    #[test]
    fn a_list_of_domains_cannot_be_tried_out_from_one_network() {
        let everywhere: Vec<String> = (0..=255).map(|last| format!("192.0.2.{last}")).collect();
        let accounts = GuessAccounts::new(PER_HOUR);
        // 62,532 domains, one each millisecond.
        let told = answered(&accounts, &everywhere, 62_532, 1);
        assert!((20..=20 + 10).contains(&told), "{told}");
        // Within a day, and up to three answers that are still to come.
        let accounts = GuessAccounts::new(PER_HOUR);
        let told = answered(&accounts, &everywhere, 86_400, 1_000);
        assert!(told <= 20 + 360 * 24 + 3, "{told}");
    }

    #[test]
    fn a_provider_cannot_use_one_network_after_the_other() {
        let everywhere: Vec<String> = (0..50_000).map(|nth| format!("2001:db8:{nth:x}::1")).collect();
        let accounts = GuessAccounts::new(PER_HOUR);
        let told = answered(&accounts, &everywhere, 50_000, 1);
        assert!(told <= 100 + 10, "{told}");
        // Within the 50 seconds, the provider regains one of its hundred.
        assert!(accounts.networks.len() <= 101 + 1, "{} networks", accounts.networks.len());
        assert_eq!(accounts.named(relay("2001:db9::1"), false, at(1)), AnswerTime::Now);
    }

    #[test]
    fn a_relay_that_names_only_traps_never_waits_and_all_wait_beside_one_that_guesses() {
        let accounts = GuessAccounts::new(PER_HOUR);
        for second in 0..10_000 {
            assert_eq!(accounts.named(relay("198.18.0.25"), true, at(second / 100)), AnswerTime::Now);
        }
        assert!(accounts.networks.is_empty());
        for _ in 0..PER_HOUR {
            assert_eq!(accounts.named(relay("198.18.0.99"), false, at(100)), AnswerTime::Now);
        }
        for (nth, taken) in [(1, true), (2, false), (3, true)] {
            let wait = AnswerTime::After(Span::from_seconds(10 * nth));
            assert_eq!(accounts.named(relay("198.18.0.25"), taken, at(100)), wait, "a trap or none, alike");
        }
        assert_eq!(accounts.named(relay("198.18.0.25"), true, at(100)), AnswerTime::Never);
        assert_eq!(accounts.named(relay("198.18.1.25"), true, at(100)), AnswerTime::Now, "another network");
        assert_eq!(accounts.named(relay("198.18.0.25"), true, at(100 + 2 * 3_600)), AnswerTime::Now);
    }

    #[test]
    fn the_table_is_bounded_and_forgets() {
        let accounts = GuessAccounts::new(PER_HOUR);
        let network =
            |nth: usize| relay(&format!("{}.{}.{}.1", 11 + nth / 65_536, nth / 256 % 256, nth % 256));
        for nth in 0..NETWORKS_MAX + 1_000 {
            accounts.named(network(nth), false, at(0));
        }
        assert_eq!(accounts.networks.len(), NETWORKS_MAX);
        accounts.named(network(NETWORKS_MAX + 5_000), false, at(3 * 3_600));
        assert_eq!(accounts.networks.len(), 1);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let accounts = GuessAccounts::new(0);
        assert_eq!(answered(&accounts, &["192.0.2.1".to_owned()], 1_000, 1), 1_000);
        assert!(accounts.networks.is_empty());
    }
}
