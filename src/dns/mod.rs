//! The DNS at the edge: hickory's server carries the messages, the pure zone knows the answers.

mod ask;
mod handler;
mod records;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

pub use ask::{Said, ask};
pub use handler::Handler;

use crate::sockets;

/// Responses that may wait to be written to one TCP client.
const TCP_RESPONSES_MAX: usize = 32;

/// The sockets of one address, bound.
pub struct Listening {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Listening {
    /// Binds UDP and TCP; with port 0 both get the same free port.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let tcp = sockets::tcp(address)?;
        let udp = sockets::udp(tcp.local_addr()?)?;
        Ok(Listening { udp, tcp })
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }
}

/// Answers on all the sockets until told to stop.
pub async fn serve(
    listening: Vec<Listening>,
    handler: Arc<Handler>,
    tcp_idle_timeout: Duration,
    stop: CancellationToken,
) {
    let mut server = Server::new(handler::Shared(handler));
    for Listening { udp, tcp } in listening {
        server.register_socket(udp);
        server.register_listener(tcp, tcp_idle_timeout, TCP_RESPONSES_MAX);
    }
    stop.cancelled().await;
    if let Err(error) = server.shutdown_gracefully().await {
        tracing::warn!(%error, "the DNS server did not stop cleanly");
    }
}
