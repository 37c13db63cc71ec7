//! The SMTP and LMTP listeners: they accept connections and run a [`Session`] on each of them,
//! within fixed limits.

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

use super::clients::{ClientAccounts, SessionPlace};
use super::guesses::{AnswerTime, GuessAccounts};
use super::proxy::{self, ProxiedClient};
use super::recipients::RecipientDomains;
use super::session::{
    Protocol, Session, SessionEnd, SessionEvent, SessionLimits, SessionPeer, SessionTexts, TlsOffer,
};
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::relay::Relay;
use crate::sockets;
use crate::time::{Clock, Span};
use crate::transaction::IntakeOutcome;

/// Pause after a failed accept. Most such failures, such as a lack of file descriptors, pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time in which a trusted peer must send its PROXY header.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time in which a client must accept a reply.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for a TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of octets read from a client after the server ended its session, so that it
/// receives the last reply.
const LINGER_OCTETS_MAX: usize = 1 << 20;
/// Maximum time for reading from such a client.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of clients that wait for a delayed reply at one time. Beyond it, replies are not
/// delayed.
pub const TARPIT_SESSIONS_MAX: usize = 256;
/// Maximum number of octets held in memory for all clients together: unread input, messages that
/// are not durable yet, and what judging them takes. Beyond it, sessions end with 421, and a message
/// that would be judged gets 451.
const HELD_OCTETS_MAX: usize = 512 << 20;
/// What a message takes in memory while it is judged, as a multiple of its size. A short field costs
/// some twenty times its octets.
const JUDGING_TIMES: usize = 32;
/// Maximum number of octets that judging takes beside the message itself: the reader keeps only a
/// part of a large message.
const JUDGING_OCTETS_MAX: usize = 6 << 20;
/// A session that holds no more octets than this is not ended for lack of memory, as that would
/// free little.
const HELD_OCTETS_SMALL: usize = 64 << 10;
/// Replies to pipelined commands are sent when they reach this many octets, or when no command is
/// left.
const REPLY_OCTETS_MAX: usize = 16 << 10;
/// Maximum number of octets read from a socket at once.
const READ_OCTETS: usize = 16 << 10;

/// What all sessions share.
pub struct SmtpService {
    /// Limits of each session.
    pub limits: Arc<SessionLimits>,
    /// The texts that the operator may choose, with the server's host name.
    pub texts: Arc<SessionTexts>,
    /// Makes messages durable and turns them into evidence.
    pub intake: Arc<Intake>,
    /// The clock of all time stamps and limits.
    pub clock: Arc<dyn Clock>,
    /// Counts sessions, replies and refusals.
    pub metrics: Arc<Metrics>,
    /// The clients with a session, and their limits.
    pub clients: ClientAccounts,
    /// Networks of the peers that may name a client by the PROXY protocol.
    pub proxy_peers: Vec<IpNet>,
    /// Networks of the peers that may name a client by XCLIENT and XFORWARD.
    pub naming_peers: Vec<IpNet>,
    /// Networks of the peers that may use LMTP.
    pub lmtp_peers: Vec<IpNet>,
    /// Networks of the trusted relays, which hand over only what is meant for this server.
    pub handing_over: Arc<[IpNet]>,
    /// The networks that named refused recipients.
    pub guesses: GuessAccounts,
    /// Permits for clients that wait because their network guesses, [`GUESSERS_WAITING_MAX`] of them.
    ///
    /// [`GUESSERS_WAITING_MAX`]: super::GUESSERS_WAITING_MAX
    pub guessers: Semaphore,
    /// Accepts TLS sessions; `None` if STARTTLS is not offered.
    pub tls: Option<TlsAcceptor>,
    /// Permits for delayed replies, [`TARPIT_SESSIONS_MAX`] of them.
    pub tarpit: Semaphore,
    /// Octets held for all clients together.
    pub held: AtomicUsize,
}

/// The protocol of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// SMTP (RFC 5321).
    Smtp,
    /// SMTP after a PROXY protocol header.
    Proxied,
    /// LMTP (RFC 2033).
    Lmtp,
}

/// A bound listening socket.
pub struct SmtpListener {
    listener: TcpListener,
    door: ListenerKind,
}

