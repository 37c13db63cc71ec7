//! Sockets for sessions: thin, bounded, and in no hurry to give up.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::intake::Intake;
use super::proxy::{self, Proxied};
use super::recipients::Recipients;
use super::session::{Event, Limits, Session};
use crate::metrics::Metrics;
use crate::publish::Published;
use crate::relay::Relay;
use crate::sockets;
use crate::time::Clock;

/// Pause after an accept that failed, such as for want of file descriptors: weather, not death.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time for a trusted peer to say who the client is.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Octets held for all clients together: commands, and messages on their way to being durable. 421 beyond.
const HELD_OCTETS_MAX: usize = 512 << 20;
/// A session that holds less is let go on: it could not help.
const HELD_OCTETS_SMALL: usize = 64 << 10;
/// Octets read from a socket at once.
const READ_OCTETS: usize = 16 << 10;

/// What every session shares.
pub struct Serve {
    pub limits: Arc<Limits>,
    pub hostname: Arc<str>,
    pub published: Arc<Published>,
    pub intake: Arc<Intake>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// 421: further sessions are turned away.
    pub sessions_max: usize,
    pub sessions_per_client_max: usize,
    /// Who may name another client by the PROXY protocol.
    pub proxy_peers: Vec<IpNet>,
    /// Open sessions by client.
    pub clients: DashMap<IpAddr, usize>,
    /// Octets held for all of them.
    pub held: AtomicUsize,
}

/// A socket that is bound, and whether its clients are named by the PROXY protocol.
pub struct Listening {
    listener: TcpListener,
    proxied: bool,
}

