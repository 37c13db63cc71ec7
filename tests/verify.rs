//! Tests of verification against servers on loopback: honest ones, hostile ones, and many of them.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backscatterd::digest::Digest;
use backscatterd::evidence::AskedSide;
use backscatterd::observe::Lookups;
use backscatterd::relay::{Listable, Relay};
use backscatterd::time::{LaboratoryClock, Span};
use backscatterd::verify::{
    AskedDomain, Finding, LocalAddresses, PortReach, SessionTimes, SideFinding, Unanswered, Verifier,
    VerifierLimits, VerifierSettings, VerifyRequest,
};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::{A, AAAA, MX};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio_util::sync::CancellationToken;

use crate::support::mail_host::{MailHost, about_others, secured};
use crate::support::wait_until;
use crate::support::world::start;

/// The address that the sessions come from.
const OWN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// The most sessions at one time.
const SESSIONS_MAX: usize = 4;
const UNKNOWN: &str = "550 5.1.1 User unknown";
/// Times that are long enough for honest servers on a busy machine.
const PATIENT: SessionTimes = SessionTimes {
    connect: Duration::from_secs(20),
    reply: Duration::from_secs(20),
    handshake: Duration::from_secs(20),
    session: Duration::from_secs(60),
};
/// Times for servers that never answer.
const HASTY: SessionTimes = SessionTimes {
    connect: Duration::from_secs(20),
    reply: Duration::from_millis(300),
    handshake: Duration::from_millis(300),
    session: Duration::from_millis(1_500),
};

fn settings(port: u16) -> VerifierSettings {
    VerifierSettings {
        addresses: LocalAddresses { v4: Some(OWN), v6: None },
        ehlo: "verify.example.org".to_owned(),
        page: "https://verify.example.org/".to_owned(),
        limits: VerifierLimits { sessions_max: SESSIONS_MAX, per_hour: 1_000 },
        opt_out: Vec::new(),
        port,
    }
}

