//! The daemon: builds the parts, starts them in order, and stops them in reverse order.
//!
//! The order is configuration, journal, fold, first snapshot; then DNS and HTTP; then SMTP. SMTP is
//! last, because the reports that it acknowledges need the other parts.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashSet;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::audit::AuditLog;
use crate::config::{Config, ConfigSpec};
use crate::digest::Digester;
use crate::evidence::{Directive, Entry, Offset, Order};
use crate::intake::Intake;
use crate::journal::{DiskReserve, EmbeddedJournal, Journal, JournalError};
use crate::keys::{KeyError, Keys};
use crate::lists::ListError;
use crate::lists::WatchedLists;
use crate::metrics::Metrics;
use crate::name_server::{NameServer, NameServerSecrets};
use crate::observe::{self, Inquiry, Lookups, Networks, NetworksError, Observer};
use crate::publish::{self, PublishError, Published, Publisher, RetentionPeriods, tick_number};
use crate::time::{Clock, LaboratoryClock, Span, SystemClock, Timestamp};
use crate::{dns, http, smtp, sockets};

/// The name of the store's file in the journal's folder.
pub const STORE_FILE: &str = "journal.redb";

/// Maximum time that clients have to finish when the daemon stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How many octets of a message are kept and judged. Of a larger message only the beginning is
/// kept.
const KEPT_OCTETS_MAX: usize = crate::mail::MESSAGE_OCTETS_MAX;

/// Why the daemon can't start. Each message says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal can't be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The fold can't start.
    #[error(transparent)]
    Publish(PublishError),
    /// The keys can't be read or created.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The journal's folder can't be created.
    #[error("{path}: {source}")]
    Folder { path: PathBuf, source: io::Error },
    /// The table of autonomous systems can't be read.
    #[error("{path}: {source}")]
    Networks { path: PathBuf, source: NetworksError },
    /// A list file can't be read.
    #[error("dns.lists: {0}")]
    List(#[from] ListError),
    /// The TLS certificate or key can't be read.
    #[error("smtp.tls_certificate, smtp.tls_key: {0}")]
    Tls(#[from] smtp::TlsError),
    /// The resolver can't be set up.
    #[error("the DNS resolver can't be set up: {0}; see /etc/resolv.conf, or set observe.enabled = false")]
    Resolver(String),
    /// A zone file was refused.
    #[error("{path}: not adopted: with its serial_base the zone's serial would decrease; raise serial_base")]
    NotAdopted { path: PathBuf },
    /// The clock is too far ahead of the journal.
    #[error(
        "the clock says {now}, but the journal's last entry is from {last}, more than {leap_max} earlier: correct the \
         clock, or, if it is right, raise clock.leap_max for this start"
    )]
    ClockLeap { now: Timestamp, last: Timestamp, leap_max: Span },
    /// An address can't be bound.
    #[error("{what} can't listen on {address}: {source}")]
    Listen { what: &'static str, address: String, source: io::Error },
}

impl From<PublishError> for StartError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Journal(error) => StartError::Journal(error),
            other => StartError::Publish(other),
        }
    }
}

/// Everything but the listeners: the journal, the fold, and the parts that use their results.
pub struct DaemonCore {
    /// The state that the HTTP handlers share.
    pub app: Arc<http::App>,
    observer: Arc<Observer>,
    publisher: Publisher,
    stop: CancellationToken,
}

/// The addresses that the daemon listens on. A configured port of 0 is replaced by the actual port.
#[derive(Clone, Debug, Default)]
pub struct BoundAddresses {
    /// SMTP.
    pub smtp: Vec<SocketAddr>,
    /// SMTP with a PROXY protocol header.
    pub smtp_proxy: Vec<SocketAddr>,
    /// LMTP.
    pub lmtp: Vec<SocketAddr>,
    /// DNS.
    pub dns: Vec<SocketAddr>,
    /// HTTP.
    pub http: Vec<SocketAddr>,
}

/// The running daemon.
pub struct Daemon {
    serving: Serving,
    core: DaemonCore,
}

