//! The DNS server: reads queries from the network and writes the answers.
//!
//! The `service` module decides every answer. Messages are read and written by the fast path
//! (`lane`, `message`) for plain UDP queries, and by the hickory library (`handler`, `slow`, `tcp`)
//! for all else.

mod access;
#[cfg(any(test, fuzzing))]
mod agreement;
mod ask;
mod cookies;
mod edns;
mod handler;
mod lane;
mod limit;
mod message;
mod outcome;
mod records;
mod service;
mod slow;
mod tcp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Action, Key, Rule, canonical};
#[cfg(any(test, fuzzing))]
pub use agreement::{Agreement, CLIENTS};
pub use ask::{Said, ask};
pub use cookies::{Cookies, SECRET_OCTETS};
pub use edns::Nsid;
pub use limit::Limits;
pub use service::Service;
pub use tcp::Limits as TcpLimits;

use crate::metrics::DnsMetrics;
use crate::sockets;
use handler::Handler;
use lane::{Lane, Slow};
use limit::Limiter;
use tcp::Streams;

/// Greatest number of datagrams that wait for the library.
const SLOW_MAX: usize = 1_024;

/// The bound sockets of one address.
pub struct Listening {
    /// One socket for each thread.
    udp: Vec<std::net::UdpSocket>,
    tcp: TcpListener,
}

/// The settings of the name server.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The limits on responses over UDP.
    pub limits: Limits,
    /// A secret, so that an attacker cannot choose which keys share a counter.
    pub seed: u64,
    /// The limits on TCP connections.
    pub tcp: TcpLimits,
}

impl Listening {
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
        Ok(Listening { udp, tcp })
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
struct Watched(CancellationToken);

impl Drop for Watched {
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
    listening: Vec<Listening>,
    service: Arc<Service>,
    metrics: Arc<DnsMetrics>,
    settings: Settings,
    failed: CancellationToken,
    stop: CancellationToken,
) {
    let limiter = |nth: usize| Limiter::new(settings.limits, settings.seed.wrapping_add(nth as u64));
    let handler = Arc::new(Handler::new(Arc::clone(&service), Arc::clone(&metrics), limiter(0)));
    let streams = Streams::new(Arc::clone(&handler), settings.tcp);
    let (slow, queue) = mpsc::channel::<Slow>(SLOW_MAX);
    let (mut tasks, mut threads) = (JoinSet::new(), Vec::new());
    let stop_threads = Arc::new(AtomicBool::new(false));
    for Listening { udp, tcp } in listening {
        tasks.spawn(Arc::clone(&streams).serve(tcp, stop.clone()));
        for socket in udp {
            let lane = Lane {
                socket: Arc::new(socket),
                service: Arc::clone(&service),
                metrics: Arc::clone(&metrics),
                limiter: limiter(threads.len() + 1),
                slow: slow.clone(),
                stop: Arc::clone(&stop_threads),
            };
            let watched = Watched(failed.clone());
            let run = move || {
                let _watched = watched;
                lane.run();
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
    tasks.spawn(slow::serve(handler, queue, stop.clone()));
    stop.cancelled().await;
    stop_threads.store(true, Ordering::Relaxed);
    let joined =
        tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
    while tasks.join_next().await.is_some() {}
    drop(joined.await);
}
