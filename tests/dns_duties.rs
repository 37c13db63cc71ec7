//! Tests of the name server's limits and options: rate limits, cookies, access rules, TCP, and what
//! it says about itself.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, RData, RecordType};

use crate::support::dns_client::{ask, over_tcp, query};
use crate::support::server::{Installation, Server};

const ORIGIN: &str = "bl.backscatter.example.";
const TEST_ENTRY: &str = "2.0.0.127.bl.backscatter.example.";
const COOKIE: u16 = 10;
const EXTENDED_ERROR: u16 = 15;

/// A server with further settings in its `[dns]` section.
fn with(settings: &str) -> (Installation, Server) {
    let installation = Installation::new();
    installation.configure("[dns]\n", &format!("[dns]\n{settings}\n"));
    let server = installation.start();
    (installation, server)
}

fn with_option(mut message: Message, option: EdnsOption) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    edns.options_mut().insert(option);
    message.set_edns(edns);
    message
}

fn option(message: &Message, code: u16) -> Option<Vec<u8>> {
    match message.edns.as_ref()?.option(EdnsCode::from(code))? {
        EdnsOption::Unknown(_, data) => Some(data.clone()),
        EdnsOption::NSID(data) => Some(data.as_ref().to_vec()),
        other => panic!("{other:?}"),
    }
}

/// The code of an Extended DNS Error.
fn extended_error(message: &Message) -> Option<u16> {
    option(message, EXTENDED_ERROR).map(|data| u16::from_be_bytes([data[0], data[1]]))
}

fn edns(message: Message) -> Message {
    with_option(message, EdnsOption::Unknown(65_001, Vec::new()))
}

/// How long to wait for a response that must not come. Nothing else shows that the server is silent;
/// a response to a query on loopback takes less than a millisecond.
const SILENCE: Duration = Duration::from_millis(300);

/// Sends one query many times at once and counts the responses until none comes any more. Returns
/// the numbers of whole answers, of responses with TC, and of BADCOOKIE.
fn flood(server: SocketAddr, message: &Message, times: usize) -> (usize, usize, usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    let (octets, mut counts, mut response) = (message.to_vec().unwrap(), (0, 0, 0), [0; 1_500]);
    for _ in 0..times {
        socket.send(&octets).unwrap();
    }
    while let Ok(length) = socket.recv(&mut response) {
        let message = Message::from_vec(&response[..length]).unwrap();
        match u16::from(message.metadata.response_code) {
            23 => counts.2 += 1,
            _ if message.metadata.truncation => counts.1 += 1,
            _ => counts.0 += usize::from(!message.answers.is_empty()),
        }
    }
    counts
}

/// Sends a datagram many times at once, and counts the responses until none comes any more.
fn raw_flood(server: SocketAddr, octets: &[u8], times: usize) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    for _ in 0..times {
        socket.send(octets).unwrap();
    }
    let mut response = [0; 1_500];
    std::iter::from_fn(|| socket.recv(&mut response).ok()).count()
}

#[test]
fn rrl_n7_floods_are_bounded_and_tcp_is_not() {
    let (installation, server) = with("threads = 1\nidentical_responses_max = 20\nunlimited = []");
    let question = query(TEST_ENTRY, RecordType::A);
    let (whole, slipped, _) = flood(installation.dns_address(), &question, 200);
    // The limit is 20 a second, and a second may end during the flood.
    assert!((20..=40).contains(&whole), "{whole} whole answers");
    assert!((60..=100).contains(&slipped), "{slipped} slipped; every second one beyond the limit should");
    let (other, _, _) = flood(installation.dns_address(), &query(TEST_ENTRY, RecordType::TXT), 5);
    assert_eq!(other, 5, "another question has its own limit");
    // All errors count as one question and never slip, so that they are useless for amplification.
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut notify = query(ORIGIN, RecordType::SOA);
    notify.metadata.op_code = hickory_proto::op::OpCode::Notify;
    for error in [edns(query("other.example.", RecordType::A)), chaos, notify] {
        let octets = error.to_vec().unwrap();
        let responses = raw_flood(installation.dns_address(), &octets, 200);
        assert!(responses <= 40, "{responses} errors: {error:?}");
    }
    assert!(raw_flood(installation.dns_address(), &[0; 12], 200) <= 40);
    let answers = over_tcp(installation.dns_address(), &vec![question; 100]);
    assert!(answers.iter().all(|answer| answer.answers.len() == 1 && !answer.metadata.truncation));
    let metrics = installation.metrics();
    assert!(metrics.contains("backscatterd_dns_dropped_total{transport=\"udp\",reason=\"limit\"} "));
    server.stop();
}

