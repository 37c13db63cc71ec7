//! DNS over TCP (RFC 7766). The number of connections is bounded, each connection's queries are
//! answered one after the other, and the DNS library reads and writes the messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fallback::respond;
use super::handler::DnsHandler;
use crate::relay::{Prefix, Relay};

/// The number of octets that are read ahead on one connection: some dozens of queries.
const READ_OCTETS: usize = 4 << 10;
/// The number of octets of responses that are collected before they are written.
const WRITE_OCTETS: usize = 16 << 10;
/// The server is under pressure when at most one in this many connections is free. Idle clients
/// then wait for only this fraction of the idle timeout, and a client's connection is closed once
/// its queries are answered (RFC 7766 §6.2.3).
const PRESSED: usize = 4;
/// The pause after a failed accept. The likely reason is that the process has no file descriptor
/// left.
const PAUSE: Duration = Duration::from_millis(50);

/// The limits on TCP connections.
#[derive(Clone, Copy, Debug)]
pub struct TcpLimits {
    /// Greatest number of connections of all clients.
    pub connections_max: usize,
    /// Greatest number of connections from one IPv4 address or IPv6 /64.
    pub connections_per_client_max: usize,
    /// How long the server waits for a whole query (RFC 7766 §6.2.3), or for the client to accept
    /// responses.
    pub idle_timeout: Duration,
}

/// The connections of all listeners.
pub(super) struct TcpConnections {
    handler: Arc<DnsHandler>,
    limits: TcpLimits,
    connections: Arc<Semaphore>,
    by_client: DashMap<Prefix, usize>,
}

/// Counts one connection of a client as long as the value lives.
struct CountedConnection {
    streams: Arc<TcpConnections>,
    client: Prefix,
}

impl TcpConnections {
    /// Prepares to serve connections within the limits.
    pub(super) fn new(handler: Arc<DnsHandler>, limits: TcpLimits) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(limits.connections_max));
        Arc::new(TcpConnections { handler, limits, connections, by_client: DashMap::new() })
    }

    /// Accepts connections until `stop` is cancelled, and then waits for the clients that are being
    /// answered.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a TCP connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(counted) = self.count(client) else { continue };
            // Without a free connection one client waits here, and others wait in the listen queue
            // of the operating system.
            let permit = tokio::select! {
                permit = Arc::clone(&self.connections).acquire_owned() => permit,
                () = stop.cancelled() => break,
            };
            let stop = stop.clone();
            tasks.spawn(async move {
                let served = counted.streams.converse(stream, client, stop);
                if let Err(error) = served.await {
                    tracing::trace!(%error, "TCP connection ended");
                }
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Counts one more connection of a client; `None` if the client has too many.
    fn count(self: &Arc<Self>, client: SocketAddr) -> Option<CountedConnection> {
        let client = Relay::new(client.ip()).line();
        let mut of_client = self.by_client.entry(client).or_default();
        *of_client += 1;
        let counted = CountedConnection { streams: Arc::clone(self), client };
        let within = *of_client <= self.limits.connections_per_client_max;
        drop(of_client);
        within.then_some(counted)
    }

    /// Whether few connections are free.
    fn is_pressed(&self) -> bool {
        self.connections.available_permits() <= self.limits.connections_max / PRESSED
    }

    /// Waits for a whole query: for a part of the idle timeout, and for all of it while enough
    /// connections are free.
    async fn patiently<T>(&self, read: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
        let mut read = std::pin::pin!(read);
        for _ in 0..PRESSED {
            let part = self.limits.idle_timeout / PRESSED as u32;
            match tokio::time::timeout(part, &mut read).await {
                Ok(done) => return done,
                Err(_) if self.is_pressed() => break,
                Err(_) => {}
            }
        }
        Err(std::io::ErrorKind::TimedOut.into())
    }

    async fn converse(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::with_capacity(READ_OCTETS, reader);
        let mut out = Vec::new();
        loop {
            let query = tokio::select! {
                // Read buffered queries first, because the answers to earlier ones are not written
                // yet.
                biased;
                query = self.patiently(read(&mut reader)) => query?,
                () = stop.cancelled() => return Ok(()),
            };
            let Some(query) = query else { return Ok(()) };
            if let Some(response) = respond(&self.handler, query, client).await {
                let length = u16::try_from(response.len()).unwrap_or(u16::MAX);
                out.extend(length.to_be_bytes());
                out.extend(&response[..usize::from(length)]);
            }
            // Queries that arrive together are answered together (RFC 7766 §6.2.1.1).
            let more = holds_message(reader.buffer());
            if !more || out.len() >= WRITE_OCTETS {
                tokio::time::timeout(self.limits.idle_timeout, writer.write_all(&out)).await??;
                out.clear();
            }
            if !more && (stop.is_cancelled() || self.is_pressed()) {
                return writer.shutdown().await;
            }
        }
    }
}

/// Whether the buffer holds a whole message.
fn holds_message(buffered: &[u8]) -> bool {
    let length = buffered.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
    length.is_some_and(|length| buffered.len() >= 2 + length)
}

/// Reads a message and the length before it (RFC 1035 §4.2.2); `None` at the end of the connection.
async fn read(reader: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let length = match reader.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; length.into()];
    reader.read_exact(&mut message).await?;
    Ok(Some(message))
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.streams.by_client.remove_if_mut(&self.client, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}