impl SmtpListener {
    /// Binds a socket.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(address: SocketAddr, door: ListenerKind) -> io::Result<Self> {
        Ok(SmtpListener { listener: sockets::tcp(address)?, door })
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Accepts connections until `stop` is cancelled, then waits until all sessions have ended. Idle
/// sessions end at once; a session that is receiving a message ends after it.
pub async fn serve(listening: SmtpListener, serve: Arc<SmtpService>, stop: CancellationToken) {
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
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    sessions.close();
    sessions.wait().await;
}

/// Why a conversation on one stream ended.
enum NextStep {
    Ended,
    StartTls,
}

impl SmtpService {
    async fn connection(
        &self,
        mut stream: TcpStream,
        peer: IpAddr,
        door: ListenerKind,
        stop: CancellationToken,
    ) {
        let (proxied, early) = match self.client(&mut stream, peer, door).await {
            Ok(client) => client,
            Err(reason) => return self.refused(reason),
        };
        let relay = Relay::new(match proxied {
            ProxiedClient::Client(client) => client,
            ProxiedClient::Local => peer,
        });
        // A peer that forwards mail of other clients is subject to the global limits only.
        let speaks_for_others = door == ListenerKind::Lmtp
            || proxied == ProxiedClient::Local
            || holds(&self.naming_peers, relay.address());
        let client = (!speaks_for_others).then_some(relay);
        let place = match self.clients.enter(client, self.clock.now()) {
            Ok(place) => place,
            Err(refusal) => {
                self.refused(refusal.label());
                let busy =
                    format!("421 4.7.0 {} Error: too many connections from {relay}\r\n", self.texts.hostname);
                let _ = tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(busy.as_bytes())).await;
                return;
            }
        };
        self.metrics.smtp_sessions_total.inc();
        self.metrics.smtp_sessions.inc();
        let mut visit = Connection { serve: self, place, held: HeldOctets { all: &self.held, own: 0 }, stop };
        let mut session = self.session(relay, proxied, door);
        session.receive(&early, self.clock.now());
        drop(early);
        // An error means that the client has disconnected. The session is over in any case.
        let _ = visit.talk(stream, &mut session).await;
        // The usage counts no matter how the session ended.
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
        door: ListenerKind,
    ) -> Result<(ProxiedClient, Vec<u8>), &'static str> {
        match door {
            ListenerKind::Smtp => return Ok((ProxiedClient::Client(peer), Vec::new())),
            ListenerKind::Lmtp if holds(&self.lmtp_peers, peer) => {
                return Ok((ProxiedClient::Client(peer), Vec::new()));
            }
            ListenerKind::Lmtp => return Err("lmtp-peer"),
            ListenerKind::Proxied if holds(&self.proxy_peers, peer) => {}
            ListenerKind::Proxied => return Err("proxy-peer"),
        }
        match tokio::time::timeout(PROXY_TIMEOUT, proxy::read(stream)).await {
            Ok(Ok(named)) => Ok(named),
            Ok(Err(_)) | Err(_) => Err("proxy-header"),
        }
    }

    fn session(&self, relay: Relay, proxied: ProxiedClient, door: ListenerKind) -> Session {
        let (hasher, traps) = (self.intake.keys.hasher().clone(), self.intake.traps.load_full());
        let recipients = RecipientDomains::new(
            hasher,
            traps,
            self.intake.donors.load_full(),
            Arc::clone(&self.texts.hostname),
            Arc::clone(&self.handing_over),
        );
        let protocol = match door {
            ListenerKind::Smtp | ListenerKind::Proxied => Protocol::Smtp,
            ListenerKind::Lmtp => Protocol::Lmtp,
        };
        let names_clients = protocol == Protocol::Lmtp || holds(&self.naming_peers, relay.address());
        let unnamed = names_clients || proxied == ProxiedClient::Local;
        let tls = if self.tls.is_some() { TlsOffer::Offered } else { TlsOffer::None };
        let peer = SessionPeer { relay, unnamed, protocol, names_clients, tls };
        Session::new(
            Arc::clone(&self.limits),
            Arc::new(recipients),
            Arc::clone(&self.texts),
            peer,
            self.clock.now(),
        )
    }
}

fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

/// A session that is running.
struct Connection<'a> {
    serve: &'a SmtpService,
    place: SessionPlace<'a>,
    held: HeldOctets<'a>,
    stop: CancellationToken,
}