fn verifier_with(lookups: Lookups, settings: VerifierSettings, times: SessionTimes) -> Arc<Verifier> {
    let listable = Listable { laboratory_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let clock = Arc::new(LaboratoryClock::new(start()));
    Arc::new(Verifier::new(Arc::new(lookups), settings, listable, clock, times))
}

fn verifier(port: u16, times: SessionTimes) -> Arc<Verifier> {
    verifier_with(Lookups::Nothing, settings(port), times)
}

fn request(relay: IpAddr, side: AskedSide) -> VerifyRequest {
    VerifyRequest {
        relay: Relay::new(relay),
        domain: AskedDomain::parse("relay.example").unwrap(),
        side,
        seed: Digest::of(b"seed"),
    }
}

/// Runs a future to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Asks one server.
fn ask(host: &MailHost, times: SessionTimes) -> SideFinding {
    let verifier = verifier(host.address.port(), times);
    run(verifier.ask(&request(host.address.ip(), AskedSide::Relay)))
}

#[test]
fn a_session_asks_and_sends_no_message() {
    let host = MailHost::answering("127.0.0.1:0", about_others(UNKNOWN));
    let found = ask(&host, PATIENT);
    assert_eq!(found.finding, Finding::RefusesUnknown);
    let heard = host.heard();
    let shown: Vec<&str> = heard.iter().map(String::as_str).collect();
    let [ehlo, mail, control, reset, again, one, forget, third, other, last, quit] = shown[..] else {
        panic!("{heard:?}")
    };
    assert_eq!([ehlo, control], ["EHLO verify.example.org", "RCPT TO:<postmaster@relay.example>"]);
    assert_eq!([mail, again, third], ["MAIL FROM:<>"; 3]);
    assert_eq!([reset, forget, last, quit], ["RSET", "RSET", "RSET", "QUIT"]);
    for name in [one, other] {
        let local = name.strip_prefix("RCPT TO:<").and_then(|rest| rest.strip_suffix("@relay.example>"));
        assert_eq!(local.unwrap().split('.').count(), 3, "{name}");
    }
    assert_ne!(one, other);
    assert_eq!(host.clients(), [IpAddr::V4(OWN)], "from the address of verification");
    assert_eq!(found.hosts.len(), 1);
    assert!(found.hosts[0].replies.iter().any(|reply| reply.contains("User unknown")), "{found:?}");
    // The same names again on another day.
    ask(&host, PATIENT);
    assert_eq!(host.heard()[11..], heard[..]);
}

#[test]
fn honest_servers_of_every_kind() {
    let no = Finding::NoAnswer;
    for (about_made_up, expected) in [
        (UNKNOWN, Finding::RefusesUnknown),
        ("250 ok", Finding::TakesAll),
        ("450 4.7.1 Greylisted, come back later", no(Unanswered::Deferred)),
        ("554 5.7.1 Relay access denied", Finding::Refuses),
        ("550 5.7.1 Client host blocked by bl.example", no(Unanswered::AboutUs)),
        ("550-5.1.1 The address\r\n550 5.1.1 does not exist here", Finding::RefusesUnknown),
        ("421 4.7.0 too many errors", no(Unanswered::Deferred)),
    ] {
        let host = MailHost::answering("127.0.0.1:0", about_others(about_made_up));
        assert_eq!(ask(&host, PATIENT).finding, expected, "{about_made_up}");
    }
    // A report has one recipient, and some servers say so.
    let recipients = AtomicUsize::new(0);
    let strict = MailHost::answering("127.0.0.1:0", move |line| {
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        let before = match verb {
            "MAIL" => recipients.swap(0, Ordering::SeqCst),
            "RCPT" => recipients.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        if verb == "RCPT" && before > 0 {
            return "550 a report has one recipient\r\n".to_owned();
        }
        about_others("250 ok")(line)
    });
    assert_eq!(ask(&strict, PATIENT).finding, Finding::TakesAll, "{:?}", strict.heard());
    let down = verifier(1, PATIENT);
    let found = run(down.ask(&request(Ipv4Addr::LOCALHOST.into(), AskedSide::Relay)));
    assert_eq!(found.finding, no(Unanswered::Unreachable));
}

/// Writes the same octets for ever, until the client has gone.
fn endlessly(octets: &'static [u8]) -> impl Fn(TcpStream, &MailHost) + Send + Sync + 'static {
    move |mut stream, _| while stream.write_all(octets).is_ok() {}
}

#[test]
fn hostile_servers_end_a_session_and_are_no_evidence() {
    let no = Finding::NoAnswer;
    let nonsense = no(Unanswered::Nonsense);
    let hosts: [(&str, MailHost, Finding); 9] = [
        ("a banner without an end", MailHost::serving("127.0.0.1:0", endlessly(b"220 x")), nonsense),
        ("a reply without an end", MailHost::serving("127.0.0.1:0", endlessly(b"220-x\r\n")), nonsense),
        ("a line of zeros", MailHost::serving("127.0.0.1:0", endlessly(&[0; 1 << 20])), nonsense),
        ("greetings without an end", MailHost::serving("127.0.0.1:0", endlessly(b"220 x\r\n")), nonsense),
        (
            "a line of 1 MB",
            MailHost::answering("127.0.0.1:0", |_| format!("250 {}\r\n", "x".repeat(1 << 20))),
            nonsense,
        ),
        (
            "another protocol",
            MailHost::answering("127.0.0.1:0", |_| "HTTP/1.1 200 OK\r\n".to_owned()),
            nonsense,
        ),
        (
            "replies before the commands",
            MailHost::serving("127.0.0.1:0", |mut stream, host| {
                let all = "220 x\r\n250 x\r\n250 x\r\n250 x\r\n550 5.1.1 x\r\n550 5.1.1 x\r\n250 x\r\n";
                let _ = stream.write_all(all.as_bytes());
                let _ = host.converse(stream, None, &|_: &str| "250 ok\r\n".to_owned());
            }),
            nonsense,
        ),
        (
            "two replies to one command",
            MailHost::answering("127.0.0.1:0", |line| {
                let answer = about_others(UNKNOWN)(line);
                if line.starts_with("RCPT") { format!("{answer}250 ok\r\n") } else { answer }
            }),
            nonsense,
        ),
        (
            "a bare line feed in a reply",
            MailHost::answering("127.0.0.1:0", |line| {
                let answer = about_others("550 5.1.1 no\n250 yes")(line);
                answer.to_owned()
            }),
            nonsense,
        ),
    ];
    for (what, host, expected) in hosts {
        let found = ask(&host, PATIENT);
        assert_eq!(found.finding, expected, "{what}: {found:?}");
        let quoted: usize = found.hosts[0].replies.iter().map(String::len).sum();
        assert!(quoted < 2_000, "{what}: {quoted} octets are kept");
    }
}

#[test]
fn servers_that_never_answer_are_given_up() {
    let late = Finding::NoAnswer(Unanswered::TimedOut);
    let mute = MailHost::serving("127.0.0.1:0", |stream, host| {
        let _ = host.converse(stream, None, &|_: &str| "250 ok\r\n".to_owned());
    });
    assert_eq!(ask(&mute, HASTY).finding, late, "no greeting");
    assert!(mute.heard().is_empty(), "nothing is said before the greeting");
    // Each line comes in time, and the reply never ends.
    let slow = MailHost::serving("127.0.0.1:0", |mut stream, _| {
        while stream.write_all(b"220-x\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert_eq!(ask(&slow, HASTY).finding, late, "a reply that drips");
    let tarpit = MailHost::answering("127.0.0.1:0", |line| {
        std::thread::sleep(Duration::from_millis(if line.starts_with("RCPT") { 2_000 } else { 0 }));
        about_others(UNKNOWN)(line)
    });
    assert_eq!(ask(&tarpit, HASTY).finding, late, "a recipient that is never answered");
}

#[test]
fn a_refusal_counts_however_the_session_ends_and_no_other_end_does() {
    for (dropped_at, expected) in [
        ("EHLO", Finding::NoAnswer(Unanswered::Closed)),
        ("MAIL", Finding::NoAnswer(Unanswered::Closed)),
        ("RCPT TO:<postmaster@", Finding::NoAnswer(Unanswered::Closed)),
        ("first", Finding::NoAnswer(Unanswered::Closed)),
        ("RSET", Finding::NoAnswer(Unanswered::Closed)),
        ("second", Finding::RefusesUnknown),
        ("QUIT", Finding::RefusesUnknown),
    ] {
        let made_up = AtomicUsize::new(0);
        let host = MailHost::answering("127.0.0.1:0", move |line| {
            let is_made_up = line.starts_with("RCPT") && !line.contains("<postmaster@");
            let nth = made_up.fetch_add(usize::from(is_made_up), Ordering::SeqCst);
            let is_here = match dropped_at {
                "first" => is_made_up && nth == 0,
                "second" => is_made_up && nth == 1,
                verb => line.starts_with(verb),
            };
            if is_here { String::new() } else { about_others(UNKNOWN)(line) }
        });
        assert_eq!(ask(&host, PATIENT).finding, expected, "dropped at {dropped_at}");
    }
}

/// A server that offers STARTTLS, answers it with these octets, and then does this.
fn with_starttls(
    reply: &'static str,
    then: impl Fn(TcpStream, &MailHost) + Send + Sync + 'static,
) -> MailHost {
    MailHost::serving("127.0.0.1:0", move |stream, host| {
        let answer = |line: &str| match line {
            "STARTTLS" => reply.to_owned(),
            line if line.starts_with("EHLO") => "250-mx\r\n250 STARTTLS\r\n".to_owned(),
            line => about_others(UNKNOWN)(line),
        };
        if let Ok(Some(stream)) = host.converse(stream, Some("220 x\r\n"), &answer) {
            then(stream, host);
        }
    })
}

#[test]
fn rfc3207_tls_is_used_and_a_broken_one_is_not_needed() {
    let tls = with_starttls("220 go\r\n", |stream, host| {
        let _ = host.converse(secured(stream), None, &about_others(UNKNOWN));
    });
    assert_eq!(ask(&tls, PATIENT).finding, Finding::RefusesUnknown);
    let verbs = |host: &MailHost| {
        let heard = host.heard();
        heard.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(verbs(&tls), "EHLO STARTTLS EHLO MAIL RCPT RSET MAIL RCPT RSET MAIL RCPT RSET QUIT");
    assert_eq!(tls.clients().len(), 1);

    let broken = with_starttls("220 go\r\n", |mut stream, _| {
        // The client has begun its handshake.
        let _ = stream.read(&mut [0; 1]);
        let _ = stream.write_all(b"this is not TLS\r\n");
    });
    let found = ask(&broken, PATIENT);
    assert_eq!(found.finding, Finding::RefusesUnknown, "{found:?}");
    assert_eq!(
        verbs(&broken),
        "EHLO STARTTLS EHLO MAIL RCPT RSET MAIL RCPT RSET MAIL RCPT RSET QUIT",
        "over two connections"
    );
    assert_eq!(broken.clients().len(), 2);
    assert!(found.hosts[0].replies[0].contains("TLS failed"), "{found:?}");

    let required = MailHost::serving("127.0.0.1:0", |stream, host| {
        let answer = |line: &str| match line {
            "STARTTLS" => "220 go\r\n".to_owned(),
            "QUIT" => "221 bye\r\n".to_owned(),
            line if line.starts_with("EHLO") => "250-mx\r\n250 STARTTLS\r\n".to_owned(),
            _ => "530 5.7.0 Must issue a STARTTLS command first\r\n".to_owned(),
        };
        // It closes the connection at the start of TLS.
        let _ = host.converse(stream, Some("220 x\r\n"), &answer);
    });
    assert_eq!(ask(&required, PATIENT).finding, Finding::NoAnswer(Unanswered::AboutUs));
}

#[test]
fn rfc3207_replies_in_clear_text_behind_starttls_do_not_count() {
    let all = "220 go\r\n250 mx\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n221 bye\r\n";
    let injected = with_starttls(all, |stream, host| {
        let _ = host.converse(secured(stream), None, &about_others(UNKNOWN));
    });
    let found = ask(&injected, PATIENT);
    assert_eq!(found.finding, Finding::NoAnswer(Unanswered::Nonsense), "{found:?}");
    assert_eq!(injected.heard().last().unwrap(), "STARTTLS", "nothing is said after it");
}

#[test]
fn who_must_not_be_asked_is_not_connected_to() {
    let host = MailHost::answering("0.0.0.0:0", about_others(UNKNOWN));
    let port = host.address.port();
    let relay: IpAddr = "127.0.0.1".parse().unwrap();
    let asked = |settings: VerifierSettings, host: &str, listable: Listable| {
        let clock = Arc::new(LaboratoryClock::new(start()));
        let verifier = Verifier::new(Arc::new(Lookups::Nothing), settings, listable, clock, PATIENT);
        let found = run(verifier.ask(&request(host.parse().unwrap(), AskedSide::Relay)));
        match found.finding {
            Finding::NoAnswer(why) => why,
            other => panic!("{other:?}"),
        }
    };
    let laboratory = || Listable { laboratory_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let networks = |text: &str| vec![text.parse().unwrap()];
    assert_eq!(asked(settings(port), "127.0.0.1", Listable::default()), Unanswered::SpecialPurpose);
    assert_eq!(asked(settings(port), "10.0.0.1", laboratory()), Unanswered::SpecialPurpose);
    assert_eq!(asked(settings(port), "64:ff9b::7f00:1", Listable::default()), Unanswered::SpecialPurpose);
    let opted = VerifierSettings { opt_out: networks("127.0.0.0/30"), ..settings(port) };
    assert_eq!(asked(opted, "127.0.0.1", laboratory()), Unanswered::OptedOut);
    assert_eq!(asked(settings(port), &OWN.to_string(), laboratory()), Unanswered::OptedOut, "itself");
    assert_eq!(asked(settings(port), "2a01:4f8::1", laboratory()), Unanswered::NotConfigured);
    let off = VerifierSettings { addresses: LocalAddresses::default(), ..settings(port) };
    assert_eq!(asked(off, "127.0.0.1", laboratory()), Unanswered::NotConfigured);
    let elsewhere = LocalAddresses { v4: Some(Ipv4Addr::new(192, 0, 2, 1)), v6: None };
    let elsewhere = VerifierSettings { addresses: elsewhere, ..settings(port) };
    assert_eq!(asked(elsewhere, "127.0.0.1", laboratory()), Unanswered::NotConfigured, "not this machine's");
    assert_eq!(host.clients(), Vec::<IpAddr>::new());
    let verifier = verifier(port, PATIENT);
    assert_eq!(run(verifier.ask(&request(relay, AskedSide::Relay))).finding, Finding::RefusesUnknown);
    assert_eq!(host.clients().len(), 1, "the same host is asked otherwise");
    let no_dns = run(verifier.ask(&request(relay, AskedSide::Exchangers))).finding;
    assert_eq!(no_dns, Finding::NoAnswer(Unanswered::NoDns));
}

#[test]
fn rfc6471_two_questions_about_one_host_are_one_session_until_the_next_day() {
    let host = MailHost::answering("127.0.0.1:0", about_others(UNKNOWN));
    let clock = Arc::new(LaboratoryClock::new(start()));
    let listable = Listable { laboratory_networks: vec!["127.0.0.0/8".parse().unwrap()] };
    let lookups = Arc::new(Lookups::Nothing);
    let told: Arc<dyn backscatterd::time::Clock> = Arc::<LaboratoryClock>::clone(&clock);
    let verifier = Verifier::new(lookups, settings(host.address.port()), listable, told, PATIENT);
    let asked = request(host.address.ip(), AskedSide::Relay);
    let (one, other) = run(async { tokio::join!(verifier.ask(&asked), verifier.ask(&asked)) });
    assert_eq!(one, other);
    assert_eq!(one.finding, Finding::RefusesUnknown);
    clock.advance(Span::from_hours(23));
    assert_eq!(run(verifier.ask(&asked)), one);
    assert_eq!(host.clients().len(), 1);
    clock.advance(Span::from_hours(2));
    run(verifier.ask(&asked));
    assert_eq!(host.clients().len(), 2);
}

#[test]
fn many_questions_keep_to_the_limit_of_sessions_and_all_are_answered() {
    const HOSTS: usize = 200;
    let host = MailHost::answering("0.0.0.0:0", about_others(UNKNOWN));
    let verifier = verifier(host.address.port(), PATIENT);
    let findings = run(async {
        let tasks: Vec<_> = (0..HOSTS)
            .map(|nth| {
                let (verifier, nth) = (Arc::clone(&verifier), u8::try_from(nth).unwrap());
                tokio::spawn(async move {
                    let mut asked = request(Ipv4Addr::new(127, 1, nth, 1).into(), AskedSide::Relay);
                    asked.domain = AskedDomain::parse(&format!("relay{nth}.example")).unwrap();
                    verifier.ask(&asked).await.finding
                })
            })
            .collect();
        let mut findings = Vec::new();
        for task in tasks {
            findings.push(task.await.unwrap());
        }
        findings
    });
    assert_eq!(findings, [Finding::RefusesUnknown; HOSTS]);
    assert_eq!(host.clients().len(), HOSTS);
    // A server notices the end of a session a little later than its client.
    assert!(host.most() <= 2 * SESSIONS_MAX, "{} sessions at one time", host.most());
    assert_eq!(verifier.waiting(), 0);
}

#[test]
fn a_question_that_is_given_up_blocks_nobody() {
    let host = MailHost::serving("0.0.0.0:0", |stream, host| {
        let _ = host.converse(stream, None, &|_: &str| String::new());
    });
    let port = host.address.port();
    let verifier = verifier(port, PATIENT);
    let asked = request("127.2.0.1".parse().unwrap(), AskedSide::Relay);
    let other = request("127.2.0.2".parse().unwrap(), AskedSide::Relay);
    run(async {
        let given_up = tokio::time::timeout(Duration::from_millis(200), verifier.ask(&asked)).await;
        assert!(given_up.is_err(), "the host never greets");
        // The host was connected to, so it is not asked again on this day.
        let again = verifier.ask(&asked).await.finding;
        assert_eq!(again, Finding::NoAnswer(Unanswered::GivenUp));
        // Another host of the network waits behind a session that is given up.
        let (first, second) = (request("127.2.0.3".parse().unwrap(), AskedSide::Relay), &other);
        let open = tokio::time::timeout(Duration::from_millis(200), async {
            tokio::join!(verifier.ask(&first), verifier.ask(second))
        });
        assert!(open.await.is_err());
    });
    assert_eq!(verifier.waiting(), 0);
    let stop = CancellationToken::new();
    run(async {
        let begun = tokio::time::timeout(Duration::from_millis(200), verifier.ask(&other)).await;
        assert!(begun.is_err(), "it has its turn, and the host does not greet");
        stop.cancel();
        verifier.run(Duration::from_millis(20), stop.clone()).await;
    });
    wait_until("three connections", Duration::from_secs(20), || host.clients().len() == 3);
}

/// A name server: the domain's exchangers are hosts 1 to `exchangers`, at 127.3.N.1.
fn exchangers(exchangers: u8) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut octets = [0; 4_096];
        while let Ok((length, client)) = socket.recv_from(&mut octets) {
            let Ok(query) = Message::from_vec(&octets[..length]) else { continue };
            let mut response = Message::response(query.metadata.id, query.metadata.op_code);
            response.metadata.recursion_available = true;
            let Some(asked) = query.queries.first() else { continue };
            response.add_query(asked.clone());
            let owner = asked.name().clone();
            let name = owner.to_ascii();
            let number: Option<u8> =
                name.strip_prefix("mx").and_then(|rest| rest.split('.').next()?.parse().ok());
            match (asked.query_type(), number) {
                (RecordType::MX, _) => {
                    for nth in 1..=exchangers {
                        let host = Name::from_ascii(format!("mx{nth}.relay.example.")).unwrap();
                        let data = RData::MX(MX::new(u16::from(nth), host));
                        response.add_answer(Record::from_rdata(owner.clone(), 300, data));
                    }
                }
                // Every exchanger has an IPv6 address, and this machine is not asked to use IPv6.
                (RecordType::AAAA, Some(number)) => {
                    let data = RData::AAAA(AAAA(Ipv6Addr::new(0x2a01, 0x4f8, 0, 0, 0, 0, 0, number.into())));
                    response.add_answer(Record::from_rdata(owner, 300, data));
                }
                (RecordType::A, Some(number)) => {
                    let data = RData::A(A(Ipv4Addr::new(127, 3, number, 1)));
                    response.add_answer(Record::from_rdata(owner, 300, data));
                }
                _ => {}
            }
            let _ = socket.send_to(&response.to_vec().unwrap(), client);
        }
    });
    address
}

#[test]
fn exchangers_are_asked_in_their_order_until_one_decides() {
    // Exchangers up to 2 refuse unknown recipients, the others take them.
    let host = MailHost::serving("0.0.0.0:0", |stream, host| {
        let IpAddr::V4(own) = stream.local_addr().unwrap().ip() else { return };
        let reply = if own.octets()[2] <= 2 { UNKNOWN } else { "250 ok" };
        let _ = host.converse(stream, Some("220 x\r\n"), &about_others(reply));
    });
    let asked = |count: u8, relay: &str| {
        let lookups = Lookups::dns(&[exchangers(count)]).unwrap();
        let verifier = verifier_with(lookups, settings(host.address.port()), PATIENT);
        let found = run(verifier.ask(&request(relay.parse().unwrap(), AskedSide::Exchangers)));
        let hosts: Vec<String> = found.hosts.iter().map(|host| host.host.to_string()).collect();
        (found.finding, hosts.join(" "))
    };
    let (refuses, takes) = (Finding::RefusesUnknown, Finding::TakesAll);
    let elsewhere = "127.9.9.9";
    assert_eq!(asked(2, elsewhere), (refuses, "127.3.1.1 127.3.2.1".to_owned()));
    assert_eq!(asked(5, elsewhere), (takes, "127.3.1.1 127.3.2.1 127.3.3.1".to_owned()));
    assert_eq!(asked(5, "127.3.2.1"), (refuses, "127.3.2.1".to_owned()), "the relay is one of them");
    assert_eq!(asked(5, "127.3.4.1"), (takes, "127.3.4.1".to_owned()));
    assert_eq!(asked(0, elsewhere).0, Finding::NoAnswer(Unanswered::NoExchanger));
    let lookups = Lookups::dns(&[exchangers(3)]).unwrap();
    let verifier = verifier_with(lookups, settings(host.address.port()), PATIENT);
    let domain = AskedDomain::parse("relay.example").unwrap();
    assert_eq!(run(verifier.reach(&domain)), PortReach::Open("127.3.1.1".parse().unwrap()));
    let closed = verifier_with(Lookups::dns(&[exchangers(1)]).unwrap(), settings(1), PATIENT);
    assert_eq!(run(closed.reach(&domain)), PortReach::Closed { tried: vec!["127.3.1.1".parse().unwrap()] });
}
