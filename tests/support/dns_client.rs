//! A DNS client for tests, and what a blocklist client uses of a response.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};

/// How often a query is sent before the test fails.
const TRIES_MAX: usize = 3;

/// Makes a query of class IN.
pub(crate) fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

/// Sends a query once. Returns the octets of the response if one comes within the time.
pub(crate) fn try_once(server: SocketAddr, query: &Message, patience: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.send(&query.to_vec().unwrap()).ok()?;
    let mut response = vec![0; 65_535];
    let length = socket.recv(&mut response).ok()?;
    response.truncate(length);
    (response.len() >= 12).then_some(response)
}

/// Sends a query and returns the octets of the response.
pub(crate) fn ask_octets(server: SocketAddr, query: &Message) -> Vec<u8> {
    let mut tries = (0..TRIES_MAX).map(|_| try_once(server, query, Duration::from_secs(2)));
    tries.find_map(|response| response).unwrap_or_else(|| panic!("{server} does not answer {query:?}"))
}

/// Sends a query over UDP and returns the response.
pub(crate) fn ask(server: SocketAddr, query: &Message) -> Message {
    let octets = ask_octets(server, query);
    Message::from_vec(&octets).unwrap_or_else(|error| panic!("{error}: {octets:?}"))
}

/// Sends messages over one TCP connection and returns the responses.
pub(crate) fn over_tcp(server: SocketAddr, messages: &[Message]) -> Vec<Message> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for message in messages {
        let octets = message.to_vec().unwrap();
        stream.write_all(&[&(octets.len() as u16).to_be_bytes()[..], &octets].concat()).unwrap();
    }
    let read = messages.iter().map(|_| {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut octets).unwrap();
        Message::from_vec(&octets).unwrap()
    });
    read.collect()
}

/// The parts of a response that a blocklist client uses, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The response code by name.
    pub(crate) rcode: String,
    /// The addresses of the A records.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The texts of the TXT records, each with its strings joined.
    pub(crate) texts: Vec<Vec<u8>>,
    /// The least TTL of the answer records, in seconds.
    pub(crate) ttl: Option<u32>,
}

impl From<&Message> for Verdict {
    fn from(message: &Message) -> Self {
        let mut verdict = Verdict {
            rcode: format!("{:?}", message.metadata.response_code),
            addresses: Vec::new(),
            texts: Vec::new(),
            ttl: message.answers.iter().map(|record| record.ttl).min(),
        };
        for record in &message.answers {
            match &record.data {
                RData::A(address) => verdict.addresses.push(address.0),
                RData::TXT(text) => {
                    verdict.texts.push(text.txt_data.iter().flat_map(|part| part.iter().copied()).collect())
                }
                _ => {}
            }
        }
        verdict.addresses.sort_unstable();
        verdict.texts.sort_unstable();
        verdict
    }
}

/// The name of an address in a zone.
pub(crate) fn under(address: IpAddr, origin: &str) -> String {
    format!("{}.{origin}", backscatterd::zone::reversed(address))
}

/// Addresses inside and around the networks of the samples in tests/lists.
pub(crate) fn interesting() -> Vec<IpAddr> {
    let v4 = |a: u8, b: u8, c: u8, d: u8| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    let mut addresses: Vec<IpAddr> = (0..=255)
        .flat_map(|d| [v4(192, 0, 2, d), v4(198, 51, 100, d), v4(203, 0, 113, d), v4(10, 1, 2, d)])
        .collect();
    for c in [0, 1, 2, 3, 4, 99, 255] {
        for d in [0, 1, 2, 3, 4, 5, 128, 255] {
            addresses.extend([
                v4(10, 0, c, d),
                v4(10, 1, c, d),
                v4(10, 2, c, d),
                v4(172, 15, c, d),
                v4(172, 16, c, d),
                v4(172, 31, c, d),
                v4(172, 32, c, d),
                v4(127, 0, c, d),
                v4(203, 0, c, d),
                v4(c, d, 1, 1),
            ]);
        }
    }
    let words: [u16; 9] = [0, 1, 2, 3, 4, 5, 9, 0x7fff, 0x8000];
    for third in words.into_iter().chain([0xffff]) {
        for fourth in words {
            for last in [0u16, 1, 5, 9, 0xffff] {
                for middle in [0u16, 3] {
                    let address = Ipv6Addr::new(0x2001, 0xdb8, third, fourth, middle, 0, 0, last);
                    addresses.push(IpAddr::V6(address));
                }
            }
        }
    }
    addresses.extend(
        [
            "2001:db8:8000:1:2:3:4:5",
            "2001:db8::1",
            "::ffff:127.0.0.2",
            "::ffff:127.0.0.1",
            "2001:db8:3:b::1",
            "::1",
            "::2",
            "::3",
            "2001:470::1",
            "bad::1",
            "7.1.1.1",
            "12.1.1.1",
            "3.1.1.1",
            "5.1.1.1",
            "11.1.1.1",
        ]
        .map(|text| text.parse::<IpAddr>().unwrap()),
    );
    addresses
}
