//! One session with one host: opens connections, reads replies and says what the dialogue says, all
//! within limits of time and size.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::conclusion::HostReplies;
use super::dialogue::{Dialogue, NextAct, Script, StartTls};
use super::finding::Unanswered;
use super::reply::{ReplyReader, ServerReply};

/// Octets that are read at once.
const READ_OCTETS: usize = 4 << 10;
/// Most octets that a host may send in one connection.
const CONNECTION_OCTETS_MAX: usize = 64 << 10;

/// The longest times of a session. They are shorter than those of RFC 5321 §4.5.3.2, because nothing
/// is lost: a slow host gives no answer.
#[derive(Clone, Copy, Debug)]
pub struct SessionTimes {
    /// Until the connection is open.
    pub connect: Duration,
    /// From a command, or the open connection, to the end of the reply. A host may delay its
    /// greeting and its replies by half a minute to deter spam.
    pub reply: Duration,
    /// For the handshake of TLS.
    pub handshake: Duration,
    /// For the whole session, with both connections if there are two.
    pub session: Duration,
}

impl Default for SessionTimes {
    fn default() -> Self {
        SessionTimes {
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(90),
            handshake: Duration::from_secs(30),
            session: Duration::from_secs(300),
        }
    }
}

/// One session with one host.
pub struct HostSession<'s> {
    /// The host and its port.
    pub to: SocketAddr,
    /// The address of this machine that connections are opened from.
    pub from: IpAddr,
    /// What is said.
    pub script: Script,
    /// Begins TLS.
    pub tls: &'s TlsConnector,
    /// The limits of time.
    pub times: SessionTimes,
}

/// Why a connection ended without the end of its dialogue.
enum Broken {
    /// For this reason.
    Because(Unanswered),
    /// The host spoke before it was asked.
    Early,
    /// The handshake of TLS failed.
    Handshake,
}

/// What a connection's dialogue waits for.
enum Talked {
    /// Its end.
    Ended,
    /// TLS.
    WantsTls,
}

impl HostSession<'_> {
    /// Asks the host. Returns its replies, and quotes of them for people.
    ///
    /// If the handshake of TLS fails, a second connection goes on without TLS: hosts with old
    /// versions of TLS are asked like others, and nothing secret is said.
    pub async fn ask(self) -> (HostReplies, Vec<String>) {
        let mut dialogue = Dialogue::new(self.script.clone(), StartTls::IfOffered);
        let mut failed_handshake = false;
        let asked = timeout(self.times.session, async {
            if let Err(Broken::Handshake) = self.connection(&mut dialogue).await {
                failed_handshake = true;
                dialogue = Dialogue::new(self.script.clone(), StartTls::Never);
                // The second dialogue does not begin TLS.
                let _ = self.connection(&mut dialogue).await;
            }
        });
        if asked.await.is_err() {
            dialogue.end(Unanswered::TimedOut);
        }
        let (replies, mut quotes) = dialogue.into_replies();
        if failed_handshake {
            quotes.insert(0, "TLS failed; the session went on without it".to_owned());
        }
        (replies, quotes)
    }

    /// Whether a host greets an SMTP client. Nothing but QUIT is said.
    pub(super) async fn is_greeted(to: SocketAddr, from: IpAddr, times: SessionTimes) -> bool {
        let Ok(stream) = connect(to, from, times.connect).await else { return false };
        let mut talk = Talk::new(stream, CONNECTION_OCTETS_MAX, times);
        let greeting = talk.reply().await;
        // The host may close the connection first.
        let _ = timeout(times.reply, talk.write("QUIT\r\n")).await;
        greeting.is_ok_and(|greeting| greeting.code == 220)
    }

    /// Holds the dialogue over one connection.
    async fn connection(&self, dialogue: &mut Dialogue) -> Result<(), Broken> {
        let held = self.hold(dialogue).await;
        match &held {
            Err(Broken::Because(why)) => dialogue.end(*why),
            Err(Broken::Early) => dialogue.spoken_early(),
            Ok(()) | Err(Broken::Handshake) => {}
        }
        held
    }

    async fn hold(&self, dialogue: &mut Dialogue) -> Result<(), Broken> {
        let stream = connect(self.to, self.from, self.times.connect).await?;
        let mut talk = Talk::new(stream, CONNECTION_OCTETS_MAX, self.times);
        let greeting = talk.reply().await?;
        let first = dialogue.reply(&greeting);
        if let Talked::Ended = talk.follow(dialogue, first).await? {
            return Ok(());
        }
        // What was sent in clear text behind the reply to STARTTLS must not count (RFC 3207 §5).
        if talk.reader.has_more() {
            return Err(Broken::Early);
        }
        let name = ServerName::from(self.to.ip());
        let secured = timeout(self.times.handshake, self.tls.connect(name, talk.stream)).await;
        let stream = secured.map_err(|_| Broken::Handshake)?.map_err(|_| Broken::Handshake)?;
        let mut talk = Talk::new(stream, talk.left, self.times);
        let first = dialogue.secured();
        talk.follow(dialogue, first).await.map(drop)
    }
}

