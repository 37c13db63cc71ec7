//! Limits per client and for all clients together: concurrent sessions, and messages, octets and
//! errors per minute.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use dashmap::DashMap;

use super::session::SessionCosts;
use crate::relay::Relay;
use crate::time::Timestamp;

/// Maximum number of clients in the table. While the table is full, only clients that are in it are
/// admitted.
const CLIENTS_MAX: usize = 100_000;
const MILLISECONDS_PER_MINUTE: i64 = 60_000;

/// Session and rate limits. A client that exceeds one of them gets a 421 reply.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Maximum number of concurrent sessions of all clients.
    pub sessions_max: usize,
    /// Maximum number of concurrent sessions of one client. A client is an IPv4 address or an IPv6
    /// /64.
    pub sessions_per_client_max: usize,
    /// Rates for each client.
    pub per_client: MinuteRates,
    /// Rates for all clients together.
    pub global: MinuteRates,
}

/// Rate limits within one minute of the clock. 0 means no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct MinuteRates {
    /// Messages per minute.
    pub messages_max: u32,
    /// Octets received per minute.
    pub octets_max: u64,
    /// Error replies per minute.
    pub errors_max: u32,
}

/// Why a connection is refused before its session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A limit on concurrent sessions is reached, or the table of clients is full.
    TooManySessions,
    /// The client, or all clients together, exceeded a rate in this minute.
    TooFast,
}

impl Refusal {
    /// The value of the `reason` label in metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Refusal::TooManySessions => "too-many",
            Refusal::TooFast => "too-fast",
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    sessions: usize,
    minute: i64,
    spent: Spent,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    messages: u32,
    octets: u64,
    errors: u32,
}

impl Spent {
    fn add(&mut self, tally: SessionCosts) {
        self.messages = self.messages.saturating_add(tally.messages);
        self.octets = self.octets.saturating_add(tally.octets);
        self.errors = self.errors.saturating_add(tally.errors);
    }

    const fn is_nothing(&self) -> bool {
        self.messages == 0 && self.octets == 0 && self.errors == 0
    }

    const fn within(&self, rates: &MinuteRates) -> bool {
        (rates.messages_max == 0 || self.messages <= rates.messages_max)
            && (rates.octets_max == 0 || self.octets <= rates.octets_max)
            && (rates.errors_max == 0 || self.errors <= rates.errors_max)
    }
}

impl Account {
    fn at(&mut self, minute: i64) -> &mut Self {
        if self.minute != minute {
            (self.minute, self.spent) = (minute, Spent::default());
        }
        self
    }
}

/// The clients that have a session open or used something in the current minute, with their usage.
pub struct ClientAccounts {
    limits: ClientLimits,
    accounts: DashMap<IpAddr, Account>,
    global: std::sync::Mutex<Account>,
    sessions: AtomicUsize,
    /// The minute of the last sweep, which removes clients that have left.
    swept: AtomicI64,
}

impl ClientAccounts {
    /// An empty table with the given limits.
    pub fn new(limits: ClientLimits) -> Self {
        ClientAccounts {
            limits,
            accounts: DashMap::new(),
            global: std::sync::Mutex::new(Account::default()),
            sessions: AtomicUsize::new(0),
            swept: AtomicI64::new(0),
        }
    }

    /// Admits one session. Dropping the returned [`Place`] ends it.
    ///
    /// `client` is `None` for a peer that forwards the mail of other clients; only the global
    /// limits apply to it.
    ///
    /// # Errors
    /// When a limit on sessions or a rate is exceeded.
    pub(super) fn enter(&self, client: Option<Relay>, now: Timestamp) -> Result<SessionPlace<'_>, Refusal> {
        let minute = minute(now);
        self.sweep(minute);
        // One IPv6 host may use any address of its /64.
        let client = client.map(|client| client.line().network());
        if self.sessions.fetch_add(1, Ordering::Relaxed) >= self.limits.sessions_max {
            self.sessions.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::TooManySessions);
        }
        let entered = self.enter_account(client, minute);
        if entered.is_err() {
            self.sessions.fetch_sub(1, Ordering::Relaxed);
        }
        entered.map(|()| SessionPlace { clients: self, client })
    }

    fn enter_account(&self, client: Option<IpAddr>, minute: i64) -> Result<(), Refusal> {
        if !self.lock_global().at(minute).spent.within(&self.limits.global) {
            return Err(Refusal::TooFast);
        }
        let Some(client) = client else { return Ok(()) };
        if self.accounts.len() >= CLIENTS_MAX && !self.accounts.contains_key(&client) {
            return Err(Refusal::TooManySessions);
        }
        let mut account = self.accounts.entry(client).or_default();
        if account.sessions >= self.limits.sessions_per_client_max {
            return Err(Refusal::TooManySessions);
        }
        if !account.at(minute).spent.within(&self.limits.per_client) {
            return Err(Refusal::TooFast);
        }
        account.sessions += 1;
        Ok(())
    }

    /// Once a minute, removes clients that have no session and used nothing in this minute.
    fn sweep(&self, minute: i64) {
        if self.swept.swap(minute, Ordering::Relaxed) != minute {
            self.accounts.retain(|_, account| account.sessions > 0 || account.minute == minute);
        }
    }

    fn lock_global(&self) -> std::sync::MutexGuard<'_, Account> {
        self.global.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