impl Listening {
    pub fn bind(address: SocketAddr, proxied: bool) -> io::Result<Self> {
        Ok(Listening { listener: sockets::tcp(address)?, proxied })
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Accepts until told to stop, then waits for the sessions that are not idle.
pub async fn serve(listening: Listening, serve: Arc<Serve>, stop: CancellationToken) {
    let sessions = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listening.listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (serve, stop) = (Arc::clone(&serve), stop.clone());
                sessions
                    .spawn(async move { serve.connection(stream, peer.ip(), listening.proxied, stop).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    sessions.close();
    sessions.wait().await;
}

impl Serve {
    async fn connection(&self, mut stream: TcpStream, peer: IpAddr, proxied: bool, stop: CancellationToken) {
        // Replies are small and clients wait for them. A socket that can't be told so is only slower.
        let _ = stream.set_nodelay(true);
        let (client, early) = match self.client(&mut stream, peer, proxied).await {
            Ok(client) => client,
            Err(reason) => return self.metrics.smtp_refused_total.with_label_values(&[reason]).inc(),
        };
        let Some(_place) = Place::take(self, client) else {
            self.metrics.smtp_refused_total.with_label_values(&["too-many"]).inc();
            let busy = format!("421 4.3.2 {} has too many sessions, come back later\r\n", self.hostname);
            let _ = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(busy.as_bytes())).await;
            return;
        };
        self.metrics.smtp_sessions_total.inc();
        // A client that left in the middle needs no more than the end of its session.
        let _ = self.converse(&mut stream, Relay::new(client), early, stop).await;
    }

    async fn client(
        &self,
        stream: &mut TcpStream,
        peer: IpAddr,
        proxied: bool,
    ) -> Result<(IpAddr, Vec<u8>), &'static str> {
        if !proxied {
            return Ok((peer, Vec::new()));
        }
        if !self.proxy_peers.iter().any(|net| net.contains(&peer)) {
            return Err("proxy-peer");
        }
        match tokio::time::timeout(PROXY_TIMEOUT, proxy::read(stream)).await {
            Ok(Ok((Proxied::Client(client), early))) => Ok((client, early)),
            Ok(Ok((Proxied::Local, early))) => Ok((peer, early)),
            Ok(Err(_)) | Err(_) => Err("proxy-header"),
        }
    }

    async fn converse(
        &self,
        stream: &mut TcpStream,
        relay: Relay,
        early: Vec<u8>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let (hasher, domains) = (self.intake.keys.hasher().clone(), self.published.trap_domains());
        let recipients = Recipients::new(hasher, domains, Arc::clone(&self.hostname));
        let mut session = Session::new(
            Arc::clone(&self.limits),
            Arc::new(recipients),
            Arc::clone(&self.hostname),
            relay,
            self.clock.now(),
        );
        session.receive(&early, self.clock.now());
        let mut held = Held { all: &self.held, own: 0 };
        let mut octets = vec![0; READ_OCTETS];
        loop {
            if held.is_too_much(session.held_octets()) {
                session.crowded_out();
            }
            if !self.answer(&mut session, stream).await? {
                return stream.shutdown().await;
            }
            // A message that was on its way is durable, or given back.
            held.set(session.held_octets());
            let read = tokio::select! {
                read = tokio::time::timeout(self.limits.idle_timeout.to_std(), stream.read(&mut octets)) => read,
                () = stop.cancelled(), if session.is_idle() => {
                    session.stop();
                    continue;
                }
            };
            match read {
                Ok(read) => match read? {
                    0 => return Ok(()),
                    count => session.receive(&octets[..count], self.clock.now()),
                },
                Err(_) => session.timed_out(),
            }
        }
    }

    /// Does what the session asks for; `false` once it is closed. Replies to pipelined commands go out together.
    async fn answer(&self, session: &mut Session, stream: &mut TcpStream) -> io::Result<bool> {
        let mut replies = Vec::new();
        let mut open = true;
        while open {
            match session.next_event() {
                Some(Event::Reply(reply)) => {
                    let code = std::str::from_utf8(&reply[..3]).unwrap_or("none");
                    self.metrics.smtp_replies_total.with_label_values(&[code]).inc();
                    replies.extend(reply);
                }
                Some(Event::Message(transaction)) => {
                    write(stream, &mut replies).await?;
                    let outcome = self.intake.message(*transaction).await;
                    session.settle(&outcome);
                }
                Some(Event::Left(transaction)) => self.intake.left(*transaction).await,
                Some(Event::Close) => open = false,
                None => break,
            }
        }
        write(stream, &mut replies).await?;
        Ok(open)
    }
}

async fn write(stream: &mut TcpStream, replies: &mut Vec<u8>) -> io::Result<()> {
    if !replies.is_empty() {
        tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(replies)).await??;
        replies.clear();
    }
    Ok(())
}

/// What one session holds of what all may hold.
struct Held<'a> {
    all: &'a AtomicUsize,
    own: usize,
}

impl Held<'_> {
    fn set(&mut self, octets: usize) {
        if octets >= self.own {
            self.all.fetch_add(octets - self.own, Ordering::Relaxed);
        } else {
            self.all.fetch_sub(self.own - octets, Ordering::Relaxed);
        }
        self.own = octets;
    }

    fn is_too_much(&mut self, octets: usize) -> bool {
        self.set(octets);
        octets > HELD_OCTETS_SMALL && self.all.load(Ordering::Relaxed) > HELD_OCTETS_MAX
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// One session's place among those that are allowed.
struct Place<'a> {
    serve: &'a Serve,
    client: IpAddr,
}

impl<'a> Place<'a> {
    fn take(serve: &'a Serve, client: IpAddr) -> Option<Self> {
        let open = serve.metrics.smtp_sessions.get();
        if usize::try_from(open).is_ok_and(|open| open >= serve.sessions_max) {
            return None;
        }
        // One IPv6 host has a /64 to choose its addresses from.
        let client = Relay::new(client).line().network();
        let mut sessions = serve.clients.entry(client).or_insert(0);
        if *sessions >= serve.sessions_per_client_max {
            return None;
        }
        *sessions += 1;
        serve.metrics.smtp_sessions.inc();
        Some(Place { serve, client })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.serve.metrics.smtp_sessions.dec();
        if let Some(mut sessions) = self.serve.clients.get_mut(&self.client) {
            *sessions = sessions.saturating_sub(1);
        }
        self.serve.clients.remove_if(&self.client, |_, sessions| *sessions == 0);
    }
}