/// Futures that are large and that few sessions reach, or only for a short time, are boxed. This
/// keeps the tasks of idle sessions small.
impl Connection<'_> {
    /// Runs a session from its greeting to its end.
    async fn talk(&mut self, mut stream: TcpStream, session: &mut Session) -> io::Result<()> {
        match (self.converse(session, &mut stream).await?, &self.serve.tls) {
            (NextStep::StartTls, Some(acceptor)) => {
                Box::pin(self.talk_by_tls(stream, acceptor, session)).await
            }
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
        // Send close_notify (RFC 8446 §6.1).
        tokio::time::timeout(WRITE_TIMEOUT, stream.shutdown()).await?
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        session: &mut Session,
        stream: &mut S,
    ) -> io::Result<NextStep> {
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
                EventOutcome::Open => {}
                EventOutcome::StartTls => return Ok(NextStep::StartTls),
                // The client has nothing left to send, so the socket can be closed at once.
                EventOutcome::Closed(SessionEnd::Quit) => return Ok(NextStep::Ended),
                EventOutcome::Closed(SessionEnd::CutOff) => {
                    Box::pin(linger(stream)).await;
                    return Ok(NextStep::Ended);
                }
            }
            let now = serve.clock.now();
            if wrote {
                session.replied(now);
            }
            // A message that was being made durable is no longer held.
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
                        serve.metrics.smtp_abandoned_total.with_label_values(&["interrupted"]).inc();
                    }
                    return ended.map(|_| NextStep::Ended);
                }
                Err(_) => session.timed_out(),
            }
        }
    }

    /// Handles the session's pending events. Returns how the session goes on and whether a reply
    /// was sent. Replies to pipelined commands are sent together.
    async fn answer<S: AsyncWrite + Unpin>(
        &self,
        session: &mut Session,
        stream: &mut S,
    ) -> io::Result<(EventOutcome, bool)> {
        let serve = self.serve;
        let (mut replies, mut wrote) = (Vec::new(), false);
        let mut answered = EventOutcome::Open;
        while answered == EventOutcome::Open {
            match session.next_event() {
                Some(SessionEvent::Reply(reply)) => {
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
                Some(SessionEvent::Message(transaction)) => {
                    write(stream, &mut replies).await?;
                    let mut judged = HeldOctets { all: &serve.held, own: 0 };
                    let outcome = if judged.is_too_much(judging_octets(transaction.message.len())) {
                        IntakeOutcome::Later
                    } else {
                        Box::pin(serve.intake.message(*transaction)).await
                    };
                    session.settle(&outcome);
                }
                Some(SessionEvent::Left(transaction)) => Box::pin(serve.intake.left(*transaction)).await,
                Some(SessionEvent::Pause(pause)) => self.pause(pause).await,
                Some(SessionEvent::Recipient { client: Some(client), taken }) => {
                    if !self.may_answer(client, taken).await {
                        session.turned_away();
                    }
                }
                Some(SessionEvent::Recipient { client: None, .. }) => {}
                Some(SessionEvent::StartTls) => answered = EventOutcome::StartTls,
                Some(SessionEvent::Close(ending)) => answered = EventOutcome::Closed(ending),
                None => break,
            }
        }
        write(stream, &mut replies).await?;
        Ok((answered, wrote))
    }

    /// Waits until a client may get its answer to a recipient. `false` if it gets none, because its
    /// network guesses recipients.
    async fn may_answer(&self, client: Relay, taken: bool) -> bool {
        let serve = self.serve;
        let wait = match serve.guesses.named(client, taken, serve.clock.now()) {
            AnswerTime::Now => return true,
            AnswerTime::After(wait) => Some(wait),
            AnswerTime::Never => None,
        };
        let slowed = |outcome| serve.metrics.smtp_slowed_recipients_total.with_label_values(&[outcome]).inc();
        let (Some(wait), Ok(_kept)) = (wait, serve.guessers.try_acquire()) else {
            slowed("closed");
            return false;
        };
        slowed("later");
        tokio::select! {
            () = tokio::time::sleep(wait.to_std()) => {}
            () = self.stop.cancelled() => {}
        }
        true
    }

    async fn pause(&self, pause: Span) {
        if let Ok(_kept) = self.serve.tarpit.try_acquire() {
            self.serve.metrics.smtp_delayed_replies_total.inc();
            tokio::select! {
                () = tokio::time::sleep(pause.to_std()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }
}

/// How a session goes on after its pending events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EventOutcome {
    Open,
    StartTls,
    Closed(SessionEnd),
}

/// Reads available octets into the session. Returns their number; 0 is the end of the stream. The
/// buffer is on the stack for the duration of one read only, so that idle sessions have no buffer.
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

/// Shuts down the sending side and continues to read for a moment. If a socket is closed with
/// unread octets, the client receives a reset and may lose the last reply.
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
    // The session is over whether this succeeds or not.
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

/// The octets that a message of this size takes while it is judged, beside the message itself.
fn judging_octets(octets: usize) -> usize {
    octets.saturating_mul(JUDGING_TIMES).min(JUDGING_OCTETS_MAX)
}

/// One session's part of the octets held for all clients.
struct HeldOctets<'a> {
    all: &'a AtomicUsize,
    own: usize,
}

impl HeldOctets<'_> {
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

impl Drop for HeldOctets<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}
