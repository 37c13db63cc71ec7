//! Decides which session may begin next, so that no host is asked too often and no relay waits for
//! ever behind another one's requests.
//!
//! Time is an argument. A turn that does not fit waits; the caller holds what waits, and so limits
//! its number.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::counts::KeyCounts;
use super::rotation::{NetworkPlace, NetworkRotation};
use crate::evidence::ASK_AGAIN_AFTER;
use crate::relay::Prefix;
use crate::time::{Span, Timestamp};

/// The time that the budgets are for.
const BUDGET_TIME: Span = Span::from_hours(1);
/// Most sessions at one time with hosts of one network.
const SESSIONS_PER_NETWORK_MAX: u32 = 1;
/// How many waiting turns of one network of relays are looked at in one search for the next session.
const LOOK_MAX: usize = 64;

/// How much may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnLimits {
    /// Most sessions at one time.
    pub sessions_max: usize,
    /// Most sessions in an hour.
    pub per_hour: usize,
    /// Most sessions in an hour with hosts of one network, an IPv4 /24 or an IPv6 /48.
    pub per_network_hour: u32,
    /// Most sessions in an hour about domains of one organisation.
    pub per_organisation_hour: u32,
}

/// A wish to ask one host about one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The place of the relay that brought the evidence: the networks of relays take turns.
    pub place: NetworkPlace,
    /// The host.
    pub host: IpAddr,
    /// The domain.
    pub domain: String,
    /// The organisation of the domain, by the Public Suffix List.
    pub organisation: String,
}

/// What a turn that waited gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnStart<A> {
    /// It may open a session now. [`SessionTurns::done`] must follow.
    Session,
    /// The host was asked within the last day, with this result.
    Known(A),
}

/// Which host, about which domain.
type Key = (IpAddr, String);

/// A session that was held before these turns began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSession<A> {
    /// The host.
    pub host: IpAddr,
    /// The domain.
    pub domain: String,
    /// The organisation of the domain.
    pub organisation: String,
    /// When the session ended.
    pub ended: Timestamp,
    /// Its result.
    pub result: A,
}

/// The turns that wait, each with a token of the caller, and what was asked before.
#[derive(Debug)]
pub struct SessionTurns<T, A> {
    limits: TurnLimits,
    waiting: NetworkRotation<(Turn, T)>,
    running: HashMap<Key, Prefix>,
    running_networks: KeyCounts<Prefix>,
    /// The sessions of the last hour, the oldest first.
    recent: VecDeque<(Timestamp, Prefix, String)>,
    networks: KeyCounts<Prefix>,
    organisations: KeyCounts<String>,
    /// The results of the last day, and their keys, the oldest first.
    known: HashMap<Key, A>,
    known_since: VecDeque<(Timestamp, Key)>,
}

impl Turn {
    fn key(&self) -> Key {
        (self.host, self.domain.clone())
    }

    fn network(&self) -> Prefix {
        Prefix::shared(self.host)
    }
}

impl<T, A: Clone> SessionTurns<T, A> {
    /// No turn waits and nothing was asked.
    pub fn new(limits: TurnLimits) -> Self {
        SessionTurns {
            limits,
            waiting: NetworkRotation::default(),
            running: HashMap::new(),
            running_networks: KeyCounts::default(),
            recent: VecDeque::new(),
            networks: KeyCounts::default(),
            organisations: KeyCounts::default(),
            known: HashMap::new(),
            known_since: VecDeque::new(),
        }
    }

    /// Notes the sessions that were held before these turns began: their results stand for the rest of
    /// their day, and they count for the budgets.
    pub fn remember(&mut self, mut sessions: Vec<PastSession<A>>, now: Timestamp) {
        sessions.sort_by_key(|session| session.ended);
        for PastSession { host, domain, organisation, ended, result } in sessions {
            // One session may have answered for several relays.
            let key = (host, domain);
            if self.known.insert(key.clone(), result).is_none() {
                self.known_since.push_back((ended.min(now), key));
                self.count(Prefix::shared(host), organisation, ended.min(now));
            }
        }
        self.forget(now);
    }

    /// Lets a turn begin at once if it can, else lets it wait with its token.
    pub fn begin_or_wait(&mut self, turn: Turn, token: T, now: Timestamp) -> Option<TurnStart<A>> {
        self.forget(now);
        // A network waits for its own earlier turns.
        let start = if self.waiting.has(turn.place) { None } else { self.start(&turn) };
        match &start {
            Some(TurnStart::Session) => self.begin(&turn, now),
            Some(TurnStart::Known(_)) => {}
            None => self.waiting.push(turn.place, (turn, token)),
        }
        start
    }

