//! Asks hosts, one session at a time for each network, within the budgets.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::conclusion::{HostReplies, is_decided, together};
use super::dialogue::Script;
use super::finding::{Finding, HostFinding, SideFinding, Unanswered};
use super::laboratory::from_table;
use super::reach::PortReach;
use super::request::{AskedDomain, VerifyRequest};
use super::rotation::NetworkPlace;
use super::session::{HostSession, SessionTimes};
use super::settings::VerifierSettings;
use super::tls::connector;
use super::turns::{PastSession, SessionTurns, Turn, TurnLimits, TurnStart};
use crate::evidence::{ASKED_HOSTS_MAX, AskedSide};
use crate::observe::{Lookups, organisation};
use crate::relay::{Listable, Relay};
use crate::time::Clock;

/// Most sessions in an hour with hosts of one network, an IPv4 /24 or an IPv6 /48.
const PER_NETWORK_HOUR: u32 = 10;
/// Most sessions in an hour about domains of one organisation.
const PER_ORGANISATION_HOUR: u32 = 20;
/// The longest time for a question about mail exchangers.
const DNS_TIMEOUT: Duration = Duration::from_secs(20);
/// Most hosts that are tried to learn whether port 25 can be reached.
const REACH_HOSTS_MAX: usize = 3;

/// A turn that waits is told here that it begins.
type Waiter = oneshot::Sender<TurnStart<HostFinding>>;

/// Asks relays' sides whether they refuse recipients that do not exist.
pub struct Verifier {
    lookups: Arc<Lookups>,
    settings: VerifierSettings,
    /// Only hosts whose addresses may be listed are asked.
    listable: Listable,
    clock: Arc<dyn Clock>,
    times: SessionTimes,
    tls: TlsConnector,
    turns: Mutex<SessionTurns<Waiter, HostFinding>>,
}

/// A session that may be open. Its result is noted, also if nobody waits for it any more.
struct OpenTurn<'v> {
    verifier: &'v Verifier,
    turn: Turn,
    result: HostFinding,
}

impl Drop for OpenTurn<'_> {
    fn drop(&mut self) {
        let now = self.verifier.clock.now();
        self.verifier.turns().done(&self.turn, self.result.clone(), now);
        self.verifier.start_waiting();
    }
}

/// A turn that waits. If nobody waits for it any more, it goes back.
struct WaitingTurn<'v> {
    verifier: &'v Verifier,
    turn: &'v Turn,
    told: oneshot::Receiver<TurnStart<HostFinding>>,
}

impl Drop for WaitingTurn<'_> {
    fn drop(&mut self) {
        self.told.close();
        // It may have been told to begin in the meantime.
        if let Ok(TurnStart::Session) = self.told.try_recv() {
            self.verifier.turns().give_back(self.turn);
            self.verifier.start_waiting();
        }
    }
}

impl Verifier {
    /// A verifier that has asked nothing.
    pub fn new(
        lookups: Arc<Lookups>,
        settings: VerifierSettings,
        listable: Listable,
        clock: Arc<dyn Clock>,
        times: SessionTimes,
    ) -> Self {
        let limits = TurnLimits {
            sessions_max: settings.limits.sessions_max,
            per_hour: settings.limits.per_hour,
            per_network_hour: PER_NETWORK_HOUR,
            per_organisation_hour: PER_ORGANISATION_HOUR,
        };
        let turns = Mutex::new(SessionTurns::new(limits));
        Verifier { lookups, settings, listable, clock, times, tls: connector(), turns }
    }

    /// Asks a relay's side. Waits until the budgets allow each session; the caller limits how many
    /// requests wait. A host that was asked about the domain within the last day is not asked again:
    /// its answer of that time counts.
    pub async fn ask(&self, request: &VerifyRequest) -> SideFinding {
        if let Some(hosts) = self.lookups.laboratory() {
            return from_table(hosts, request);
        }
        let unanswered = |why| SideFinding { finding: Finding::NoAnswer(why), hosts: Vec::new() };
        if self.settings.addresses.is_empty() {
            return unanswered(Unanswered::NotConfigured);
        }
        if self.is_opted_out(request.relay.address()) {
            return unanswered(Unanswered::OptedOut);
        }
        let Some(hosts) = self.hosts(request).await else { return unanswered(Unanswered::NoDns) };
        let mut found = Vec::new();
        for host in hosts {
            found.push(self.ask_host(request, host).await);
            if is_decided(request.relay, &found) {
                break;
            }
        }
        SideFinding { finding: together(request.relay, &found), hosts: found }
    }

    /// Notes the sessions that were held within the last day, before this process began. Each is a domain
    /// and what its host showed.
    pub fn remember(&self, sessions: impl IntoIterator<Item = (String, HostFinding)>) {
        let past = |(domain, found): (String, HostFinding)| {
            let ended = found.ended?;
            let organisation = organisation(Some(&domain));
            Some(PastSession { host: found.host, domain, organisation, ended, result: found })
        };
        let sessions = sessions.into_iter().filter_map(past).collect();
        self.turns().remember(sessions, self.clock.now());
    }

