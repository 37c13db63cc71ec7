//! The fast path for UDP: each thread has its own socket and reads and answers datagrams in
//! batches.
//!
//! Datagrams that the fast path cannot read go to the DNS library's handler through a bounded
//! queue.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike,
    recvmmsg, sendmsg,
};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, addr::SocketAddrArg, sendmmsg};
use tokio::sync::mpsc;

use super::edns::QueryEdns;
use super::limit::ResponseLimiter;
use super::message::{self, ReplyParts, WireQuery};
use super::outcome;
use super::service::{ClientQuery, DnsService, QueryTarget};
use crate::metrics::{DnsMetrics, DropReason, PendingCounts};
use crate::time::Stopwatch;

/// Greatest number of datagrams that one system call reads or sends.
const BATCH: usize = 64;
/// The number of octets that are read of a datagram. No valid query is longer, and a message that
/// was cut off is not read as one.
const DATAGRAM_OCTETS_MAX: usize = 1_536;
/// Greatest number of octets of a response. The question is copied from the query, and the rest is
/// limited by the client's payload size.
const RESPONSE_OCTETS_MAX: usize = 1_536;
/// Source ports that are not answered: those of services that answer whatever they receive (echo,
/// discard, daytime, quote of the day, chargen, time, TFTP, NTP, kpasswd), and port 0. No resolver
/// sends from these ports, and a response could be answered without end.
const ANSWERING_PORTS: [u16; 10] = [0, 7, 9, 13, 17, 19, 37, 69, 123, 464];
/// The pause after a socket could not be read.
const PAUSE: Duration = Duration::from_millis(100);

/// A datagram that only the library can read, and where to send the response.
pub(super) struct Fallback {
    /// The octets of the datagram.
    pub message: Vec<u8>,
    /// Where to send the response.
    pub way: ReplyPath,
}

/// The socket and the addresses for a response.
#[derive(Clone, Debug)]
pub(super) struct ReplyPath {
    /// The socket that the query came in on.
    pub socket: Arc<UdpSocket>,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The address that the query was sent to, if the socket listens on all addresses. The response
    /// must be sent from it.
    pub local: Option<IpAddr>,
}

/// The data of one thread.
pub(super) struct UdpWorker {
    /// The thread's socket.
    pub socket: Arc<UdpSocket>,
    /// Decides the answers.
    pub service: Arc<DnsService>,
    /// Counts queries and answers.
    pub metrics: Arc<DnsMetrics>,
    /// The thread's response rate limiter.
    pub limiter: ResponseLimiter,
    /// The queue of datagrams for the library.
    pub slow: mpsc::Sender<Fallback>,
    /// Ends the thread when true.
    pub stop: Arc<AtomicBool>,
}

/// A socket address of one family, as system calls use it.
trait RawAddress: SockaddrLike + Copy {
    fn socket_address(self) -> SocketAddr;
}

impl RawAddress for SockaddrIn {
    fn socket_address(self) -> SocketAddr {
        SocketAddrV4::from(self).into()
    }
}

impl RawAddress for SockaddrIn6 {
    fn socket_address(self) -> SocketAddr {
        SocketAddrV6::from(self).into()
    }
}

/// A received datagram.
#[derive(Clone, Copy)]
struct ReceivedDatagram {
    octets: usize,
    client: SocketAddr,
    local: Option<IpAddr>,
}

/// The results of one batch.
struct BatchAnswers {
    /// The length of each response, by the place of its datagram; zero for no response.
    lengths: [usize; BATCH],
    /// The places of datagrams for the library.
    slow: Vec<usize>,
}

/// A query that was read, and where its answer lies in memory.
struct ReadQuery<'z, 'q> {
    query: WireQuery<'q>,
    client: IpAddr,
    place: QueryTarget<'z, 'q>,
}

impl UdpWorker {
    /// Answers queries until `stop` is true, which is checked after every batch and every read
    /// timeout.
    pub(super) fn run(self) {
        if self.socket.local_addr().is_ok_and(|address| address.is_ipv4()) {
            self.answer_all::<SockaddrIn>();
        } else {
            self.answer_all::<SockaddrIn6>();
        }
    }