    /// The next waiting turn that can begin. The networks of relays take turns.
    pub fn next(&mut self, now: Timestamp) -> Option<(Turn, T, TurnStart<A>)> {
        self.forget(now);
        if self.is_full() {
            return None;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let taken = waiting.take(
            |_| true,
            |_, queue| {
                let mut first = queue.iter().take(LOOK_MAX).enumerate();
                first.find_map(|(nth, (turn, _))| self.start(turn).map(|start| (nth, start)))
            },
        );
        self.waiting = waiting;
        let ((turn, token), start) = taken?;
        if matches!(start, TurnStart::Session) {
            self.begin(&turn, now);
        }
        Some((turn, token, start))
    }

    /// Notes the result of a session. It stands for a day.
    pub fn done(&mut self, turn: &Turn, result: A, now: Timestamp) {
        let key = turn.key();
        if let Some(network) = self.running.remove(&key) {
            self.running_networks.remove(&network);
        }
        self.known.insert(key.clone(), result);
        self.known_since.push_back((now, key));
        self.forget(now);
    }

    /// Takes back a turn that began and opened no connection.
    pub fn give_back(&mut self, turn: &Turn) {
        if let Some(network) = self.running.remove(&turn.key()) {
            self.running_networks.remove(&network);
        }
        let is_it = |of: &(Timestamp, Prefix, String)| of.1 == turn.network() && of.2 == turn.organisation;
        if let Some(at) = self.recent.iter().rposition(is_it) {
            self.recent.remove(at);
            self.networks.remove(&turn.network());
            self.organisations.remove(&turn.organisation);
        }
    }

    /// How many turns wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no session at all can begin now.
    fn is_full(&self) -> bool {
        self.running.len() >= self.limits.sessions_max || self.recent.len() >= self.limits.per_hour
    }

    /// Whether a turn can begin now, and how.
    fn start(&self, turn: &Turn) -> Option<TurnStart<A>> {
        let key = turn.key();
        if let Some(known) = self.known.get(&key) {
            return Some(TurnStart::Known(known.clone()));
        }
        let network = turn.network();
        let has_room = !self.is_full()
            && !self.running.contains_key(&key)
            && self.running_networks.of(&network) < SESSIONS_PER_NETWORK_MAX
            && self.networks.of(&network) < self.limits.per_network_hour
            && self.organisations.of(&turn.organisation) < self.limits.per_organisation_hour;
        has_room.then_some(TurnStart::Session)
    }

    fn begin(&mut self, turn: &Turn, now: Timestamp) {
        let network = turn.network();
        self.running.insert(turn.key(), network);
        self.running_networks.add(network);
        self.count(network, turn.organisation.clone(), now);
    }

    /// Counts a session for the budgets.
    fn count(&mut self, network: Prefix, organisation: String, at: Timestamp) {
        self.networks.add(network);
        self.organisations.add(organisation.clone());
        self.recent.push_back((at, network, organisation));
    }

    /// Forgets what is too old to count.
    fn forget(&mut self, now: Timestamp) {
        while let Some((at, network, organisation)) = self.recent.front()
            && now.since(*at) >= BUDGET_TIME
        {
            self.networks.remove(network);
            self.organisations.remove(organisation);
            self.recent.pop_front();
        }
        while let Some((at, key)) = self.known_since.front()
            && now.since(*at) >= ASK_AGAIN_AFTER
        {
            self.known.remove(key);
            self.known_since.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use super::*;

    const LIMITS: TurnLimits =
        TurnLimits { sessions_max: 16, per_hour: 600, per_network_hour: 8, per_organisation_hour: 8 };

    type TestTurns = SessionTurns<usize, &'static str>;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_milliseconds(0).plus(Span::from_seconds(minutes * 60))
    }

    fn turn(network: u32, host: u32, domain: &str) -> Turn {
        Turn {
            place: NetworkPlace::of(Ipv4Addr::from(network << 8).into()),
            host: Ipv4Addr::from(host).into(),
            domain: domain.to_owned(),
            organisation: domain.to_owned(),
        }
    }

    #[test]
    fn rfc6471_a_host_is_asked_about_a_domain_once_a_day() {
        let mut turns = TestTurns::new(LIMITS);
        let asked = turn(1, 1 << 24, "a.example");
        assert_eq!(turns.begin_or_wait(asked.clone(), 1, at(0)), Some(TurnStart::Session));
        assert_eq!(turns.begin_or_wait(asked.clone(), 2, at(0)), None, "the first session still runs");
        assert_eq!(turns.next(at(0)), None);
        turns.done(&asked, "takes", at(5));
        assert_eq!(turns.next(at(5)), Some((asked.clone(), 2, TurnStart::Known("takes"))));
        let day = 24 * 60;
        let again = turns.begin_or_wait(asked.clone(), 3, at(5 + day - 1));
        assert_eq!(again, Some(TurnStart::Known("takes")));
        let other = turn(1, 1 << 24, "b.example");
        assert_eq!(turns.begin_or_wait(other, 4, at(6)), Some(TurnStart::Session), "another domain");
        assert_eq!(turns.begin_or_wait(asked, 5, at(5 + day)), None, "one session at a time with a network");
    }

    #[test]
    fn budgets_hold_for_networks_organisations_and_in_all() {
        let budget = |limits: TurnLimits, wishes: Vec<Turn>| {
            let mut turns = TestTurns::new(limits);
            let mut begun = 0;
            for (token, wish) in wishes.iter().enumerate() {
                if turns.begin_or_wait(wish.clone(), token, at(0)) == Some(TurnStart::Session) {
                    begun += 1;
                    turns.done(wish, "x", at(0));
                }
            }
            assert_eq!(turns.waiting(), wishes.len() - begun, "nothing is dropped");
            assert_eq!(turns.next(at(59)), None, "the hour is not over");
            let mut later = 0;
            while let Some((turn, _, _)) = turns.next(at(60)) {
                turns.done(&turn, "x", at(60));
                later += 1;
            }
            (begun, later)
        };
        let hosts = |nth: u32| (1 << 24) + nth * 256;
        let one_network = (0..20).map(|nth| turn(nth, (1 << 24) + nth, &format!("{nth}.example")));
        assert_eq!(budget(LIMITS, one_network.collect()), (8, 8));
        let one_organisation = (0..20).map(|nth| turn(nth, hosts(nth), "big.example"));
        assert_eq!(budget(LIMITS, one_organisation.collect()), (8, 8));
        let all = (0..20).map(|nth| turn(nth, hosts(nth), &format!("{nth}.example")));
        assert_eq!(budget(TurnLimits { per_hour: 10, ..LIMITS }, all.collect()), (10, 10));
    }

    #[test]
    fn ten_thousand_requests_of_one_network_do_not_delay_another_one() {
        let mut turns = TestTurns::new(LIMITS);
        let begin = |turns: &mut TestTurns, wish: Turn, token: usize| {
            if turns.begin_or_wait(wish.clone(), token, at(0)) == Some(TurnStart::Session) {
                turns.done(&wish, "x", at(0));
            }
        };
        for nth in 0..10_000 {
            begin(&mut turns, turn(7, (1 << 24) + nth * 256, &format!("{nth}.example")), nth as usize);
        }
        assert_eq!(turns.waiting(), 10_000 - 600, "the budget of the first hour is used up");
        for other in 100..200 {
            begin(&mut turns, turn(other, (2 << 24) + other * 256, &format!("{other}.example.org")), 20_000);
        }
        let mut order = Vec::new();
        while let Some((turn, _, _)) = turns.next(at(60)) {
            order.push(turn.place.network);
            turns.done(&turn, "x", at(60));
        }
        assert_eq!(order.len(), 600, "the budget of the second hour");
        let first: BTreeSet<Prefix> = order[..101].iter().copied().collect();
        assert_eq!(first.len(), 101, "every network has a turn before one has its second");
    }

    #[test]
    fn ten_thousand_requests_are_all_asked_in_time() {
        let mut turns = TestTurns::new(LIMITS);
        let mut running: Vec<Turn> = Vec::new();
        for nth in 0..10_000_u32 {
            let wish = turn(nth % 500, (1 << 24) + nth * 64, &format!("{nth}.example"));
            if turns.begin_or_wait(wish.clone(), nth as usize, at(0)) == Some(TurnStart::Session) {
                running.push(wish);
            }
        }
        let (mut asked, mut minute) = (BTreeSet::new(), 0);
        while turns.waiting() > 0 || !running.is_empty() {
            assert!(running.len() <= LIMITS.sessions_max);
            minute += 1;
            assert!(minute < 24 * 60, "{} still wait", turns.waiting());
            // Every session takes less than a minute.
            for wish in running.drain(..) {
                assert!(asked.insert(wish.host), "{wish:?} is asked twice");
                turns.done(&wish, "x", at(minute));
            }
            while let Some((wish, _, start)) = turns.next(at(minute)) {
                assert_eq!(start, TurnStart::Session);
                running.push(wish);
            }
        }
        assert_eq!(asked.len(), 10_000, "nothing is dropped");
        assert!(minute >= 16 * 60, "600 an hour: {minute} minutes");
    }

    #[test]
    fn an_ipv6_32_has_one_turn_in_each_round_however_many_networks_it_has() {
        let mut turns = TestTurns::new(TurnLimits { per_hour: 10, ..LIMITS });
        let of = |relay: &str, nth: u32| Turn {
            place: NetworkPlace::of(relay.parse().unwrap()),
            ..turn(0, (1 << 24) + nth * 256, &format!("{nth}.example"))
        };
        let begin = |turns: &mut TestTurns, wish: Turn| {
            if turns.begin_or_wait(wish.clone(), 0, at(0)) == Some(TurnStart::Session) {
                turns.done(&wish, "x", at(0));
            }
        };
        for nth in 0..1_000 {
            begin(&mut turns, of(&format!("2001:db8:{nth:x}::25"), nth));
        }
        for nth in 1_000..1_004 {
            begin(&mut turns, of(&format!("2001:db9:{nth:x}::25"), nth));
            begin(&mut turns, of(&format!("192.0.{}.25", nth % 256), 1_000 + nth));
        }
        let mut crowd = 0;
        while let Some((turn, _, _)) = turns.next(at(60)) {
            crowd += usize::from(turn.place.provider.to_string() == "2001:db8::/32");
            turns.done(&turn, "x", at(60));
        }
        assert_eq!(crowd, 3, "of ten turns; four networks of IPv4 and another /32 have the others");
    }

    #[test]
    fn sessions_before_a_restart_count_as_before() {
        let limits = TurnLimits { per_organisation_hour: 2, ..LIMITS };
        let mut before = TestTurns::new(limits);
        let asked: Vec<Turn> = (1..=3).map(|nth| turn(nth, nth << 24, &format!("{nth}.example"))).collect();
        let mut sessions = Vec::new();
        for (wish, minute) in asked.iter().zip([0, 1_000, 1_410]) {
            assert_eq!(before.begin_or_wait(wish.clone(), 0, at(minute)), Some(TurnStart::Session));
            before.done(wish, "takes", at(minute));
            let Turn { host, domain, .. } = wish.clone();
            let session = PastSession {
                host,
                domain,
                organisation: "big.example".to_owned(),
                ended: at(minute),
                result: "takes",
            };
            // The last one answered for two relays.
            sessions.extend([session.clone(), session]);
        }
        sessions.reverse();
        let mut after = TestTurns::new(limits);
        let now = at(24 * 60);
        after.remember(sessions, now);
        let known = |turns: &mut TestTurns, wish: &Turn| turns.begin_or_wait(wish.clone(), 0, now);
        assert_eq!(known(&mut after, &asked[1]), Some(TurnStart::Known("takes")));
        assert_eq!(known(&mut after, &asked[2]), Some(TurnStart::Known("takes")));
        assert_eq!(after.organisations.of(&"big.example".to_owned()), 1, "one session in the last hour");
        assert_eq!(known(&mut after, &asked[0]), Some(TurnStart::Session), "a day is over");
        let late = at(24 * 60 + 1_410);
        after.next(late);
        assert_eq!((after.known.len(), after.known_since.len()), (0, 0), "nothing is kept for longer");
    }

    #[test]
    fn a_turn_that_is_given_back_costs_nothing() {
        let mut turns = TestTurns::new(TurnLimits { per_hour: 1, ..LIMITS });
        let wish = turn(1, 1 << 24, "a.example");
        assert_eq!(turns.begin_or_wait(wish.clone(), 1, at(0)), Some(TurnStart::Session));
        turns.give_back(&wish);
        assert_eq!((turns.running.len(), turns.networks.keys(), turns.recent.len()), (0, 0, 0));
        assert_eq!(turns.begin_or_wait(wish, 2, at(0)), Some(TurnStart::Session));
    }

    #[test]
    fn what_is_kept_ends_with_the_day() {
        let mut turns = TestTurns::new(LIMITS);
        for nth in 0..100 {
            let wish = turn(nth, (1 << 24) + nth * 256, &format!("{nth}.example"));
            turns.begin_or_wait(wish.clone(), 0, at(0));
            turns.done(&wish, "x", at(0));
        }
        assert_eq!((turns.known.len(), turns.networks.keys(), turns.organisations.keys()), (100, 100, 100));
        turns.next(at(24 * 60));
        assert_eq!((turns.known.len(), turns.networks.keys(), turns.organisations.keys()), (0, 0, 0));
        assert_eq!((turns.running.len(), turns.running_networks.keys(), turns.recent.len()), (0, 0, 0));
    }
}