#[test]
fn rfc7873_n6_who_shows_our_cookie_is_not_limited() {
    let (installation, server) = with(
        "threads = 1\nidentical_responses_max = 20\nunlimited = []\ncookie_secrets = [\"000102030405060708090a0b0c0d0e0f\"]",
    );
    let question = |cookie: &[u8]| {
        with_option(query(TEST_ENTRY, RecordType::A), EdnsOption::Unknown(COOKIE, cookie.to_vec()))
    };
    let first = ask(installation.dns_address(), &question(b"ourown8!"));
    let cookie = option(&first, COOKIE).unwrap();
    assert_eq!((cookie.len(), &cookie[..8], cookie[8]), (24, &b"ourown8!"[..], 1));
    assert_eq!(first.answers.len(), 1, "a client without a server cookie is answered too");
    assert_eq!(flood(installation.dns_address(), &question(&cookie), 200), (200, 0, 0));
    // A wrong cookie counts as none. Under load it gets BADCOOKIE with the right one.
    let mut forged = cookie.clone();
    forged[20] ^= 1;
    let (whole, slipped, bad) = flood(installation.dns_address(), &question(&forged), 200);
    assert!(whole <= 41 && slipped == 0 && bad >= 60, "{whole} whole, {slipped} slipped, {bad} BADCOOKIE");
    // The length is neither 8 nor 16 to 40 octets (RFC 7873 §5.2.2).
    let malformed = ask(installation.dns_address(), &question(b"short"));
    assert_eq!(malformed.metadata.response_code, ResponseCode::FormErr);
    server.stop();
}

