//! Socket creation, the same for every protocol.

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use rustix::fs::Mode;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

/// Length of the queue of connections that wait to be accepted. Clients with many queued reports
/// stall on a short one.
const BACKLOG: i32 = 1_024;

/// A listening TCP socket. An IPv6 socket accepts IPv6 only, so that both wildcard addresses can be
/// bound at the same time.
///
/// # Errors
/// When the socket can't be created or bound.
pub fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    // Replies are small and clients wait for them. Accepted connections inherit the option.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The mode of a Unix socket that only its owner can connect to.
const UNIX_MODE: u32 = 0o600;

/// A listening Unix socket that only its owner can connect to, whatever the process's mask is.
///
/// # Errors
/// When the socket can't be created or bound.
pub fn unix(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Linux gives the file the mode of the socket, without the bits of the mask. So nobody else can
    // connect before the mode is set below.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(UNIX_MODE))?;
    socket.bind(&SockAddr::unix(path)?)?;
    std::fs::set_permissions(path, Permissions::from_mode(UNIX_MODE))?;
    socket.listen(BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Size of a UDP socket's receive buffer and of its send buffer, in octets.
const UDP_BUFFER_OCTETS: usize = 4 << 20;
/// How long a thread waits for a datagram before it checks whether it should stop.
const UDP_LOOK: Duration = Duration::from_millis(200);

/// A blocking UDP socket for one thread. Several sockets share an address, and the system sends
/// each client to one of them. A socket bound to a wildcard address reports the address that the
/// client sent to.
///
/// # Errors
/// When the socket can't be created or bound.
pub fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(true)?;
    // The system may grant less.
    socket.set_recv_buffer_size(UDP_BUFFER_OCTETS)?;
    socket.set_send_buffer_size(UDP_BUFFER_OCTETS)?;
    socket.set_read_timeout(Some(UDP_LOOK))?;
    // Responses are small enough for any path, and path MTU messages can be forged, so they are
    // ignored (RFC 9715 §3.1).
    if address.is_ipv4() {
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::OMIT)?;
    } else {
        set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::OMIT)?;
    }
    if address.ip().is_unspecified() {
        if address.is_ipv4() {
            setsockopt(&socket, Ipv4PacketInfo, &true)?;
        } else {
            setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