    fn answer_all<A: RawAddress>(mut self) {
        let wildcard = self.socket.local_addr().is_ok_and(|address| address.ip().is_unspecified());
        let control = wildcard.then(|| nix::cmsg_space!(nix::libc::in6_pktinfo));
        let mut headers = MultiHeaders::<A>::preallocate(BATCH, control);
        let mut datagrams = vec![[0; DATAGRAM_OCTETS_MAX]; BATCH];
        let mut responses = vec![[0; RESPONSE_OCTETS_MAX]; BATCH];
        let mut came = Vec::with_capacity(BATCH);
        let mut answers = BatchAnswers { lengths: [0; BATCH], slow: Vec::with_capacity(BATCH) };
        let mut tally = self.metrics.tally("udp");
        while !self.stop.load(Ordering::Relaxed) {
            came.clear();
            match self.receive(&mut headers, &mut datagrams, &mut came) {
                Ok(()) => {}
                // The read timed out, or the port of a client was closed.
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => continue,
                Err(error) => {
                    tracing::error!(%error, "cannot read from a UDP socket");
                    std::thread::sleep(PAUSE);
                    continue;
                }
            }
            let watch = Stopwatch::start();
            self.answer(&datagrams, &came, &mut responses, &mut answers, &mut tally);
            self.send(&responses, &came, &answers, &mut tally);
            tally.took(
                watch.microseconds(),
                answers.lengths.iter().filter(|length| **length > 0).count() as u64,
            );
            for place in answers.slow.drain(..) {
                self.pass_on(&datagrams[place], &came[place], &mut tally);
            }
            tally.flush();
        }
    }

    fn receive<A: RawAddress>(
        &self,
        headers: &mut MultiHeaders<A>,
        datagrams: &mut [[u8; DATAGRAM_OCTETS_MAX]],
        came: &mut Vec<ReceivedDatagram>,
    ) -> nix::Result<()> {
        let mut datagrams = datagrams.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(datagrams.next().map_or(&mut [], |datagram| datagram))]);
        let flags = MsgFlags::MSG_WAITFORONE;
        for message in recvmmsg(self.socket.as_raw_fd(), headers, &mut slices, flags, None)? {
            let local = message.cmsgs().ok().and_then(|mut controls| controls.find_map(written_to));
            // A datagram without a source address gets port 0, which is never answered.
            let client = message.address.map_or(NOBODY, A::socket_address);
            came.push(ReceivedDatagram { octets: message.bytes, client, local });
        }
        Ok(())
    }

    /// Answers a batch. First the places of all answers are looked up, and then the memory at all
    /// these places is read, so that the processor waits for many cache lines at the same time.
    fn answer(
        &mut self,
        datagrams: &[[u8; DATAGRAM_OCTETS_MAX]],
        came: &[ReceivedDatagram],
        responses: &mut [[u8; RESPONSE_OCTETS_MAX]],
        answers: &mut BatchAnswers,
        tally: &mut PendingCounts,
    ) {
        let held = self.service.hold();
        let zones = held.zones();
        let asking: [Option<ReadQuery<'_, '_>>; BATCH] = std::array::from_fn(|at| {
            let ReceivedDatagram { octets, client, .. } =
                came.get(at).filter(|came| came.may_be_answered())?;
            let query = WireQuery::read(datagrams[at].get(..*octets)?)?;
            let place = self.service.locate(zones, query.name);
            Some(ReadQuery { query, client: client.ip(), place })
        });
        let spots: [_; BATCH] =
            std::array::from_fn(|at| asking[at].as_ref().map(|asking| asking.place.spot()));
        std::hint::black_box(spots.iter().flatten().fold(0, |sum, spot| sum ^ spot.touch()));
        answers.lengths = [0; BATCH];
        for (at, (asking, response)) in asking.iter().zip(responses).enumerate().take(came.len()) {
            let Some(ReadQuery { query, client, place }) = asking else {
                if came[at].may_be_answered() {
                    answers.slow.push(at);
                } else {
                    tally.dropped(DropReason::Port, 1);
                }
                continue;
            };
            let (name, query_type, edns) = (query.name, query.query_type, query.edns);
            let inquiry = ClientQuery { client: *client, name, query_type, edns };
            let decision = self.service.decide(place, &inquiry, &held, Some(&mut self.limiter));
            outcome::count(tally, &self.metrics, &inquiry, place, &decision);
            if let Ok(decided) = &decision {
                let reply = ReplyParts::of(decided, QueryEdns::octets_max(edns));
                let question = &datagrams[at][..query.end()];
                answers.lengths[at] = message::write(question, &reply, &decided.content, response);
            }
        }
    }

    fn send(
        &self,
        responses: &[[u8; RESPONSE_OCTETS_MAX]],
        came: &[ReceivedDatagram],
        answers: &BatchAnswers,
        tally: &mut PendingCounts,
    ) {
        let ready = || (0..came.len()).filter(|at| answers.lengths[*at] > 0);
        if came.iter().any(|came| came.local.is_some()) {
            for at in ready() {
                let way = self.way(&came[at]);
                tally
                    .dropped(DropReason::Unsent, u64::from(!way.send(&responses[at][..answers.lengths[at]])));
            }
            return;
        }
        let slices: Vec<[IoSlice<'_>; 1]> =
            ready().map(|at| [IoSlice::new(&responses[at][..answers.lengths[at]])]).collect();
        let addresses: Vec<SocketAddrAny> = ready().map(|at| came[at].client.as_any()).collect();
        let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            slices.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let parts = slices.iter().zip(&addresses).zip(&mut controls);
        let mut messages: Vec<MMsgHdr<'_>> = parts
            .map(|((slice, address), control)| MMsgHdr::new_with_addr(address, slice, control))
            .collect();
        let mut rest = &mut messages[..];
        while !rest.is_empty() {
            // Do not wait for room in the send buffer: the next queries would wait too.
            let sent = match sendmmsg(&self.socket, rest, SendFlags::DONTWAIT) {
                Ok(sent @ 1..) => sent,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => {
                    tally.dropped(DropReason::Unsent, rest.len() as u64);
                    return;
                }
                // The first remaining response could not be sent, perhaps because its client is not
                // reachable.
                Ok(_) | Err(_) => {
                    tally.dropped(DropReason::Unsent, 1);
                    1
                }
            };
            rest = &mut rest[sent..];
        }
    }

    fn way(&self, came: &ReceivedDatagram) -> ReplyPath {
        ReplyPath { socket: Arc::clone(&self.socket), client: came.client, local: came.local }
    }

    fn pass_on(
        &self,
        datagram: &[u8; DATAGRAM_OCTETS_MAX],
        came: &ReceivedDatagram,
        tally: &mut PendingCounts,
    ) {
        let message = datagram[..came.octets.min(DATAGRAM_OCTETS_MAX)].to_vec();
        if self.slow.try_send(Fallback { message, way: self.way(came) }).is_err() {
            tally.dropped(DropReason::Queue, 1);
        }
    }
}