/// The listeners, in the order in which they are stopped.
struct Serving {
    bound: BoundAddresses,
    smtp: Tasks,
    http: Tasks,
    dns: Tasks,
}

/// Tasks that are stopped together.
#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    stop: CancellationToken,
}

impl Tasks {
    /// Stops the tasks and waits for them to end, at most for `DRAIN_TIMEOUT`.
    async fn stop(mut self, what: &str) {
        self.stop.cancel();
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            tracing::warn!(what, "clients that did not finish in time were disconnected");
            self.running.abort_all();
        }
    }
}

impl Serving {
    /// Adopts the zones and binds all addresses, then starts to answer; SMTP last.
    async fn start(
        core: &DaemonCore,
        config: &Config,
        lists: WatchedLists,
        tls: Option<smtp::Tls>,
    ) -> Result<Self, StartError> {
        core.tell_time().await?;
        core.adopt(config).await?;
        let (app, spec) = (&core.app, &config.spec);
        let mut bound = BoundAddresses::default();
        let mut dns_listening = Vec::new();
        for &address in &spec.dns.listen {
            let listening =
                dns::DnsListener::bind(address, spec.dns.threads).map_err(listen("DNS", address))?;
            bound.dns.push(listening.local_address().map_err(listen("DNS", address))?);
            dns_listening.push(listening);
        }
        let mut http_listening = Vec::new();
        for &address in &spec.http.listen {
            let listening = sockets::tcp(address).map_err(listen("HTTP", address))?;
            bound.http.push(listening.local_addr().map_err(listen("HTTP", address))?);
            http_listening.push(listening);
        }
        let control = http::bind_control(&spec.control.socket)
            .map_err(listen("the control socket", spec.control.socket.display()))?;
        let mut smtp_listening = Vec::new();
        for (addresses, door, found) in [
            (&spec.smtp.listen, smtp::ListenerKind::Smtp, &mut bound.smtp),
            (&spec.smtp.listen_proxy, smtp::ListenerKind::Proxied, &mut bound.smtp_proxy),
            (&spec.smtp.listen_lmtp, smtp::ListenerKind::Lmtp, &mut bound.lmtp),
        ] {
            for &address in addresses {
                let listening = smtp::SmtpListener::bind(address, door).map_err(listen("SMTP", address))?;
                found.push(listening.local_address().map_err(listen("SMTP", address))?);
                smtp_listening.push(listening);
            }
        }
        let observer = Arc::clone(&core.observer);
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let serve = Arc::new(smtp_serve(spec, app, observer, acceptor, app.keys.nonce()?));

        let (mut smtp, mut http, mut dns) = (Tasks::default(), Tasks::default(), Tasks::default());
        let judged = app.published.snapshots();
        let zones = app.published.snapshot();
        let zones = zones.zones().iter().map(|zone| zone.config.apex.origin.clone()).collect();
        let name_server = NameServer::new(
            &spec.dns,
            &config.dns,
            judged,
            zones,
            lists,
            Arc::clone(&app.clock),
            NameServerSecrets::new()?,
        );
        app.metrics.serve_dns(&name_server.metrics);
        let failed = core.publisher.failed.clone();
        dns.running.spawn(name_server.serve(dns_listening, failed, dns.stop.clone()));
        for listener in http_listening {
            http.running.spawn(http::serve_public(listener, Arc::clone(app), http.stop.clone()));
        }
        http.running.spawn(http::serve_control(control, Arc::clone(app), http.stop.clone()));
        let (journal, clock) = (Arc::clone(&app.journal), Arc::clone(&app.clock));
        http.running.spawn(publish::tick(journal, clock, app.tick_interval, http.stop.clone()));
        for listening in smtp_listening {
            smtp.running.spawn(smtp::serve(listening, Arc::clone(&serve), smtp.stop.clone()));
        }
        if let Some(tls) = tls {
            smtp.running.spawn(tls.watch(smtp.stop.clone()));
        }
        Ok(Serving { bound, smtp, http, dns })
    }
}