#[test]
fn n8_rules_of_access_and_keys_refuse_with_a_reason_and_no_address() {
    let key = "0123456789abcdef0123456789abcdef";
    let settings = format!(
        "access = [\n {{ networks = [\"127.0.0.11/32\"], action = \"refuse\" }},\n {{ networks = [\"127.0.0.12/32\"], action = \"ignore\" }},\n \
         {{ networks = [\"127.0.0.13/32\"], action = \"empty\" }},\n {{ zones = [\"{ORIGIN}\"], networks = [\"127.0.0.14/32\"], action = \"key\" }},\n]\n\
         keys = [{{ name = \"customer\", digest = \"{}\" }}]",
        backscatterd::digest::Digest::of(key.as_bytes())
    );
    let (installation, server) = with(&settings);
    let from = |client: &str, name: &str, patience: Duration| {
        let socket = UdpSocket::bind((client.parse::<IpAddr>().unwrap(), 0)).unwrap();
        socket.connect(installation.dns_address()).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send(&edns(query(name, RecordType::A)).to_vec().unwrap()).unwrap();
        let mut response = [0; 1_500];
        let length = socket.recv(&mut response).ok()?;
        Some(Message::from_vec(&response[..length]).unwrap())
    };
    let told = |client: &str, name: &str| {
        let message = from(client, name, Duration::from_secs(5)).unwrap();
        (message.metadata.response_code, message.answers.len(), extended_error(&message))
    };
    let listed = (ResponseCode::NoError, 1, None);
    let prohibited = (ResponseCode::Refused, 0, Some(18));
    assert_eq!(told("127.0.0.10", TEST_ENTRY), listed);
    assert_eq!(told("127.0.0.11", TEST_ENTRY), prohibited);
    assert_eq!(told("127.0.0.11", ORIGIN), prohibited);
    // An ignored client gets no response to anything: its address may be forged to flood it.
    for name in [TEST_ENTRY, "other.example."] {
        assert!(from("127.0.0.12", name, SILENCE).is_none());
    }
    let mut notify = query(ORIGIN, RecordType::SOA);
    notify.metadata.op_code = hickory_proto::op::OpCode::Notify;
    for octets in [notify.to_vec().unwrap(), vec![0; 12], vec![7; 40]] {
        let socket = UdpSocket::bind("127.0.0.12:0").unwrap();
        socket.set_read_timeout(Some(SILENCE)).unwrap();
        socket.send_to(&octets, installation.dns_address()).unwrap();
        assert!(socket.recv(&mut [0; 1_500]).is_err());
    }
    assert_eq!(told("127.0.0.13", TEST_ENTRY), (ResponseCode::NXDomain, 0, None));
    let with_key = format!("2.0.0.127.{key}.{ORIGIN}");
    assert_eq!(told("127.0.0.14", TEST_ENTRY), prohibited);
    assert_eq!(told("127.0.0.14", &with_key), listed);
    assert_eq!(told("127.0.0.14", &with_key.to_ascii_uppercase()), listed);
    assert_eq!(told("127.0.0.10", &with_key), listed);
    // The name of a key itself is no zone cut: a resolver that minimises names would otherwise take
    // it for one.
    let key_itself = format!("{key}.{ORIGIN}");
    for kind in [RecordType::NS, RecordType::SOA, RecordType::A] {
        let answer = ask(installation.dns_address(), &query(&key_itself, kind));
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 0));
        assert_eq!(answer.authorities[0].name.to_string(), ORIGIN);
    }
    let sublist = format!("2.0.0.127.dsn.{key}.{ORIGIN}");
    assert_eq!(told("127.0.0.14", &sublist), listed, "sublists work below a key as below the zone");
    // A wrong key is refused for every client.
    assert_eq!(told("127.0.0.10", &format!("2.0.0.127.{}.{ORIGIN}", key.replace('0', "1"))), prohibited);
    // A name outside of the zones.
    assert_eq!(told("127.0.0.10", "2.0.0.127.other.example."), (ResponseCode::Refused, 0, Some(20)));
    let metrics = installation.metrics();
    assert!(metrics.contains("backscatterd_dns_keys_total{key=\"customer\"} 7"), "{metrics}");
    assert!(
        !metrics.contains("127.0.0.1") && !metrics.contains(key),
        "metrics contain no client address and no key"
    );
    server.stop();
}

#[test]
fn ports_that_answer_everything_are_never_answered() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("SKIPPED: this test binds ports below 1024, which needs root");
        return;
    }
    let (installation, server) = with("");
    for port in [7, 19, 69, 123] {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 77], port))).unwrap();
        socket.set_read_timeout(Some(SILENCE)).unwrap();
        for octets in [query(TEST_ENTRY, RecordType::A).to_vec().unwrap(), vec![0; 12]] {
            socket.send_to(&octets, installation.dns_address()).unwrap();
            assert!(socket.recv(&mut [0; 1_500]).is_err(), "from port {port}");
        }
    }
    let metrics = installation.metrics();
    assert!(metrics.contains("backscatterd_dns_dropped_total{transport=\"udp\",reason=\"port\"} 8"));
    server.stop();
}

