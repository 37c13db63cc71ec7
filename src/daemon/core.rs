//! What runs without listeners: the journal, the keys, the fold, the observer and the intake.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::recalling::recall;
use super::routing::{RoutingParts, route};
use super::start_error::StartError;
use super::verifying::{VerifyingParts, look_of, past_session, verify};
use crate::audit::AuditLog;
use crate::config::{ClockSettings, Config, JournalSettings, ZoneFile};
use crate::evidence::{Directive, Entry, Offset, Order};
use crate::folder;
use crate::http::{self, HttpSettings};
use crate::intake::{Intake, IntakeSettings, WrongRecipients};
use crate::journal::{EmbeddedJournal, Journal, JournalError};
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::observe::{Lookups, MailRoutes, Networks, Observer, ObserverSettings};
use crate::publish::{PublishError, Publisher, tick_number};
use crate::relay::Listable;
use crate::score::VerificationMode;
use crate::smtp::SmtpSettings;
use crate::time::{Clock, LaboratoryClock, SystemClock, Timestamp};
use crate::verify::{SessionTimes, Verifier};

/// The name of the store's file in the journal's folder.
pub const STORE_FILE: &str = "journal.redb";

/// Everything but the listeners: the journal, the fold, and the parts that use their results.
pub struct DaemonCore {
    /// The state that the HTTP handlers share.
    pub app: Arc<http::App>,
    pub(super) observer: Arc<Observer>,
    pub(super) publisher: Publisher,
    recalling: JoinHandle<()>,
    verifying: JoinHandle<()>,
    routing: JoinHandle<()>,
    stop: CancellationToken,
}