    /// Begins the sessions that wait for the budgets to renew, until `stop` is cancelled. Looks again after
    /// each `look`.
    pub async fn run(&self, look: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(look) => self.start_waiting(),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Whether it opens connections. In a laboratory, a table gives the answers.
    pub fn opens_connections(&self) -> bool {
        self.lookups.laboratory().is_none()
    }

    /// Whether anything can be asked: in a laboratory, or from an address of this machine.
    pub fn can_ask(&self) -> bool {
        !self.opens_connections() || !self.settings.addresses.is_empty()
    }

    /// How many sessions wait for their turn.
    pub fn waiting(&self) -> usize {
        self.turns().waiting()
    }

    /// Tries whether the port 25 of a domain's mail exchangers can be reached. It says nothing but
    /// QUIT, and does not count for the budgets: the operator asks for it.
    pub async fn reach(&self, domain: &AskedDomain) -> PortReach {
        if self.lookups.laboratory().is_some() {
            return PortReach::Untried("a laboratory opens no connection");
        }
        if self.settings.addresses.is_empty() {
            return PortReach::Untried("verify.addresses is empty, so that nothing is asked");
        }
        let Some(exchangers) = self.lookups.exchangers(domain.as_str(), DNS_TIMEOUT).await else {
            return PortReach::Untried("the DNS did not answer the question about the mail exchangers");
        };
        let mut tried = Vec::new();
        for host in exchangers.into_iter().filter(|host| self.local(*host).is_ok()).take(REACH_HOSTS_MAX) {
            if let Ok(from) = self.local(host)
                && HostSession::is_greeted(SocketAddr::new(host, self.settings.port), from, self.times).await
            {
                return PortReach::Open(host);
            }
            tried.push(host);
        }
        if tried.is_empty() {
            return PortReach::Untried(
                "the domain has no mail exchanger that may be asked from verify.addresses",
            );
        }
        PortReach::Closed { tried }
    }

    /// The hosts to ask, the relay itself first. `None` if the DNS does not answer.
    async fn hosts(&self, request: &VerifyRequest) -> Option<Vec<IpAddr>> {
        let relay = request.relay.address();
        let mut found = match request.side {
            AskedSide::Relay => vec![relay],
            AskedSide::Exchangers => self.lookups.exchangers(request.domain.as_str(), DNS_TIMEOUT).await?,
        };
        if let Some(own) = found.iter().position(|&host| Relay::new(host) == request.relay) {
            let own = found.remove(own);
            found.insert(0, own);
        }
        // Hosts that cannot be asked must not take the places of others.
        let can_be_asked = |host: IpAddr| host == relay || self.settings.addresses.toward(host).is_some();
        if found.iter().any(|&host| can_be_asked(host)) {
            found.retain(|&host| can_be_asked(host));
        }
        let mut hosts: Vec<IpAddr> = Vec::new();
        for host in found {
            if hosts.len() < ASKED_HOSTS_MAX && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Some(hosts)
    }

    /// Asks one host when its turn comes.
    async fn ask_host(&self, request: &VerifyRequest, host: IpAddr) -> HostFinding {
        let from = match self.local(host) {
            Ok(from) => from,
            Err(why) => return HostFinding::not_asked(host, Finding::NoAnswer(why)),
        };
        let turn = Turn {
            place: NetworkPlace::of(request.relay.address()),
            host,
            domain: request.domain.as_str().to_owned(),
            organisation: organisation(Some(request.domain.as_str())),
        };
        let mut open = match self.wait_for(turn).await {
            Ok(open) => open,
            Err(known) => return known,
        };
        let session = HostSession {
            to: SocketAddr::new(host, self.settings.port),
            from,
            script: Script::new(&self.settings.ehlo, request),
            tls: &self.tls,
            times: self.times,
        };
        let (answered, quotes) = session.ask().await;
        let ended = Some(self.clock.now());
        open.result = HostFinding { host, finding: answered.finding(), replies: quotes, ended };
        open.result.clone()
    }

    /// Waits until a session may begin.
    ///
    /// # Errors
    /// Returns the answer of the last day if there is one.
    async fn wait_for(&self, turn: Turn) -> Result<OpenTurn<'_>, HostFinding> {
        let (waiter, told) = oneshot::channel();
        let begun = self.turns().begin_or_wait(turn.clone(), waiter, self.clock.now());
        let given_up = HostFinding::not_asked(turn.host, HostReplies::none(Unanswered::GivenUp).finding());
        let start = match begun {
            Some(start) => start,
            None => {
                let mut waiting = WaitingTurn { verifier: self, turn: &turn, told };
                // The sender is dropped only with the verifier.
                (&mut waiting.told).await.unwrap_or(TurnStart::Known(given_up.clone()))
            }
        };
        match start {
            TurnStart::Session => {
                let result = HostFinding { ended: Some(self.clock.now()), ..given_up };
                Ok(OpenTurn { verifier: self, turn, result })
            }
            TurnStart::Known(known) => Err(known),
        }
    }

    /// Begins the waiting sessions that may begin now.
    fn start_waiting(&self) {
        loop {
            let now = self.clock.now();
            let Some((turn, waiter, start)) = self.turns().next(now) else { return };
            let opens = matches!(start, TurnStart::Session);
            if waiter.send(start).is_err() && opens {
                // Nobody waits any more, and no connection was opened.
                self.turns().give_back(&turn);
            }
        }
    }

    /// The address from which a host is asked.
    fn local(&self, host: IpAddr) -> Result<IpAddr, Unanswered> {
        if self.listable.permits(host).is_err() {
            return Err(Unanswered::SpecialPurpose);
        }
        if self.is_opted_out(host) || self.settings.addresses.all().any(|own| own == host) {
            return Err(Unanswered::OptedOut);
        }
        self.settings.addresses.toward(host).ok_or(Unanswered::NotConfigured)
    }

    fn is_opted_out(&self, address: IpAddr) -> bool {
        self.settings.opt_out.iter().any(|network| network.contains(&address))
    }

    fn turns(&self) -> MutexGuard<'_, SessionTurns<Waiter, HostFinding>> {
        // Every change of the turns is whole, also if a thread panics elsewhere.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
