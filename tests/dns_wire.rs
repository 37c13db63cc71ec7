//! Tests of the name server over real UDP and TCP sockets.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use crate::support::dns_client::{ask, query, try_once};
use crate::support::server::{Installation, Server};

const ORIGIN: &str = "bl.backscatter.example.";
/// How long to wait for one response.
const PATIENCE: Duration = Duration::from_secs(2);
const LISTED: &str = "25.0.18.198.bl.backscatter.example.";

/// A server with one relay that was listed for reports sent over SMTP.
fn listed() -> (Installation, Server) {
    let installation = Installation::new();
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.ok(&["trap", "add", "trap-two.example", "--silent-since", "2025-01-01T00:00:00Z"]);
    installation.make_case("198.18.0.25");
    (installation, server)
}

fn framed(message: &Message) -> Vec<u8> {
    let octets = message.to_vec().unwrap();
    [&(octets.len() as u16).to_be_bytes()[..], &octets].concat()
}

fn read_framed(stream: &mut TcpStream) -> Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).unwrap();
    Message::from_vec(&octets).unwrap()
}

#[test]
fn rfc7766_n4_the_zone_is_served_over_udp_and_tcp_alike() {
    let (installation, server) = listed();
    let a = ask(installation.dns_address(), &query(LISTED, RecordType::A));
    assert_eq!(a.metadata.response_code, ResponseCode::NoError);
    assert!(a.metadata.authoritative && !a.metadata.recursion_available);
    assert!(
        matches!(&a.answers[..], [record] if matches!(record.data, RData::A(a) if a.0.octets() == [127, 0, 0, 34]))
    );

    // Several queries in one write: each one is answered.
    let mut stream = TcpStream::connect(installation.dns_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let queries = [
        query(LISTED, RecordType::TXT),
        query(ORIGIN, RecordType::SOA),
        query(ORIGIN, RecordType::NS),
        query("9.9.9.9.bl.backscatter.example.", RecordType::A),
    ];
    stream.write_all(&queries.iter().flat_map(framed).collect::<Vec<u8>>()).unwrap();
    for _ in &queries {
        let answer = read_framed(&mut stream);
        let asked = queries
            .iter()
            .find(|query| query.metadata.id == answer.metadata.id)
            .expect("a query of this test");
        assert_eq!(answer.queries, asked.queries);
        let nothing = asked.queries[0].query_type() == RecordType::A;
        assert_eq!(answer.metadata.response_code == ResponseCode::NXDomain, nothing);
        assert_eq!(answer.answers.is_empty(), nothing);
        let same = ask(installation.dns_address(), asked);
        assert_eq!((same.answers, same.authorities), (answer.answers, answer.authorities));
    }
    server.stop();
}

#[test]
fn rfc7766_n4_what_is_too_large_for_udp_is_cut_and_whole_over_tcp() {
    let installation = Installation::new();
    let zone = installation.path().join("zones/backscatter.toml");
    let names: Vec<String> =
        (0..15).map(|n| format!("\"name-server-{n}.a-long-label-{n}.example\"")).collect();
    let text = std::fs::read_to_string(&zone).unwrap();
    let text = text.replace(
        "ns = [\"ns1.backscatter.example\", \"ns2.backscatter.example\"]",
        &format!("ns = [{}]", names.join(", ")),
    );
    std::fs::write(&zone, text).unwrap();
    let server = installation.start();
    let asked = query(ORIGIN, RecordType::NS);
    let cut = try_once(installation.dns_address(), &asked, PATIENCE).unwrap();
    assert!(cut.len() <= 512, "{} octets without EDNS", cut.len());
    assert!(Message::from_vec(&cut).unwrap().metadata.truncation);
    let mut with_edns = asked.clone();
    let mut edns = Edns::new();
    edns.set_max_payload(4_096);
    with_edns.set_edns(edns);
    let whole = ask(installation.dns_address(), &with_edns);
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 15));
    let mut stream = TcpStream::connect(installation.dns_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(&framed(&asked)).unwrap();
    let whole = read_framed(&mut stream);
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 15));
    // The connection is idle for longer than the test's configuration allows: the server closes it.
    let mut rest = Vec::new();
    assert_eq!(
        stream.read_to_end(&mut rest).unwrap(),
        0,
        "the server closed the connection before the read timed out"
    );
    server.stop();
}