impl DaemonCore {
    /// Opens the journal and folds it, which restores the list as it was.
    ///
    /// # Errors
    /// When a file can't be read or created, the fold can't start, or the clock is too far ahead of
    /// the journal.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        // All fields of settings are named, so that the compiler rejects a setting that nothing reads.
        let ClockSettings { laboratory_start, leap_max } = config.clock;
        let JournalSettings { reserve, retention, tick_interval } = config.journal.clone();
        let laboratory = laboratory_start.map(|start| Arc::new(LaboratoryClock::new(start)));
        let clock: Arc<dyn Clock> = match &laboratory {
            Some(laboratory) => Arc::<LaboratoryClock>::clone(laboratory),
            None => Arc::new(SystemClock::start()),
        };
        let directory = config.journal.directory();
        let failed = |source| StartError::Folder { path: directory.to_owned(), source };
        folder::make(directory).map_err(failed)?;
        let store = directory.join(STORE_FILE);
        keep_private(config, &store)?;
        let journal: Arc<dyn Journal> =
            Arc::new(EmbeddedJournal::open_with_room(&store, Arc::clone(&clock), reserve.clone())?);
        let begun = *journal.head().borrow() > Offset::START;
        let directory = &config.keys_directory;
        let keys = if begun { Keys::open_known(directory) } else { Keys::open(directory) };
        let keys = Arc::new(keys?);
        let last = last_time(&*journal)?;
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
            AuditLog::open(&config.audit_directory).map_err(PublishError::Audit)?,
            Arc::clone(&keys),
            Arc::clone(&metrics),
            retention,
            stop.clone(),
        )?;
        let published = Arc::clone(&publisher.published);
        let lookups = Arc::new(lookups(&config.observe)?);
        let observer = Arc::new(observer(&config.observe, Arc::clone(&lookups), &journal, &metrics, &clock)?);
        let recall =
            recall(Arc::clone(&published), Arc::clone(&journal), Arc::clone(&observer), stop.clone());
        let recalling = tokio::spawn(recall);
        let routes = Arc::new(mail_routes(config, Arc::clone(&lookups)));
        let parts = RoutingParts {
            published: Arc::clone(&published),
            journal: Arc::clone(&journal),
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
            routes: Arc::clone(&routes),
        };
        let routing = tokio::spawn(route(parts, stop.clone()));
        let verifier = Arc::new(verifier_of(config, lookups, Arc::clone(&clock)));
        warn_if_nothing_can_be_asked(config, &verifier);
        verifier.remember(publisher.sessions.iter().cloned().map(past_session));
        let parts = VerifyingParts {
            published: Arc::clone(&published),
            journal: Arc::clone(&journal),
            keys: Arc::clone(&keys),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            look: look_of(&verifier),
            verifier,
            nonce: keys.nonce()?,
        };
        let verifying = tokio::spawn(verify(parts, stop.clone()));
        let IntakeSettings { node, trusted_relays, operator_maildir } = config.intake.clone();
        let intake = Intake {
            traps: published.known_traps(),
            room: Some(reserve),
            donors: published.known_donors(),
            journal: Arc::clone(&journal),
            start: keys.nonce()?,
            keys: Arc::clone(&keys),
            metrics: Arc::clone(&metrics),
            observer: Arc::clone(&observer),
            trusted_relays,
            node,
            operator_maildir,
            wrong_recipients: WrongRecipients::default(),
            transactions: AtomicU64::new(0),
        };
        // The listeners are bound in `serving`.
        let HttpSettings { listen: _, operators, proxies, removals_per_client_max } = config.http.clone();
        let app = Arc::new(http::App {
            published,
            journal,
            keys,
            metrics,
            clock,
            laboratory,
            tick_interval,
            audit_directory: config.audit_directory.clone(),
            operators,
            proxies,
            removals: http::HourlyLimit::new(removals_per_client_max),
            removals_of_hour: http::HourlyCount::default(),
            wrong_tokens: http::HourlyLimit::new(http::WRONG_TOKENS_MAX),
            places: http::RequestPlaces::default(),
            intake: Arc::new(intake),
            routes,
        });
        Ok(DaemonCore { app, observer, publisher, recalling, verifying, routing, stop })
    }

    /// Appends a tick for the current time, because the fold's time moves only by entries. In a new
    /// journal, also records the key under which its traps are hashed.
    ///
    /// # Errors
    /// When the journal failed permanently, or the entries do not take effect in time.
    pub async fn begin(&self) -> Result<(), StartError> {
        let app = &self.app;
        let tick = Entry::Tick(tick_number(app.clock.now(), app.tick_interval));
        let key = app.published.standing().trap_key.is_none().then(|| {
            let fingerprint = app.keys.hasher().fingerprint();
            self.directive("the journal is new", Order::SetTrapKey { fingerprint })
        });
        let mut last = Offset::START;
        for entry in [Some(tick), key].into_iter().flatten() {
            last = match app.journal.append(entry.into()).await {
                // The list stays available, although out of date; mail has to wait.
                Err(error) if error.is_passing() => {
                    tracing::error!(%error, "the journal cannot be written; the list is out of date");
                    return Ok(());
                }
                taken => taken?,
            };
        }
        if app.published.reached(last).await {
            Ok(())
        } else {
            Err(StartError::Publish(PublishError::Behind))
        }
    }

    /// Appends a directive for every difference between the zones in the journal and the configured
    /// ones.
    pub(super) async fn adopt(&self, zones: &[ZoneFile]) -> Result<(), StartError> {
        let app = &self.app;
        let mut entries = Vec::new();
        let snapshot = app.published.snapshot();
        for zone in snapshot.zones() {
            if !zones.iter().any(|file| file.zone.apex.origin == zone.config.apex.origin) {
                let origin = zone.config.apex.origin.to_string();
                entries.push(self.directive("the zone's file was removed", Order::WithdrawZone { origin }));
            }
        }
        for file in zones {
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
        let refused = zones
            .iter()
            .find(|file| !snapshot.zones().iter().any(|zone| zone.config.digest == file.zone.digest));
        let why = app.published.refusal(last).unwrap_or("another zone of the configuration has its origin");
        refused.map_or(Ok(()), |file| Err(StartError::NotAdopted { path: file.path.clone(), why }))
    }

    fn directive(&self, why: &str, order: Order) -> Entry {
        let (now, applied) = (self.app.clock.now(), self.app.published.applied());
        Entry::Directive(Directive::new("configuration".to_owned(), why.to_owned(), order, now, applied))
    }

    /// Stops the fold, which stores a checkpoint.
    pub async fn stop(self) {
        self.stop.cancel();
        self.publisher.stopped().await;
        if let Err(error) = self.recalling.await {
            tracing::error!(%error, "the search for evidence without an answer failed");
        }
        if let Err(error) = self.verifying.await {
            tracing::error!(%error, "the verification of cases failed");
        }
        if let Err(error) = self.routing.await {
            tracing::error!(%error, "the look-ups of trap domains failed");
        }
    }
}