impl DaemonCore {
    /// Opens the journal and folds it, which restores the list as it was.
    ///
    /// # Errors
    /// When a file can't be read or created, the fold can't start, or the clock is too far ahead of
    /// the journal.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let spec = &config.spec;
        let laboratory =
            spec.clock.laboratory.then(|| Arc::new(LaboratoryClock::new(spec.clock.laboratory_start)));
        let clock: Arc<dyn Clock> = match &laboratory {
            Some(laboratory) => Arc::<LaboratoryClock>::clone(laboratory),
            None => Arc::new(SystemClock::start()),
        };
        let directory = &spec.journal.directory;
        let folder = |source| StartError::Folder { path: directory.clone(), source };
        crate::folder::make(directory).map_err(folder)?;
        let room = DiskReserve { folder: directory.clone(), octets_min: spec.journal.free_octets_min };
        let journal: Arc<dyn Journal> =
            Arc::new(EmbeddedJournal::open_with_room(&directory.join(STORE_FILE), Arc::clone(&clock), room)?);
        let begun = *journal.head().borrow() > Offset::START;
        let keys =
            if begun { Keys::open_known(&spec.keys.directory) } else { Keys::open(&spec.keys.directory) };
        let keys = Arc::new(keys?);
        let (last, leap_max) = (last_time(&*journal)?, spec.clock.leap_max);
        match &laboratory {
            // A laboratory clock continues where it stopped, because the journal's time does not go
            // back.
            Some(laboratory) => drop(laboratory.advance(last.since(laboratory.now()))),
            None if begun && clock.now().since(last) > leap_max => {
                return Err(StartError::ClockLeap { now: clock.now(), last, leap_max });
            }
            None => {}
        }
        let (stop, metrics) = (CancellationToken::new(), Arc::new(Metrics::new()));
        let publisher = Publisher::start(
            Arc::clone(&journal),
            AuditLog::open(&spec.audit.directory).map_err(PublishError::Audit)?,
            Arc::clone(&keys),
            Arc::clone(&metrics),
            RetentionPeriods { entries: spec.journal.keep_entries, reports: spec.journal.keep_reports },
            stop.clone(),
        )?;
        let published = Arc::clone(&publisher.published);
        let tick_interval = spec.journal.tick_interval;
        let networks = match spec.observe.networks_file.as_os_str().is_empty() {
            true => Networks::default(),
            false => Networks::read(&spec.observe.networks_file).map_err(|source| StartError::Networks {
                path: spec.observe.networks_file.clone(),
                source,
            })?,
        };
        let lookups = match (spec.observe.enabled, spec.observe.laboratory_hosts.as_slice()) {
            (false, _) => Lookups::Nothing,
            (true, []) => Lookups::dns(&spec.observe.resolvers).map_err(StartError::Resolver)?,
            (true, hosts) => Lookups::Laboratory(hosts.to_vec()),
        };
        let limits = observe::ObserverLimits {
            inquiries_max: spec.observe.inquiries_max,
            queue_max: spec.observe.queue_max,
            timeout: spec.observe.timeout.to_std(),
        };
        let observer = Observer::new(lookups, networks, Arc::clone(&journal), Arc::clone(&metrics), limits);
        // Inquiries that were unfinished when the last process ended are made again, without the
        // traps' domains, which are not stored.
        for evidence in &publisher.pending {
            observer.inquire(Inquiry::about(evidence, None));
        }
        let app = Arc::new(http::App {
            published,
            journal,
            keys,
            metrics,
            clock,
            laboratory,
            tick_interval,
            audit_directory: spec.audit.directory.clone(),
            operators: config.operators.clone(),
            proxies: spec.http.proxies.clone(),
            removals: http::HourlyLimit::new(spec.http.removals_per_client_max),
            wrong_tokens: http::HourlyLimit::new(http::WRONG_TOKENS_MAX),
            feeding: DashSet::new(),
            intake: OnceLock::new(),
        });
        Ok(DaemonCore { app, observer: Arc::new(observer), publisher, stop })
    }

    /// Appends a tick for the current time, because the fold's time moves only by entries.
    ///
    /// # Errors
    /// When the journal failed permanently, or the tick does not take effect in time.
    pub async fn tell_time(&self) -> Result<(), StartError> {
        let app = &self.app;
        let tick = Entry::Tick(tick_number(app.clock.now(), app.tick_interval));
        let offset = match app.journal.append(tick.into()).await {
            // The list stays available, although out of date; mail has to wait.
            Err(error) if error.is_passing() => {
                tracing::error!(%error, "the journal can't be written to; the list is out of date");
                return Ok(());
            }
            taken => taken?,
        };
        if app.published.reached(offset).await {
            Ok(())
        } else {
            Err(StartError::Publish(PublishError::Behind))
        }
    }

    /// Appends a directive for every difference between the zones in the journal and the configured
    /// ones.
    async fn adopt(&self, config: &Config) -> Result<(), StartError> {
        let app = &self.app;
        let mut entries = Vec::new();
        let snapshot = app.published.snapshot();
        for zone in snapshot.zones() {
            if !config.zones.iter().any(|file| file.zone.apex.origin == zone.config.apex.origin) {
                let origin = zone.config.apex.origin.to_string();
                entries.push(self.directive("the zone's file was removed", Order::WithdrawZone { origin }));
            }
        }
        for file in &config.zones {
            let known = snapshot.zones().iter().find(|zone| zone.config.apex.origin == file.zone.apex.origin);
            if known.is_none_or(|zone| zone.config.digest != file.zone.digest) {
                let order =
                    Order::AdoptZone { origin: file.zone.apex.origin.to_string(), text: file.text.clone() };
                entries.push(self.directive("the zone's file is new or was changed", order));
            }
        }
        let mut last = Offset::START;
        for entry in entries {
            last = last.max(app.journal.append(entry.into()).await?);
        }
        if !app.published.reached(last).await {
            return Err(StartError::Publish(PublishError::Behind));
        }
        let snapshot = app.published.snapshot();
        let refused = config
            .zones
            .iter()
            .find(|file| !snapshot.zones().iter().any(|zone| zone.config.digest == file.zone.digest));
        refused.map_or(Ok(()), |file| Err(StartError::NotAdopted { path: file.path.clone() }))
    }

    fn directive(&self, why: &str, order: Order) -> Entry {
        let mut digester = Digester::default();
        digester.add(format!("{order:?}").as_bytes());
        digester.add(&self.app.clock.now().milliseconds().to_be_bytes());
        digester.add(&self.app.published.applied().number().to_be_bytes());
        let id = digester.digest();
        Entry::Directive(Directive { id, by: "configuration".to_owned(), why: why.to_owned(), order })
    }

    /// Stops the fold, which stores a checkpoint.
    pub async fn stop(self) {
        self.stop.cancel();
        self.publisher.stopped().await;
    }
}

