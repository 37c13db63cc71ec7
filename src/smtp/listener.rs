//! Sockets for sessions: thin, bounded, and in no hurry to give up.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clients::{Clients, Place};
use super::proxy::{self, Proxied};
use super::recipients::Recipients;
use super::session::{Ending, Event, Limits, Peer, Protocol, Session};
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::relay::Relay;
use crate::sockets;
use crate::time::{Clock, Span};

/// Pause after an accept that failed, such as for want of file descriptors: weather, not death.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time for a trusted peer to say who the client is.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a client to take a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for a client to agree on TLS.
const TLS_TIMEOUT: Duration = Duration::from_secs(30);
/// What a client that was turned away may still send until it has read the reply, and for how long it is listened to.
const LINGER_OCTETS_MAX: usize = 1 << 20;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Most clients that are kept waiting for a reply at one time; beyond it replies come at once.
pub const TARPIT_SESSIONS_MAX: usize = 256;
/// Octets held for all clients together: commands, and messages on their way to being durable. 421 beyond.
const HELD_OCTETS_MAX: usize = 512 << 20;
/// A session that holds less is let go on: it could not help.
const HELD_OCTETS_SMALL: usize = 64 << 10;
/// Octets of replies that wait to be sent together.
const REPLY_OCTETS_MAX: usize = 16 << 10;
/// Octets read from a socket at once.
const READ_OCTETS: usize = 16 << 10;

/// What every session shares.
pub struct Serve {
    pub limits: Arc<Limits>,
    pub hostname: Arc<str>,
    pub intake: Arc<Intake>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub clients: Clients,
    /// Who may name another client by the PROXY protocol.
    pub proxy_peers: Vec<IpNet>,
    /// Who may by XCLIENT and XFORWARD.
    pub naming_peers: Vec<IpNet>,
    /// Who may speak LMTP.
    pub lmtp_peers: Vec<IpNet>,
    pub tls: Option<TlsAcceptor>,
    /// Places for those who are kept waiting.
    pub tarpit: Semaphore,
    /// Octets held for all of them.
    pub held: AtomicUsize,
}

/// How clients come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Smtp,
    /// SMTP behind the PROXY protocol.
    Proxied,
    Lmtp,
}

/// A socket that is bound.
pub struct Listening {
    listener: TcpListener,
    door: Door,
}