#[test]
fn rfc7766_n4_what_was_asked_is_answered_before_the_next_is_whole() {
    let (installation, server) = with("");
    let octets = query(TEST_ENTRY, RecordType::A).to_vec().unwrap();
    let framed = [&(octets.len() as u16).to_be_bytes()[..], &octets].concat();
    let mut stream = TcpStream::connect(installation.dns_address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // One whole query and the start of another.
    stream.write_all(&[&framed[..], &framed[..10]].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut response = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(Message::from_vec(&response).unwrap().answers.len(), 1);
    stream.write_all(&framed[10..]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(
        Message::from_vec(&rest[2..]).unwrap().answers.len(),
        1,
        "a client that has closed its sending side is still answered"
    );
    server.stop();
}

#[test]
fn rfc7873_n6_a_client_that_wants_a_cookie_alone_gets_it() {
    let (installation, server) = with("");
    let mut message = Message::query();
    message = with_option(message, EdnsOption::Unknown(COOKIE, b"ourown8!".to_vec()));
    let answer = ask(installation.dns_address(), &message);
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert_eq!(option(&answer, COOKIE).unwrap().len(), 24);
    let nothing = ask(installation.dns_address(), &Message::query());
    assert_eq!(nothing.metadata.response_code, ResponseCode::FormErr);
    server.stop();
}

#[test]
fn the_server_tells_of_itself_what_its_operator_wants() {
    let (installation, server) = with("nsid = \"ns1.fra\"\nversion = \"none of your business\"");
    let nsid = ask(
        installation.dns_address(),
        &with_option(query(TEST_ENTRY, RecordType::A), EdnsOption::Unknown(3, Vec::new())),
    );
    assert_eq!(option(&nsid, 3).unwrap(), b"ns1.fra");
    assert_eq!(
        option(&ask(installation.dns_address(), &edns(query(TEST_ENTRY, RecordType::A))), 3),
        None,
        "NSID is sent only on request"
    );
    let chaos = |name: &str| {
        let mut message = query(name, RecordType::TXT);
        message.queries[0].set_query_class(DNSClass::CH);
        let answer = ask(installation.dns_address(), &message);
        answer.answers.first().map(|record| {
            let RData::TXT(text) = &record.data else { panic!("{record}") };
            String::from_utf8(text.txt_data.concat()).unwrap()
        })
    };
    assert_eq!(chaos("version.bind.").as_deref(), Some("none of your business"));
    assert_eq!(chaos("id.server.").as_deref(), Some("ns1.fra"));
    assert_eq!(chaos("authors.bind."), None);
    server.stop();
}

#[test]
fn the_zone_tells_how_it_stands() {
    let (installation, server) = with("");
    installation.ok(&[
        "list",
        "198.18.0.25",
        "--zone",
        ORIGIN,
        "--until",
        "2026-03-01T00:00:00Z",
        "--why",
        "a test",
    ]);
    let answer = ask(installation.dns_address(), &query(&format!("_status.{ORIGIN}"), RecordType::TXT));
    let RData::TXT(text) = &answer.answers[0].data else { panic!("{answer:?}") };
    let text = String::from_utf8(text.txt_data.concat()).unwrap();
    let soa = ask(installation.dns_address(), &query(ORIGIN, RecordType::SOA));
    let RData::SOA(soa) = &soa.answers[0].data else { panic!("{soa:?}") };
    let policy = backscatterd::digest::Digest::of(crate::support::world::laboratory_zone().as_bytes());
    assert_eq!(text, format!("v=1 serial={} data_age=0 entries=1 state=ok policy={policy}", soa.serial));
    server.stop();
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    let installation = Installation::new();
    installation.configure(
        "[dns]\nlisten = [\"127.0.0.1:0\"]",
        "[dns]\nlisten = [\"0.0.0.0:0\", \"[::]:0\"]\nthreads = 2",
    );
    let server = installation.start();
    let [port, port_v6] = installation.dns_addresses()[..] else { panic!("two listeners") };
    let (port, port_v6) = (port.port(), port_v6.port());
    // A connected socket accepts datagrams from that address only. Twenty queries reach both
    // threads.
    for nth in 1..=20 {
        let address = SocketAddr::from(([127, 0, 7, nth], port));
        assert_eq!(ask(address, &query(TEST_ENTRY, RecordType::A)).answers.len(), 1, "{address}");
    }
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.connect(("::1", port_v6)).unwrap();
    for message in [query(TEST_ENTRY, RecordType::A), edns(query(ORIGIN, RecordType::SOA))] {
        socket.send(&message.to_vec().unwrap()).unwrap();
        let mut response = [0; 1_500];
        let length = socket.recv(&mut response).unwrap();
        assert_eq!(Message::from_vec(&response[..length]).unwrap().answers.len(), 1);
    }
    // A query that the slow path answers gets its response from the right address too.
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let answer = ask(SocketAddr::from(([127, 0, 9, 9], port)), &chaos);
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
    server.stop();
}

#[test]
fn rfc7766_n4_clients_over_tcp_are_bounded_and_do_not_hinder_each_other() {
    let (installation, server) = with("tcp_connections_max = 12\ntcp_connections_per_client_max = 5");
    // The idle timeout of the installation is one second. These clients send part of a query, or
    // nothing.
    let mut idle: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(installation.dns_address()).unwrap()).collect();
    for (nth, stream) in idle.iter_mut().enumerate() {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // A connection beyond the limit may already be closed.
        let _ = stream.write_all(&[0, 40, 1, 2, 3][..nth % 5]);
    }
    let elsewhere = |last: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&installation.dns_address().into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let octets = query(TEST_ENTRY, RecordType::A).to_vec().unwrap();
        stream.write_all(&[&(octets.len() as u16).to_be_bytes()[..], &octets].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
    };
    elsewhere(99);
    // All connections are closed: some at once, the others after one second without a whole query.
    for stream in &mut idle {
        let mut rest = Vec::new();
        assert!(
            !matches!(stream.read_to_end(&mut rest), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        );
        assert!(rest.is_empty());
    }
    elsewhere(98);
    assert_eq!(ask(installation.dns_address(), &query(TEST_ENTRY, RecordType::A)).answers.len(), 1);
    server.stop();
}

/// Under a flood from random addresses, with damaged datagrams and slow TCP clients, every query of
/// another client is answered and memory stays bounded.
#[test]
fn floods_cost_bounded_memory_and_nobody_an_answer() {
    const DATAGRAMS: usize = 60_000;
    const GROWTH_OCTETS_MAX: usize = 32 << 20;
    let (installation, server) =
        with("threads = 1\ntcp_connections_max = 200\ntcp_connections_per_client_max = 100");
    let address = installation.dns_address();
    let question = query(TEST_ENTRY, RecordType::A);
    assert_eq!(ask(address, &question).answers.len(), 1);
    let before = server.resident_octets();
    let slow: Vec<TcpStream> = (0..150).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (nth, stream) in slow.iter().enumerate() {
        // Some clients send many queries and read no response.
        let octets = query(&format!("_status.{ORIGIN}"), RecordType::TXT).to_vec().unwrap();
        let framed = [&(octets.len() as u16).to_be_bytes()[..], &octets].concat();
        stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        for _ in 0..if nth % 3 == 0 { 2_000 } else { 0 } {
            if (&mut &*stream).write_all(&framed).is_err() {
                break;
            }
        }
    }
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut answered = 0;
    for nth in 0..DATAGRAMS {
        let [a, b, c, ..] = random().to_be_bytes();
        // All of 127.0.0.0/8 is local, so every datagram gets a source address of its own.
        let socket = UdpSocket::bind(SocketAddr::from(([127, a, b, c.max(1)], 0))).unwrap();
        let [a, b, c, d, e, ..] = random().to_be_bytes();
        let mut octets = query(&format!("{a}.{b}.{c}.{d}.{ORIGIN}"), RecordType::A).to_vec().unwrap();
        if nth % 2 == 0 {
            // A damaged datagram; most of these take the slow path.
            let at = usize::from(e) % octets.len();
            octets[at] = octets[at].wrapping_add(a | 1);
            octets.truncate(octets.len() - usize::from(b % 8));
        }
        socket.send_to(&octets, address).unwrap();
        if nth % 1_000 == 0 {
            let answer = ask(address, &question);
            assert_eq!(answer.answers.len(), 1, "{nth}: {answer:?}");
            answered += 1;
        }
    }
    assert_eq!(answered, DATAGRAMS / 1_000);
    let grown = server.resident_octets().saturating_sub(before);
    println!("memory grew by {grown} octets during the flood");
    assert!(grown < GROWTH_OCTETS_MAX, "memory grew by {grown} octets");
    drop(slow);
    server.stop();
}
