//! Binding sockets, alike for every protocol.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

/// Connections that may wait to be accepted: clients that queue many reports stall on a short one.
const BACKLOG: i32 = 1_024;

/// An IPv6 address is that and nothing else, so that both wildcards can be listened on side by side.
pub fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    // Replies are small and clients wait for them; what is accepted has it from here.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Octets that wait in a UDP socket to be read, and to be sent.
const UDP_BUFFER_OCTETS: usize = 4 << 20;
/// How long a thread waits for a datagram before it looks whether it is to stop.
const UDP_LOOK: Duration = Duration::from_millis(200);

/// A socket of one thread, which blocks; several share an address, and each client comes to one of them. One that is bound to all
/// addresses tells which one a client wrote to.
pub fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(true)?;
    // The system may give less.
    socket.set_recv_buffer_size(UDP_BUFFER_OCTETS)?;
    socket.set_send_buffer_size(UDP_BUFFER_OCTETS)?;
    socket.set_read_timeout(Some(UDP_LOOK))?;
    // Responses are small enough for any path; what forged messages say of paths is not believed (RFC 9715 §3.1).
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