impl Listening {
    pub fn bind(address: SocketAddr, door: Door) -> io::Result<Self> {
        Ok(Listening { listener: sockets::tcp(address)?, door })
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Accepts until told to stop, then waits for the sessions that are not idle.
pub async fn serve(listening: Listening, serve: Arc<Serve>, stop: CancellationToken) {
    let sessions = TaskTracker::new();
    let door = listening.door;
    let mut stopped = std::pin::pin!(stop.cancelled());
    loop {
        let accepted = tokio::select! {
            accepted = listening.listener.accept() => accepted,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (serve, stop) = (Arc::clone(&serve), stop.clone());
                sessions.spawn(async move { serve.connection(stream, peer.ip(), door, stop).await });
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

/// How a conversation went on.
enum Then {
    Ended,
    StartTls,
}

impl Serve {
    async fn connection(&self, mut stream: TcpStream, peer: IpAddr, door: Door, stop: CancellationToken) {
        let (proxied, early) = match self.client(&mut stream, peer, door).await {
            Ok(client) => client,
            Err(reason) => return self.refused(reason),
        };
        let relay = Relay::new(match proxied {
            Proxied::Client(client) => client,
            Proxied::Local => peer,
        });
        // Those who speak for others are limited as everybody is together, and not as one.
        let speaks_for_others =
            door == Door::Lmtp || proxied == Proxied::Local || holds(&self.naming_peers, relay.address());
        let client = (!speaks_for_others).then_some(relay);
        let place = match self.clients.enter(client, self.clock.now()) {
            Ok(place) => place,
            Err(refusal) => {
                self.refused(refusal.label());
                let busy =
                    format!("421 4.7.0 {} has no place for you now, come back later\r\n", self.hostname);
                let _ = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(busy.as_bytes())).await;
                return;
            }
        };
        self.metrics.smtp_sessions_total.inc();
        self.metrics.smtp_sessions.inc();
        let mut visit = Visit { serve: self, place, held: Held { all: &self.held, own: 0 }, stop };
        let mut session = self.session(relay, proxied, door);
        session.receive(&early, self.clock.now());
        drop(early);
        // A client that left in the middle needs no more than the end of its session.
        let _ = visit.talk(stream, &mut session).await;
        // What it cost is counted however it ends.
        visit.place.spend(session.rest_of_tally(), self.clock.now());
        self.metrics.smtp_sessions.dec();
    }

    fn refused(&self, reason: &str) {
        self.metrics.smtp_refused_total.with_label_values(&[reason]).inc();
    }

    async fn client(
        &self,
        stream: &mut TcpStream,
        peer: IpAddr,
        door: Door,
    ) -> Result<(Proxied, Vec<u8>), &'static str> {
        match door {
            Door::Smtp => return Ok((Proxied::Client(peer), Vec::new())),
            Door::Lmtp if holds(&self.lmtp_peers, peer) => return Ok((Proxied::Client(peer), Vec::new())),
            Door::Lmtp => return Err("lmtp-peer"),
            Door::Proxied if holds(&self.proxy_peers, peer) => {}
            Door::Proxied => return Err("proxy-peer"),
        }
        match tokio::time::timeout(PROXY_TIMEOUT, proxy::read(stream)).await {
            Ok(Ok(named)) => Ok(named),
            Ok(Err(_)) | Err(_) => Err("proxy-header"),
        }
    }

    fn session(&self, relay: Relay, proxied: Proxied, door: Door) -> Session {
        let (hasher, traps) = (self.intake.keys.hasher().clone(), self.intake.traps.load_full());
        let recipients =
            Recipients::new(hasher, traps, self.intake.donors.load_full(), Arc::clone(&self.hostname));
        let protocol = match door {
            Door::Smtp | Door::Proxied => Protocol::Smtp,
            Door::Lmtp => Protocol::Lmtp,
        };
        let names_clients = protocol == Protocol::Lmtp || holds(&self.naming_peers, relay.address());
        let unnamed = names_clients || proxied == Proxied::Local;
        let peer = Peer { relay, unnamed, protocol, names_clients, tls_offered: self.tls.is_some() };
        Session::new(
            Arc::clone(&self.limits),
            Arc::new(recipients),
            Arc::clone(&self.hostname),
            peer,
            self.clock.now(),
        )
    }
}

fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

/// One session while it lasts.
struct Visit<'a> {
    serve: &'a Serve,
    place: Place<'a>,
    held: Held<'a>,
    stop: CancellationToken,
}

/// What few clients come to, or none for long, is put on the heap: the tasks of all that sit idle stay small.
impl Visit<'_> {
    /// A session from its greeting to its end.
    async fn talk(&mut self, mut stream: TcpStream, session: &mut Session) -> io::Result<()> {
        match (self.converse(session, &mut stream).await?, &self.serve.tls) {
            (Then::StartTls, Some(acceptor)) => Box::pin(self.talk_by_tls(stream, acceptor, session)).await,
            _ => Ok(()),
        }
    }

    async fn talk_by_tls(
        &mut self,
        stream: TcpStream,
        acceptor: &TlsAcceptor,
        session: &mut Session,
    ) -> io::Result<()> {
        let tls_total = &self.serve.metrics.smtp_tls_total;
        let accepted = tokio::time::timeout(TLS_TIMEOUT, acceptor.accept(stream));
        let Ok(Ok(mut stream)) = Box::pin(accepted).await else {
            tls_total.with_label_values(&["failed"]).inc();
            return Ok(());
        };
        let version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            _ => "1.2",
        };
        tls_total.with_label_values(&[version]).inc();
        session.secured(self.serve.clock.now());
        self.converse(session, &mut stream).await?;
        // TLS takes its leave (RFC 8446 §6.1).
        tokio::time::timeout(WRITE_TIMEOUT, stream.shutdown()).await?
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        session: &mut Session,
        stream: &mut S,
    ) -> io::Result<Then> {
        let serve = self.serve;
        let stop = self.stop.clone();
        let mut stopped = std::pin::pin!(stop.cancelled());
        loop {
            if self.held.is_too_much(session.held_octets()) {
                session.crowded_out();
            }
            if session.take_tally().is_some_and(|tally| !self.place.spend(tally, serve.clock.now())) {
                session.overspent();
            }
            let (answered, wrote) = self.answer(session, stream).await?;
            match answered {
                Answered::Open => {}
                Answered::StartTls => return Ok(Then::StartTls),
                // Nothing is left unread: letting the socket go says the rest.
                Answered::Closed(Ending::Quit) => return Ok(Then::Ended),
                Answered::Closed(Ending::CutOff) => {
                    Box::pin(linger(stream)).await;
                    return Ok(Then::Ended);
                }
            }
            let now = serve.clock.now();
            if wrote {
                session.replied(now);
            }
            // A message that was on its way is durable, or given back.
            self.held.set(session.held_octets());
            let patience = session.patience(now);
            let read = tokio::select! {
                read = tokio::time::timeout(patience.to_std(), receive(stream, session, &*serve.clock)) => read,
                () = &mut stopped, if session.is_idle() => {
                    session.stop();
                    continue;
                }
            };
            match read {
                Ok(Ok(count)) if count > 0 => {}
                Ok(ended) => {
                    if session.is_interrupted() {
                        serve.metrics.smtp_left_total.with_label_values(&["interrupted"]).inc();
                    }
                    return ended.map(|_| Then::Ended);
                }
                Err(_) => session.timed_out(),
            }
        }
    }