fn last_time(journal: &dyn Journal) -> Result<Timestamp, JournalError> {
    Ok(journal.last()?.map(|recorded| recorded.at).unwrap_or_default())
}

impl Daemon {
    /// Starts all parts and returns once they are ready.
    ///
    /// # Errors
    /// When a part can't start; see [`StartError`].
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        // Files are checked first, before anything is created or bound.
        let lists = WatchedLists::read(config.dns.lists.clone(), SystemClock::start().now())?;
        let tls = config.tls.clone().map(smtp::Tls::read).transpose()?;
        let core = DaemonCore::open(config)?;
        match Serving::start(&core, config, lists, tls).await {
            Ok(serving) => Ok(Daemon { serving, core }),
            Err(error) => {
                core.stop().await;
                Err(error)
            }
        }
    }

    /// The addresses that the daemon listens on.
    pub fn bound(&self) -> &BoundAddresses {
        &self.serving.bound
    }

    /// The results of the fold.
    pub fn published(&self) -> &Arc<Published> {
        &self.core.app.published
    }

    /// The state that the HTTP handlers share.
    pub fn app(&self) -> &Arc<http::App> {
        &self.core.app
    }

    /// Waits until the inquiries about all stored evidence have been answered; see
    /// [`Observer::settled`].
    pub async fn observed(&self) {
        self.core.observer.settled().await;
    }

    /// Cancelled when the fold or the name server could not go on; the process should then end.
    pub fn failed(&self) -> CancellationToken {
        self.core.publisher.failed.clone()
    }

    /// Stops SMTP, then observation, HTTP, DNS and the fold. Everything that was acknowledged is in
    /// the journal.
    pub async fn stop(self, control: &std::path::Path) {
        let Serving { smtp, http, dns, .. } = self.serving;
        smtp.stop("SMTP").await;
        self.core.observer.stop().await;
        http.stop("HTTP").await;
        dns.stop("DNS").await;
        if let Err(error) = std::fs::remove_file(control) {
            tracing::debug!(%error, "the control socket's file could not be removed");
        }
        self.core.stop().await;
    }
}