const fn minute(now: Timestamp) -> i64 {
    now.milliseconds() / MILLISECONDS_PER_MINUTE
}

/// The admission of one session.
pub(super) struct SessionPlace<'a> {
    clients: &'a ClientAccounts,
    client: Option<IpAddr>,
}

impl SessionPlace<'_> {
    /// Adds a session's usage to its client's and to the global account. `false` if a rate is now
    /// exceeded.
    pub(super) fn spend(&self, tally: SessionCosts, now: Timestamp) -> bool {
        let (minute, limits) = (minute(now), &self.clients.limits);
        let global = {
            let mut account = self.clients.lock_global();
            account.at(minute).spent.add(tally);
            account.spent.within(&limits.global)
        };
        let account = self.client.and_then(|client| self.clients.accounts.get_mut(&client));
        let Some(mut account) = account else { return global };
        account.at(minute).spent.add(tally);
        global && account.spent.within(&limits.per_client)
    }
}

impl Drop for SessionPlace<'_> {
    fn drop(&mut self) {
        self.clients.sessions.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        if let Some(mut account) = self.clients.accounts.get_mut(&client) {
            account.sessions = account.sessions.saturating_sub(1);
        }
        // A client that used nothing is removed at once, so that idle connections from many
        // addresses do not fill the table.
        self.clients
            .accounts
            .remove_if(&client, |_, account| account.sessions == 0 && account.spent.is_nothing());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    const LIMITS: ClientLimits = ClientLimits {
        sessions_max: 3,
        sessions_per_client_max: 2,
        per_client: MinuteRates { messages_max: 2, octets_max: 1_000, errors_max: 0 },
        global: MinuteRates { messages_max: 3, octets_max: 0, errors_max: 0 },
    };

    fn client(text: &str) -> Option<Relay> {
        Some(text.parse().unwrap())
    }

    fn messages(messages: u32) -> SessionCosts {
        SessionCosts { messages, ..SessionCosts::default() }
    }

    #[test]
    fn sessions_are_bounded_by_client_and_in_all() {
        let (clients, now) = (ClientAccounts::new(LIMITS), Timestamp::default());
        let one = clients.enter(client("198.18.0.25"), now).ok();
        let two = clients.enter(client("198.18.0.25"), now).ok();
        assert_eq!(clients.enter(client("198.18.0.25"), now).err(), Some(Refusal::TooManySessions));
        let six = clients.enter(client("2001:db8::1"), now).ok();
        assert_eq!(clients.enter(client("198.18.0.26"), now).err(), Some(Refusal::TooManySessions));
        drop(one);
        assert!(clients.enter(client("198.18.0.26"), now).is_ok(), "a dropped place is free again");
        drop((two, six));
        assert_eq!(clients.sessions.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn rates_are_bounded_by_the_minute_and_everybody_else_goes_on() {
        let (clients, now) = (ClientAccounts::new(LIMITS), Timestamp::default());
        let place = clients.enter(client("198.18.0.25"), now).ok().unwrap();
        assert!(place.spend(messages(2), now));
        assert!(!place.spend(messages(1), now), "the client's limit is exceeded");
        assert_eq!(clients.enter(client("198.18.0.25"), now).err(), Some(Refusal::TooFast));
        let other = clients.enter(client("198.18.0.26"), now).ok().unwrap();
        assert!(!other.spend(messages(1), now), "the global limit is exceeded");
        let later = now.plus(Span::from_seconds(60));
        assert!(other.spend(messages(1), later));
        assert!(!other.spend(SessionCosts { octets: 1_001, ..SessionCosts::default() }, later));
        drop((place, other));
        clients.enter(client("198.18.0.27"), later.plus(Span::from_seconds(60))).ok().unwrap();
        assert!(clients.accounts.is_empty(), "clients that left are removed");
        assert!(clients.enter(None, later).is_ok(), "a peer that forwards mail has no limit per client");
    }
}
