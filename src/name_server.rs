//! The name server, assembled: with the fold's zones, or with list files alone.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::config::{self, DnsSection};
use crate::dns::{
    self, AccessTable, CookieSecrets, DnsListener, DnsService, DnsSettings, Nsid, ResponseLimits, TcpLimits,
};
use crate::keys::{self, KeyError};
use crate::lists::WatchedLists;
use crate::metrics::DnsMetrics;
use crate::time::{Clock, Stopwatch};
use crate::zone::{DomainName, Snapshot};

/// Random values that clients must not be able to guess.
pub struct NameServerSecrets {
    cookie_secret: [u8; dns::SECRET_OCTETS],
    seed: u64,
}

/// A name server that is ready to serve.
pub struct NameServer {
    service: Arc<DnsService>,
    /// The metrics.
    pub metrics: Arc<DnsMetrics>,
    settings: DnsSettings,
    watched: WatchedLists,
    clock: Arc<dyn Clock>,
}

impl NameServerSecrets {
    /// Draws new values.
    ///
    /// # Errors
    /// When the system provides no random numbers.
    pub fn new() -> Result<Self, KeyError> {
        let [a, b, c, d, e, f, g, h, ..] = keys::random()?;
        Ok(NameServerSecrets {
            cookie_secret: keys::random()?,
            seed: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        })
    }
}

impl NameServer {
    /// A name server for the fold's zones (`zones` are their origins) and for list files.
    pub fn new(
        spec: &DnsSection,
        checked: &config::DnsConfig,
        judged: Arc<ArcSwap<Snapshot>>,
        mut zones: Vec<DomainName>,
        watched: WatchedLists,
        clock: Arc<dyn Clock>,
        random: NameServerSecrets,
    ) -> Self {
        let lists: Arc<ArcSwap<_>> = Arc::clone(&watched.lists);
        zones.extend(lists.load().zones().iter().map(|zone| zone.apex.origin.clone()));
        let access = AccessTable::new(&checked.rules, checked.keys.clone());
        let metrics = Arc::new(DnsMetrics::new(zones, access.key_names().to_vec()));
        let mut secrets = checked.cookie_secrets.clone();
        if secrets.is_empty() {
            secrets.push(random.cookie_secret);
        }
        let service = DnsService {
            judged,
            lists,
            clock: Arc::clone(&clock),
            running: Stopwatch::start(),
            access,
            cookies: CookieSecrets::new(secrets),
            nsid: Nsid::new(&spec.nsid),
            unlimited: spec.unlimited.iter().copied().map(dns::canonical).collect(),
            version: spec.version.clone(),
            age_max: spec.data_age_max,
        };
        let limits = ResponseLimits {
            identical: spec.identical_responses_max,
            network: spec.network_responses_max,
            error: spec.error_responses_max,
            slip: spec.slip,
        };
        let tcp = TcpLimits {
            connections_max: spec.tcp_connections_max,
            connections_per_client_max: spec.tcp_connections_per_client_max,
            idle_timeout: spec.tcp_idle_timeout.to_std(),
        };
        let settings = DnsSettings { limits, seed: random.seed, tcp };
        NameServer { service: Arc::new(service), metrics, settings, watched, clock }
    }

    /// A name server for list files alone, with the default settings.
    pub fn over_lists(watched: WatchedLists, clock: Arc<dyn Clock>, random: NameServerSecrets) -> Self {
        let checked = config::DnsConfig::default();
        NameServer::new(&DnsSection::default(), &checked, Arc::default(), Vec::new(), watched, clock, random)
    }

    /// Answers queries and rereads changed list files until it is stopped. Cancels `failed` when a
    /// part of it can't go on.
    pub async fn serve(
        self,
        listening: Vec<DnsListener>,
        failed: CancellationToken,
        stop: CancellationToken,
    ) {
        let NameServer { service, metrics, settings, watched, clock } = self;
        let watching = tokio::spawn(watched.watch(clock, stop.clone()));
        dns::serve(listening, service, metrics, settings, failed, stop).await;
        // A file system that does not respond must not delay the end.
        watching.abort();
    }
}

/// Binds the addresses of a name server, with `threads` threads at each; 0 means one for each
/// processor.
///
/// # Errors
/// The address that can't be bound, and why.
pub fn bind(
    addresses: &[SocketAddr],
    threads: usize,
) -> Result<Vec<DnsListener>, (SocketAddr, std::io::Error)> {
    let bound = addresses
        .iter()
        .map(|&address| DnsListener::bind(address, threads).map_err(|error| (address, error)));
    bound.collect()
}