    /// Does what the session asks for; whether the client was told something. Replies to pipelined commands go out together.
    async fn answer<S: AsyncWrite + Unpin>(
        &self,
        session: &mut Session,
        stream: &mut S,
    ) -> io::Result<(Answered, bool)> {
        let serve = self.serve;
        let (mut replies, mut wrote) = (Vec::new(), false);
        let mut answered = Answered::Open;
        while answered == Answered::Open {
            match session.next_event() {
                Some(Event::Reply(reply)) => {
                    let code = std::str::from_utf8(&reply[..3]).unwrap_or("none");
                    serve.metrics.smtp_replies_total.with_label_values(&[code]).inc();
                    if replies.is_empty() {
                        replies = reply;
                    } else {
                        replies.extend(reply);
                    }
                    wrote = true;
                    if replies.len() >= REPLY_OCTETS_MAX {
                        write(stream, &mut replies).await?;
                    }
                }
                Some(Event::Message(transaction)) => {
                    write(stream, &mut replies).await?;
                    let outcome = Box::pin(serve.intake.message(*transaction)).await;
                    session.settle(&outcome);
                }
                Some(Event::Left(transaction)) => Box::pin(serve.intake.left(*transaction)).await,
                Some(Event::Pause(pause)) => self.pause(pause).await,
                Some(Event::StartTls) => answered = Answered::StartTls,
                Some(Event::Close(ending)) => answered = Answered::Closed(ending),
                None => break,
            }
        }
        write(stream, &mut replies).await?;
        Ok((answered, wrote))
    }

    async fn pause(&self, pause: Span) {
        if let Ok(_kept) = self.serve.tarpit.try_acquire() {
            self.serve.metrics.smtp_tarpitted_total.inc();
            tokio::select! {
                () = tokio::time::sleep(pause.to_std()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

/// What became of the events that were there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    Open,
    StartTls,
    Closed(Ending),
}

/// Reads what is there into the session. The buffer is on the stack and lives no longer than the reading: idle clients hold none.
async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
    session: &mut Session,
    clock: &dyn Clock,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut octets = [const { MaybeUninit::uninit() }; READ_OCTETS];
        let mut buffer = ReadBuf::uninit(&mut octets);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        session.receive(buffer.filled(), clock.now());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// Ends the sending side and reads on for a moment: a socket that is closed with octets unread takes the reply with it.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let mut left = LINGER_OCTETS_MAX;
    let drain = async {
        stream.shutdown().await?;
        let mut octets = [0; 512];
        loop {
            match stream.read(&mut octets).await? {
                0 => return Ok::<(), io::Error>(()),
                count if count >= left => return Ok(()),
                count => left -= count,
            }
        }
    };
    // Whatever comes of it, the session is over.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, drain).await;
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, replies: &mut Vec<u8>) -> io::Result<()> {
    if !replies.is_empty() {
        let sent = async {
            stream.write_all(replies).await?;
            stream.flush().await
        };
        tokio::time::timeout(WRITE_TIMEOUT, sent).await??;
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