/// Makes sure that nobody but this user can change the journal's folder or use the store.
fn keep_private(config: &Config, store: &Path) -> Result<(), StartError> {
    let directory = config.journal.directory();
    let beside = [&config.audit_directory, &config.intake.operator_maildir, &config.control_socket];
    let is_ours = |name: &OsStr| {
        let path = directory.join(name);
        path.with_extension("") == store.with_extension("") || beside.contains(&&path)
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Folder { path, source }
    };
    folder::keep_private(directory, is_ours).map_err(failed(directory))?;
    if store.exists() {
        folder::keep_file_private(store).map_err(failed(store))?;
    }
    Ok(())
}

/// An observer without inquiries.
fn observer(
    settings: &ObserverSettings,
    lookups: Arc<Lookups>,
    journal: &Arc<dyn Journal>,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Observer, StartError> {
    let ObserverSettings { enabled: _, resolvers: _, laboratory_hosts: _, networks_file, limits } = settings;
    let networks = match networks_file {
        None => Networks::default(),
        Some(path) => {
            Networks::read(path).map_err(|source| StartError::Networks { path: path.clone(), source })?
        }
    };
    let (journal, metrics, clock) = (Arc::clone(journal), Arc::clone(metrics), Arc::clone(clock));
    Ok(Observer::new(lookups, networks, journal, metrics, clock, *limits))
}

/// The source of answers about relays.
///
/// # Errors
/// When the resolver can't be set up.
pub fn lookups(settings: &ObserverSettings) -> Result<Lookups, StartError> {
    let ObserverSettings { enabled, resolvers, laboratory_hosts, networks_file: _, limits: _ } = settings;
    Ok(match (enabled, laboratory_hosts.as_slice()) {
        (false, _) => Lookups::Nothing,
        (true, []) => Lookups::dns(resolvers).map_err(StartError::Resolver)?,
        (true, hosts) => Lookups::Laboratory(hosts.to_vec()),
    })
}

/// Look-ups of where the mail for trap domains goes.
fn mail_routes(config: &Config, lookups: Arc<Lookups>) -> MailRoutes {
    let SmtpSettings { texts, listen, listen_proxy, .. } = &config.smtp;
    let listeners = listen.iter().chain(listen_proxy).map(SocketAddr::ip);
    MailRoutes::new(lookups, Arc::clone(&texts.hostname), listeners)
}

/// A verifier that has asked nothing.
pub fn verifier_of(config: &Config, lookups: Arc<Lookups>, clock: Arc<dyn Clock>) -> Verifier {
    let zones = config.zones.iter().map(|file| &file.zone);
    let laboratory_networks =
        zones.flat_map(|zone| zone.listable.laboratory_networks.iter().copied()).collect();
    let listable = Listable { laboratory_networks };
    Verifier::new(lookups, config.verify.clone(), listable, clock, SessionTimes::default())
}

fn warn_if_nothing_can_be_asked(config: &Config, verifier: &Verifier) {
    let is_needed = config.zones.iter().any(|file| file.zone.policy.verification != VerificationMode::Off);
    if is_needed && !verifier.can_ask() {
        tracing::warn!(
            "verify.addresses is empty, so no relay's side can be asked; cases that need verification wait, \
             and these relays are not listed"
        );
    }
}

fn last_time(journal: &dyn Journal) -> Result<Timestamp, JournalError> {
    Ok(journal.last()?.map(|recorded| recorded.at).unwrap_or_default())
}
