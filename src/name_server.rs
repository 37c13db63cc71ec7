//! The name server, assembled: with the fold's zones, or with list files alone.

// A setting that nothing reads is an error.
#![deny(unused_variables)]

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::dns::{
    self, AccessKey, AccessRule, AccessTable, CookieSecret, CookieSecrets, DnsListener, DnsService,
    DnsSettings, Nsid, ResponseLimits, TcpLimits,
};
use crate::keys::{self, KeyError};
use crate::lists::WatchedLists;
use crate::metrics::DnsMetrics;
use crate::time::{Clock, Span, Stopwatch};
use crate::zone::{DomainName, Snapshot};

/// The settings of a name server, as the configuration makes them.
#[derive(Clone, Debug)]
pub struct NameServerSettings {
    /// The addresses to listen on, by UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// The number of threads for UDP on each address; 0 means one for each processor.
    pub threads: usize,
    /// Which clients may query which zones.
    pub access_rules: Vec<AccessRule>,
    /// The keys that may stand in query names.
    pub access_keys: Vec<AccessKey>,
    /// The secrets of DNS cookies; if empty, a random one is used.
    pub cookie_secrets: Vec<CookieSecret>,
    /// The server's identifier; `None` if it has none.
    pub nsid: Option<Nsid>,
    /// The text of the answer to CH queries for the version. If empty, they are refused.
    pub version: String,
    /// The greatest age of data that is still served.
    pub age_max: Span,
    /// The networks of clients whose responses are not limited.
    pub unlimited: Vec<IpNet>,
    /// The limits on responses over UDP.
    pub responses: ResponseLimits,
    /// The limits on TCP connections.
    pub tcp: TcpLimits,
}

/// Random values that clients must not be able to guess.
pub struct NameServerSecrets {
    cookie_secret: CookieSecret,
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
            cookie_secret: CookieSecret::new(keys::random()?),
            seed: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        })
    }
}

impl NameServer {
    /// A name server for the fold's zones (`zones` are their origins) and for list files.
    pub fn new(
        settings: NameServerSettings,
        judged: Arc<ArcSwap<Snapshot>>,
        mut zones: Vec<DomainName>,
        watched: WatchedLists,
        clock: Arc<dyn Clock>,
        random: NameServerSecrets,
    ) -> Self {
        // All fields are named, so that the compiler rejects a setting that nothing reads.
        let NameServerSettings {
            // The listeners are bound before.
            listen: _,
            threads: _,
            access_rules,
            access_keys,
            cookie_secrets: mut secrets,
            nsid,
            version,
            age_max,
            unlimited,
            responses,
            tcp,
        } = settings;
        let lists: Arc<ArcSwap<_>> = Arc::clone(&watched.lists);
        zones.extend(lists.load().zones().iter().map(|zone| zone.apex.origin.clone()));
        let access = AccessTable::new(&access_rules, access_keys);
        let metrics = Arc::new(DnsMetrics::new(zones, access.key_names().to_vec()));
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
            nsid,
            unlimited: unlimited.into_iter().map(dns::canonical).collect(),
            version,
            age_max,
        };
        let settings = DnsSettings { limits: responses, seed: random.seed, tcp };
        NameServer { service: Arc::new(service), metrics, settings, watched, clock }
    }

    /// A name server for list files alone.
    pub fn over_lists(
        settings: NameServerSettings,
        watched: WatchedLists,
        clock: Arc<dyn Clock>,
        random: NameServerSecrets,
    ) -> Self {
        NameServer::new(settings, Arc::default(), Vec::new(), watched, clock, random)
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