/// Opens a connection from an address of this machine.
async fn connect(to: SocketAddr, from: IpAddr, limit: Duration) -> Result<TcpStream, Broken> {
    let unusable = |_| Broken::Because(Unanswered::NotConfigured);
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(unusable)?;
    socket.bind(SocketAddr::new(from, 0)).map_err(unusable)?;
    match timeout(limit, socket.connect(to)).await {
        Ok(Ok(stream)) => Ok(stream),
        // This machine has no route for the address family.
        Ok(Err(error)) if error.kind() == io::ErrorKind::NetworkUnreachable => Err(unusable(error)),
        Ok(Err(_)) | Err(_) => Err(Broken::Because(Unanswered::Unreachable)),
    }
}

/// A connection with what was read from it.
struct Talk<S> {
    stream: S,
    reader: ReplyReader,
    /// Octets that the host may still send.
    left: usize,
    times: SessionTimes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S, left: usize, times: SessionTimes) -> Self {
        Talk { stream, reader: ReplyReader::default(), left, times }
    }

    /// Does what the dialogue says, until it ends or needs TLS.
    async fn follow(&mut self, dialogue: &mut Dialogue, first: NextAct) -> Result<Talked, Broken> {
        let mut act = first;
        loop {
            act = match act {
                NextAct::Close => return Ok(Talked::Ended),
                NextAct::BeginTls => return Ok(Talked::WantsTls),
                NextAct::Say(line) => {
                    if self.reader.has_more() {
                        return Err(Broken::Early);
                    }
                    let closed = |_| Broken::Because(Unanswered::Closed);
                    let written = timeout(self.times.reply, self.write(&line)).await;
                    written.map_err(|_| Broken::Because(Unanswered::TimedOut))?.map_err(closed)?;
                    dialogue.reply(&self.reply().await?)
                }
            };
        }
    }

    async fn write(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Reads one reply.
    async fn reply(&mut self) -> Result<ServerReply, Broken> {
        let limit = self.times.reply;
        let read = timeout(limit, self.read_reply()).await;
        read.map_err(|_| Broken::Because(Unanswered::TimedOut))?.map_err(Broken::Because)
    }

    async fn read_reply(&mut self) -> Result<ServerReply, Unanswered> {
        let mut octets = [0; READ_OCTETS];
        loop {
            if let Some(reply) = self.reader.next_reply().map_err(|_| Unanswered::Nonsense)? {
                return Ok(reply);
            }
            let read = self.stream.read(&mut octets).await.map_err(|_| Unanswered::Closed)?;
            if read == 0 {
                return Err(Unanswered::Closed);
            }
            self.left = self.left.checked_sub(read).ok_or(Unanswered::Nonsense)?;
            self.reader.add(&octets[..read]);
        }
    }
}