fn smtp_serve(
    spec: &ConfigSpec,
    app: &http::App,
    observer: Arc<Observer>,
    tls: Option<TlsAcceptor>,
    start: [u8; 16],
) -> smtp::SmtpService {
    let limits = smtp::SessionLimits {
        message_octets_max: spec.smtp.message_octets_max,
        kept_octets_max: KEPT_OCTETS_MAX,
        recipients_max: spec.smtp.recipients_per_message_max,
        messages_max: spec.smtp.messages_per_session_max,
        errors_max: spec.smtp.errors_per_session_max,
        idle_timeout: spec.smtp.idle_timeout,
        message_timeout: spec.smtp.message_timeout,
        tarpit_max: spec.smtp.tarpit_max,
    };
    let clients = smtp::ClientLimits {
        sessions_max: spec.smtp.sessions_max,
        sessions_per_client_max: spec.smtp.sessions_per_client_max,
        per_client: smtp::MinuteRates {
            messages_max: spec.smtp.messages_per_client_max,
            octets_max: spec.smtp.octets_per_client_max,
            errors_max: spec.smtp.errors_per_client_max,
        },
        global: smtp::MinuteRates {
            messages_max: spec.smtp.messages_max,
            octets_max: spec.smtp.octets_max,
            errors_max: 0,
        },
    };
    let intake = Intake {
        traps: app.published.known_traps(),
        room: Some(DiskReserve {
            folder: spec.journal.directory.clone(),
            octets_min: spec.journal.free_octets_min,
        }),
        donors: app.published.known_donors(),
        journal: Arc::clone(&app.journal),
        keys: Arc::clone(&app.keys),
        metrics: Arc::clone(&app.metrics),
        observer,
        trusted_relays: spec.smtp.trusted_relays.clone(),
        node: spec.node.clone(),
        operator_maildir: spec.smtp.operator_maildir.clone(),
        start,
        transactions: AtomicU64::new(0),
    };
    smtp::SmtpService {
        limits: Arc::new(limits),
        hostname: spec.smtp.hostname.as_str().into(),
        intake: Arc::clone(app.intake.get_or_init(|| Arc::new(intake))),
        clock: Arc::clone(&app.clock),
        metrics: Arc::clone(&app.metrics),
        clients: smtp::ClientAccounts::new(clients),
        proxy_peers: spec.smtp.proxy_peers.clone(),
        naming_peers: spec.smtp.naming_peers.clone(),
        lmtp_peers: spec.smtp.lmtp_peers.clone(),
        tls,
        tarpit: Semaphore::new(smtp::TARPIT_SESSIONS_MAX),
        held: AtomicUsize::new(0),
    }
}

fn listen<A: std::fmt::Display>(what: &'static str, address: A) -> impl FnOnce(io::Error) -> StartError {
    let address = address.to_string();
    move |source| StartError::Listen { what, address, source }
}
