//! The listeners: binding them, and the tasks that answer clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::core::DaemonCore;
use super::start_error::StartError;
use crate::config::Config;
use crate::lists::WatchedLists;
use crate::name_server::{NameServer, NameServerSecrets};
use crate::smtp::{self, SmtpSettings};
use crate::{dns, http, publish, sockets};

/// Maximum time that clients have to finish when the daemon stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// The metrics.
    pub metrics: Vec<SocketAddr>,
}

/// The listeners, in the order in which they are stopped.
pub(super) struct Serving {
    pub(super) bound: BoundAddresses,
    pub(super) smtp: Tasks,
    pub(super) http: Tasks,
    pub(super) dns: Tasks,
}

impl Serving {
    /// Adopts the zones and binds all addresses, then starts to answer; SMTP last.
    pub(super) async fn start(
        core: &DaemonCore,
        config: &Config,
        lists: WatchedLists,
        tls: Option<smtp::Tls>,
    ) -> Result<Self, StartError> {
        core.begin().await?;
        core.adopt(&config.zones).await?;
        let app = &core.app;
        let mut bound = BoundAddresses::default();
        let mut dns_listening = Vec::new();
        for &address in &config.name_server.listen {
            let listening = dns::DnsListener::bind(address, config.name_server.threads)
                .map_err(listen("DNS", address))?;
            bound.dns.push(listening.local_address().map_err(listen("DNS", address))?);
            dns_listening.push(listening);
        }
        let http_listening = bind_tcp("HTTP", &config.http.listen, &mut bound.http)?;
        let metrics_listening = bind_tcp("metrics", &config.metrics.listen, &mut bound.metrics)?;
        let control = http::bind_control(&config.control_socket)
            .map_err(listen("the control socket", config.control_socket.display()))?;
        let mut smtp_listening = Vec::new();
        for (addresses, door, found) in [
            (&config.smtp.listen, smtp::ListenerKind::Smtp, &mut bound.smtp),
            (&config.smtp.listen_proxy, smtp::ListenerKind::Proxied, &mut bound.smtp_proxy),
            (&config.smtp.listen_lmtp, smtp::ListenerKind::Lmtp, &mut bound.lmtp),
        ] {
            for &address in addresses {
                let listening = smtp::SmtpListener::bind(address, door).map_err(listen("SMTP", address))?;
                found.push(listening.local_address().map_err(listen("SMTP", address))?);
                smtp_listening.push(listening);
            }
        }
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let serve = Arc::new(smtp_serve(config.smtp.clone(), app, acceptor));

        let (mut smtp, mut http, mut dns) = (Tasks::default(), Tasks::default(), Tasks::default());
        let judged = app.published.snapshots();
        let zones = app.published.snapshot();
        let zones = zones.zones().iter().map(|zone| zone.config.apex.origin.clone()).collect();
        let name_server = NameServer::new(
            config.name_server.clone(),
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
        for listener in metrics_listening {
            http.running.spawn(http::serve_metrics(listener, Arc::clone(app), http.stop.clone()));
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

/// Tasks that are stopped together.
#[derive(Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    stop: CancellationToken,
}

impl Tasks {
    /// Stops the tasks and waits for them to end, at most for `DRAIN_TIMEOUT`.
    pub(super) async fn stop(mut self, what: &str) {
        self.stop.cancel();
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            tracing::warn!(what, "clients that did not finish in time were disconnected");
            self.running.abort_all();
        }
    }
}

fn smtp_serve(settings: SmtpSettings, app: &http::App, tls: Option<TlsAcceptor>) -> smtp::SmtpService {
    // All fields are named, so that the compiler rejects a setting that nothing reads.
    let SmtpSettings {
        texts,
        // The listeners are bound, and the files for STARTTLS are read, before.
        listen: _,
        listen_proxy: _,
        listen_lmtp: _,
        tls: _,
        proxy_peers,
        naming_peers,
        lmtp_peers,
        session,
        clients,
        refused_recipients_per_hour,
    } = settings;
    smtp::SmtpService {
        limits: Arc::new(session),
        texts: Arc::new(texts),
        intake: Arc::clone(&app.intake),
        clock: Arc::clone(&app.clock),
        metrics: Arc::clone(&app.metrics),
        clients: smtp::ClientAccounts::new(clients),
        proxy_peers,
        naming_peers,
        lmtp_peers,
        handing_over: app.intake.trusted_relays.as_slice().into(),
        guesses: smtp::GuessAccounts::new(refused_recipients_per_hour),
        guessers: Semaphore::new(smtp::GUESSERS_WAITING_MAX),
        tls,
        tarpit: Semaphore::new(smtp::TARPIT_SESSIONS_MAX),
        held: AtomicUsize::new(0),
    }
}

fn bind_tcp(
    what: &'static str,
    addresses: &[SocketAddr],
    bound: &mut Vec<SocketAddr>,
) -> Result<Vec<TcpListener>, StartError> {
    let mut listening = Vec::new();
    for &address in addresses {
        let listener = sockets::tcp(address).map_err(listen(what, address))?;
        bound.push(listener.local_addr().map_err(listen(what, address))?);
        listening.push(listener);
    }
    Ok(listening)
}

fn listen<A: std::fmt::Display>(what: &'static str, address: A) -> impl FnOnce(io::Error) -> StartError {
    let address = address.to_string();
    move |source| StartError::Listen { what, address, source }
}