#[test]
fn rfc2308_n1_negative_answers_carry_the_soa_on_the_wire() {
    let (installation, server) = listed();
    for (name, kind, code) in [
        ("9.9.9.9.bl.backscatter.example.", RecordType::A, ResponseCode::NXDomain),
        (LISTED, RecordType::MX, ResponseCode::NoError),
        ("18.198.bl.backscatter.example.", RecordType::A, ResponseCode::NoError),
    ] {
        let answer = ask(installation.dns_address(), &query(name, kind));
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (code, 0), "{name}");
        let [soa] = &answer.authorities[..] else { panic!("{name}: {:?}", answer.authorities) };
        assert_eq!(
            (soa.name.to_string().as_str(), soa.record_type(), soa.ttl),
            (ORIGIN, RecordType::SOA, 120)
        );
    }
    server.stop();
}

#[test]
fn rfc8482_n3_any_gets_one_hinfo() {
    let (installation, server) = listed();
    let answer = ask(installation.dns_address(), &query(LISTED, RecordType::ANY));
    assert!(matches!(&answer.answers[..], [record] if record.record_type() == RecordType::HINFO));
    server.stop();
}

#[test]
fn headers_extensions_and_letters_are_answered_by_the_book() {
    let (installation, server) = listed();
    // docs/STANDARDS.md N14: question and answer have the name as it was written in the query.
    let mixed = ask(installation.dns_address(), &query("25.0.18.198.Bl.BackScatter.eXample.", RecordType::A));
    assert_eq!(mixed.queries[0].name().to_string(), "25.0.18.198.Bl.BackScatter.eXample.");
    assert_eq!(mixed.answers[0].name.to_string(), "25.0.18.198.Bl.BackScatter.eXample.");
    // docs/STANDARDS.md N5: an OPT record only in reply to one; BADVERS for a version other than 0.
    assert!(mixed.edns.is_none());
    let with = |version| {
        let mut message = query(LISTED, RecordType::A);
        let mut edns = Edns::new();
        edns.set_max_payload(4_096).set_version(version);
        message.set_edns(edns);
        ask(installation.dns_address(), &message)
    };
    let edns = with(0).edns.unwrap();
    assert_eq!((edns.version(), edns.max_payload()), (0, 1_232));
    let badvers = with(1);
    // Code 16 is BADVERS in EDNS and BADSIG in TSIG; the library may show either name.
    assert_eq!((u16::from(badvers.metadata.response_code), badvers.answers.len()), (16, 0));
    // docs/STANDARDS.md N8: other classes, other operations, other zones.
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(ask(installation.dns_address(), &chaos).metadata.response_code, ResponseCode::Refused);
    let mut notify = query(ORIGIN, RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    assert_eq!(ask(installation.dns_address(), &notify).metadata.response_code, ResponseCode::NotImp);
    let outside = ask(installation.dns_address(), &query("2.0.0.127.other.example.", RecordType::A));
    assert_eq!(outside.metadata.response_code, ResponseCode::Refused);
    assert!(!outside.metadata.authoritative && outside.answers.is_empty());
    // A query with two questions is a format error.
    let mut two = query(LISTED, RecordType::A);
    two.add_query(Query::query(Name::from_ascii(ORIGIN).unwrap(), RecordType::A));
    assert_eq!(ask(installation.dns_address(), &two).metadata.response_code, ResponseCode::FormErr);
    server.stop();
}

#[test]
fn garbage_is_survived() {
    let (installation, server) = listed();
    let good = query(LISTED, RecordType::A);
    let octets = good.to_vec().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for cut in 0..octets.len() {
        socket.send_to(&octets[..cut], installation.dns_address()).unwrap();
    }
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..2_000 {
        let mut damaged = octets.clone();
        for _ in 0..3 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = (seed as usize) % damaged.len();
            damaged[at] = (seed >> 32) as u8;
        }
        socket.send_to(&damaged, installation.dns_address()).unwrap();
    }
    // A response is not answered.
    let mut response = good.clone();
    response.metadata.message_type = MessageType::Response;
    // Nothing else shows that the server is silent, so the test waits for an answer that must not
    // come.
    let answer = try_once(installation.dns_address(), &response, PATIENCE);
    assert_eq!(answer, None, "answering responses would make loops");
    for octets in [&b"\x00"[..], b"\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01\x00", b"\x00\x00\x00\x00"]
    {
        let mut stream = TcpStream::connect(installation.dns_address()).unwrap();
        stream.write_all(octets).unwrap();
    }
    assert_eq!(ask(installation.dns_address(), &good).answers.len(), 1);
    server.stop();
}

#[test]
fn rfc5782_d11_a_removal_is_seen_by_the_next_query() {
    let (installation, server) = listed();
    assert_eq!(ask(installation.dns_address(), &query(LISTED, RecordType::A)).answers.len(), 1);
    installation.ok(&["remove", "198.18.0.25"]);
    let answer = ask(installation.dns_address(), &query(LISTED, RecordType::A));
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
    server.stop();
}