const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));

impl ReceivedDatagram {
    fn may_be_answered(&self) -> bool {
        !ANSWERING_PORTS.contains(&self.client.port())
    }
}

/// The destination address of a datagram (`IP_PKTINFO`).
fn written_to(control: ControlMessageOwned) -> Option<IpAddr> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    }
}

impl ReplyPath {
    /// Sends a response without waiting for room in the send buffer. Returns `false` if it could
    /// not be sent.
    pub(super) fn send(&self, octets: &[u8]) -> bool {
        let (fd, slices) = (self.socket.as_raw_fd(), [IoSlice::new(octets)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match (self.client, self.local) {
            (SocketAddr::V4(client), Some(IpAddr::V4(local))) => {
                let spec = nix::libc::in_addr { s_addr: u32::from_ne_bytes(local.octets()) };
                let none = nix::libc::in_addr { s_addr: 0 };
                let info = nix::libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec, ipi_addr: none };
                let control = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmsg(fd, &slices, &control, flags, Some(&SockaddrIn::from(client)))
            }
            (SocketAddr::V6(client), Some(IpAddr::V6(local))) => {
                let address = nix::libc::in6_addr { s6_addr: local.octets() };
                // A link-local source address is valid only on its link, which is the scope of the
                // client's address. If that address has no scope, the kernel chooses the source
                // address.
                let (interface, address) = match (local.is_unicast_link_local(), client.scope_id()) {
                    (true, 0) => (0, nix::libc::in6_addr { s6_addr: [0; 16] }),
                    (true, scope) => (scope, address),
                    (false, _) => (0, address),
                };
                let info = nix::libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: interface };
                let control = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmsg(fd, &slices, &control, flags, Some(&SockaddrIn6::from(client)))
            }
            (SocketAddr::V4(client), _) => sendmsg(fd, &slices, &[], flags, Some(&SockaddrIn::from(client))),
            (SocketAddr::V6(client), _) => sendmsg(fd, &slices, &[], flags, Some(&SockaddrIn6::from(client))),
        };
        sent.is_ok()
    }
}
