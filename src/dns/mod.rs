//! The DNS server: reads queries from the network and writes the answers.
//!
//! The `service` module decides every answer. Messages are read and written by the fast path
//! (`udp`, `message`) for plain UDP queries, and by the hickory library (`handler`, `fallback`,
//! `tcp`) for all else.

mod access;
#[cfg(any(test, fuzzing))]
mod agreement;
mod cookies;
mod edns;
mod fallback;
mod handler;
mod limit;
mod lookup;
mod message;
mod outcome;
mod records;
mod service;
mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use access::{AccessAction, AccessKey, AccessRule, AccessTable, canonical};
#[cfg(any(test, fuzzing))]
pub use agreement::{Agreement, CLIENTS};
pub use cookies::{CookieSecret, CookieSecrets, SECRET_OCTETS};
pub use edns::Nsid;
pub use limit::ResponseLimits;
pub use lookup::{LookupAnswer, ask};
pub use service::DnsService;
pub use tcp::TcpLimits;

use crate::metrics::DnsMetrics;
use crate::sockets;
use handler::DnsHandler;
use limit::ResponseLimiter;
use tcp::TcpConnections;
use udp::{Fallback, UdpWorker};

/// Greatest number of datagrams that wait for the library.
const SLOW_MAX: usize = 1_024;

/// The bound sockets of one address.
pub struct DnsListener {
    /// One socket for each thread.
    udp: Vec<std::net::UdpSocket>,
    tcp: TcpListener,
}

/// The settings of the name server.
#[derive(Clone, Copy, Debug)]
pub struct DnsSettings {
    /// The limits on responses over UDP.
    pub limits: ResponseLimits,
    /// A secret, so that an attacker cannot choose which keys share a counter.
    pub seed: u64,
    /// The limits on TCP connections.
    pub tcp: TcpLimits,
}

impl DnsListener {
    /// Binds one TCP socket and one UDP socket for each of `threads` threads (0 for the number of
    /// processors). With port 0 all sockets get the same free port.
    ///
    /// # Errors
    /// If a socket cannot be bound.
    pub fn bind(address: SocketAddr, threads: usize) -> io::Result<Self> {
        let tcp = sockets::tcp(address)?;
        let address = tcp.local_addr()?;
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let udp = (0..threads).map(|_| sockets::udp(address)).collect::<io::Result<_>>()?;
        Ok(DnsListener { udp, tcp })
    }

    /// The address and port that the sockets are bound to.
    ///
    /// # Errors
    /// If the operating system does not return the address.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Cancels its token if its thread panics.
struct PanicGuard(CancellationToken);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a UDP thread panicked");
            self.0.cancel();
        }
    }
}

/// Answers queries on all sockets until `stop` is cancelled. `failed` is cancelled if a UDP socket
/// is no longer answered.
pub async fn serve(
    listening: Vec<DnsListener>,
    service: Arc<DnsService>,
    metrics: Arc<DnsMetrics>,
    settings: DnsSettings,
    failed: CancellationToken,
    stop: CancellationToken,
) {
    let limiter = |nth: usize| ResponseLimiter::new(settings.limits, settings.seed.wrapping_add(nth as u64));
    let handler = Arc::new(DnsHandler::new(Arc::clone(&service), Arc::clone(&metrics), limiter(0)));
    let streams = TcpConnections::new(Arc::clone(&handler), settings.tcp);
    let (slow, queue) = mpsc::channel::<Fallback>(SLOW_MAX);
    let (mut tasks, mut threads) = (JoinSet::new(), Vec::new());
    let stop_threads = Arc::new(AtomicBool::new(false));
    for DnsListener { udp, tcp } in listening {
        tasks.spawn(Arc::clone(&streams).serve(tcp, stop.clone()));
        for socket in udp {
            let worker = UdpWorker {
                socket: Arc::new(socket),
                service: Arc::clone(&service),
                metrics: Arc::clone(&metrics),
                limiter: limiter(threads.len() + 1),
                slow: slow.clone(),
                stop: Arc::clone(&stop_threads),
            };
            let watched = PanicGuard(failed.clone());
            let run = move || {
                let _watched = watched;
                worker.run();
            };
            match std::thread::Builder::new().name("dns-udp".to_owned()).spawn(run) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    tracing::error!(%error, "cannot start a thread for a UDP socket");
                    failed.cancel();
                }
            }
        }
    }
    tasks.spawn(fallback::serve(handler, queue, stop.clone()));
    stop.cancelled().await;
    stop_threads.store(true, Ordering::Relaxed);
    let joined =
        tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
    while tasks.join_next().await.is_some() {}
    drop(joined.await);
}
