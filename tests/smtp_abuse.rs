//! Tests of the SMTP server against abusive clients and against many clients, and of STARTTLS and
//! LMTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::messages::report;
use crate::support::server::{Installation, Server};
use crate::support::smtp_client::Smtp;
use crate::support::wait_until;

const SILENT: &str = "2025-01-01T00:00:00Z";
/// How long an event may take. The server looks at its certificate every five seconds.
const EVENT_LIMIT: Duration = Duration::from_secs(60);

/// A server with further settings in its `[smtp]` section, and one trap domain.
fn with(settings: &str) -> (Installation, Server) {
    let installation = Installation::new();
    installation.configure("[smtp]\n", &format!("[smtp]\n{settings}\n"));
    let server = installation.start();
    installation.ok(&["trap", "add", "trap-one.example", "--silent-since", SILENT]);
    (installation, server)
}

fn metric(installation: &Installation, name: &str) -> u64 {
    let metrics = installation.metrics();
    let line = metrics
        .lines()
        .find(|line| line.strip_prefix("backscatterd_").is_some_and(|line| line.starts_with(name)));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse().unwrap())
}

/// Checks that another client is served meanwhile.
fn serves_others(installation: &Installation, nth: u64) {
    let mut smtp = installation.smtp_from("198.18.77.1").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    let message = report("a@trap-one.example", &format!("u{nth}@relay.example"), "192.0.2.44", nth);
    let reply = smtp.deliver("", "a@trap-one.example", &message).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

/// Reads until the server closes the connection.
fn to_the_end(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn five_thousand_clients_that_dribble_hold_up_nobody() {
    let (installation, server) = with("sessions_max = 4000");
    let settings = std::fs::read_to_string(installation.config()).unwrap();
    assert!(settings.contains("sessions_per_client_max = 200"));
    serves_others(&installation, 1);
    let before = server.resident_octets();
    // Each client has its own address. It sends a few octets of a command, and then nothing.
    let mut clients = Vec::new();
    let mut turned_away = 0;
    for nth in 0..5_000_u32 {
        let client = format!("198.19.{}.{}", nth / 200, nth % 200 + 1);
        match installation.smtp_from(&client) {
            Ok(mut smtp) if smtp.greeting().starts_with("220") => {
                smtp.send(b"EHLO sl").unwrap();
                clients.push(smtp);
            }
            Ok(smtp) => {
                assert!(smtp.greeting().starts_with("421 4.7.0"), "{}", smtp.greeting());
                turned_away += 1;
            }
            Err(error) => panic!("client {nth}: {error}"),
        }
        if clients.len() >= 3_900 && turned_away == 0 && nth == 3_950 {
            serves_others(&installation, 2);
        }
    }
    for smtp in clients.iter_mut().step_by(7) {
        smtp.send(b"ow").unwrap();
    }
    // The clients beyond the limit got a reply at once.
    let greeted = metric(&installation, "smtp_sessions ");
    assert!((3_990..=4_000).contains(&greeted), "{greeted}");
    assert!(metric(&installation, "smtp_refused_total{reason=\"too-many\"}") >= 990);
    let grown = server.resident_octets().saturating_sub(before) / 4_000;
    assert!(grown < 20 << 10, "{grown} octets of memory for each session");
    drop(clients);
    wait_until("the end of the closed sessions", EVENT_LIMIT, || {
        metric(&installation, "smtp_sessions ") == 0
    });
    serves_others(&installation, 3);
    server.stop();
}

#[test]
fn huge_chunks_many_recipients_and_garbage_are_answered_and_bounded() {
    let (installation, server) = with("tarpit_max = \"50ms\"");
    serves_others(&installation, 1);
    let before = server.resident_octets();
    // The client announces a chunk of ten gigabytes and sends a part of it.
    let mut stream = TcpStream::connect(installation.smtp_address()).unwrap();
    stream
        .write_all(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap-one.example>\r\nBDAT 10000000000 LAST\r\n")
        .unwrap();
    let _ = stream.write_all(&vec![b'x'; 900 << 10]);
    let heard = to_the_end(&mut stream);
    assert!(heard.contains("\r\n552 5.3.4") && heard.contains("\r\n421 4.3.0"), "{heard}");
    // A thousand recipients, pipelined.
    let mut stream = TcpStream::connect(installation.smtp_address()).unwrap();
    let recipients: String = (0..1_000).map(|nth| format!("RCPT TO:<u{nth}@trap-one.example>\r\n")).collect();
    stream.write_all(format!("EHLO a\r\nMAIL FROM:<>\r\n{recipients}RSET\r\nQUIT\r\n").as_bytes()).unwrap();
    let heard = to_the_end(&mut stream);
    assert_eq!(heard.matches("250 2.1.5").count(), 100);
    assert_eq!(heard.matches("452 4.5.3").count(), 900);
    // Pipelined errors: the session ends at its limit.
    let mut stream = TcpStream::connect(installation.smtp_address()).unwrap();
    let _ = stream.write_all(&b"FROBNICATE\r\n".repeat(20_000));
    let heard = to_the_end(&mut stream);
    assert_eq!(heard.matches("\r\n500 5.5.2").count(), 20);
    assert!(heard.contains("421 4.7.0 trap.backscatter.example Error: too many errors"), "{heard}");
    // Pipelined garbage: the session ends then, or at a line that is no command at all.
    let mut stream = TcpStream::connect(installation.smtp_address()).unwrap();
    let garbage: Vec<u8> =
        (0..200_000_u32).flat_map(|nth| nth.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let _ = stream.write_all(&garbage);
    let heard = to_the_end(&mut stream);
    assert!(
        heard.matches("\r\n5").count() <= 20
            && (heard.contains("\r\n421 4.7.0") || heard.contains("\r\n221 2.7.0")),
        "{}",
        heard.len()
    );
    // One endless line.
    let mut stream = TcpStream::connect(installation.smtp_address()).unwrap();
    let _ = stream.write_all(&vec![b'x'; 8 << 20]);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(to_the_end(&mut stream).starts_with("220"));
    let grown = server.resident_octets().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown}");
    assert!(metric(&installation, "smtp_delayed_replies_total") > 0);
    serves_others(&installation, 2);
    server.stop();
}

/// Names a recipient in a new session, and waits for no reply to it.
fn names(installation: &Installation, client: &str, recipient: &str) -> Smtp {
    let mut smtp = installation.smtp_from(client).unwrap();
    smtp.say("EHLO relay.example").unwrap();
    smtp.say("MAIL FROM:<>").unwrap();
    smtp.send(format!("RCPT TO:<{recipient}>\r\n").as_bytes()).unwrap();
    smtp
}

#[test]
fn a_network_that_guesses_waits_for_every_answer_and_no_other_network_does() {
    let (installation, server) = with("refused_recipients_per_hour = 3");
    for host in 1..=3 {
        let reply = names(&installation, &format!("198.18.5.{host}"), "a@guess.example").reply().unwrap();
        assert_eq!(reply, "554 5.7.1 <a@guess.example>: Relay access denied");
    }
    // The clock stands still, so the next three answers are due after 10, 20 and 30 seconds.
    let mut slowed = ["a@trap-one.example", "a@guess.example", "a@trap-one.example"]
        .map(|recipient| names(&installation, "198.18.5.9", recipient));
    let waits = "smtp_slowed_recipients_total{outcome=\"later\"}";
    wait_until("three clients that wait", EVENT_LIMIT, || metric(&installation, waits) == 3);
    for recipient in ["a@trap-one.example", "a@guess.example"] {
        let reply = names(&installation, "198.18.5.10", recipient).reply().unwrap();
        let busy = "421 4.7.0 trap.backscatter.example Error: too many connections from 198.18.5.10";
        assert_eq!(reply, busy, "{recipient}");
    }
    serves_others(&installation, 1);
    assert_eq!(slowed[0].reply().unwrap(), "250 2.1.5 Ok");
    installation.ok(&["advance", "3h"]);
    assert_eq!(names(&installation, "198.18.5.9", "a@trap-one.example").reply().unwrap(), "250 2.1.5 Ok");
    server.stop();
}

#[test]
fn a_client_that_sends_too_much_within_a_minute_is_asked_to_come_back() {
    let (installation, server) = with("messages_per_client_max = 5");
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    let replies: Vec<String> = (0..7)
        .map_while(|nth| {
            let message = report("a@trap-one.example", &format!("u{nth}@relay.example"), "192.0.2.44", nth);
            smtp.deliver("", "a@trap-one.example", &message).ok()
        })
        .collect();
    assert_eq!(replies.iter().filter(|reply| reply.starts_with("250")).count(), 6, "{replies:?}");
    assert!(replies.last().unwrap().starts_with("421 4.7.0"), "{replies:?}");
    assert!(installation.smtp_from("198.18.0.25").unwrap().greeting().starts_with("421 4.7.0"));
    assert_eq!(metric(&installation, "smtp_refused_total{reason=\"too-fast\"}"), 1);
    serves_others(&installation, 9);
    installation.ok(&["advance", "1m"]);
    assert!(installation.smtp_from("198.18.0.25").unwrap().greeting().starts_with("220"));
    server.stop();
}

fn certificate(name: &str) -> (String, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
}

/// Reads until the server waits for the TLS ClientHello.
fn to_the_start_of_tls(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut heard = Vec::new();
    while !heard.windows(9).any(|window| window == b"220 2.0.0") || !heard.ends_with(b"\r\n") {
        let mut octets = [0; 512];
        let count = stream.read(&mut octets)?;
        assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend(&octets[..count]);
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

/// A session after STARTTLS whose client trusts this certificate only.
fn secured(
    installation: &Installation,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = TcpStream::connect(installation.smtp_address())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"EHLO relay.example\r\nSTARTTLS\r\n")?;
    let heard = to_the_start_of_tls(&mut stream)?;
    assert!(heard.contains("250-STARTTLS\r\n"));
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client =
        ClientConnection::new(Arc::new(config), "trap.backscatter.example".try_into().unwrap()).unwrap();
    let mut tls = StreamOwned::new(client, stream);
    tls.flush()?;
    Ok(tls)
}

fn say(tls: &mut (impl Read + Write), command: &str) -> std::io::Result<String> {
    tls.write_all(format!("{command}\r\n").as_bytes())?;
    let mut heard = String::new();
    let mut octets = [0; 4_096];
    while !heard.ends_with("\r\n")
        || heard.lines().last().is_some_and(|line| line.as_bytes().get(3) == Some(&b'-'))
    {
        let count = tls.read(&mut octets)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        heard.push_str(&String::from_utf8_lossy(&octets[..count]));
    }
    Ok(heard)
}

#[test]
fn rfc3207_tls_is_offered_used_and_its_certificate_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let write = |pair: &(String, String, CertificateDer<'static>)| {
        std::fs::write(&chain, &pair.0).unwrap();
        std::fs::write(&key, &pair.1).unwrap();
    };
    let first = certificate("trap.backscatter.example");
    write(&first);
    let settings = format!("tls_certificate = \"{}\"\ntls_key = \"{}\"", chain.display(), key.display());
    let (installation, server) = with(&settings);
    let mut tls = secured(&installation, &first.2).unwrap();
    assert!(
        say(&mut tls, "MAIL FROM:<>").unwrap().starts_with("503"),
        "the greeting before STARTTLS no longer counts"
    );
    let hello = say(&mut tls, "EHLO relay.example").unwrap();
    assert!(hello.contains("250 CHUNKING") && !hello.contains("STARTTLS"), "{hello}");
    say(&mut tls, "MAIL FROM:<>").unwrap();
    say(&mut tls, "RCPT TO:<a@trap-one.example>").unwrap();
    let message = report("a@trap-one.example", "u@relay.example", "192.0.2.44", 1).replace('\n', "\r\n");
    let reply = say(&mut tls, &format!("BDAT {} LAST\r\n{message}", message.len() + 2)).unwrap();
    let octets = message.len() + 2;
    assert!(reply.starts_with(&format!("250 2.0.0 Ok: {octets} bytes queued as ")), "{reply}");
    assert_eq!(metric(&installation, "smtp_tls_total{version=\"1.3\"}"), 1);

    // Garbage instead of a TLS ClientHello closes the connection.
    let mut stream = TcpStream::connect(installation.smtp_address()).unwrap();
    stream.write_all(b"EHLO a\r\nSTARTTLS\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut heard = to_the_start_of_tls(&mut stream).unwrap();
    let _ = stream.write_all(&[0xa5; 4_096]);
    heard += &to_the_end(&mut stream);
    assert!(!heard.contains("\r\n5"), "{heard}");
    wait_until("the count of the failed handshake", EVENT_LIMIT, || {
        metric(&installation, "smtp_tls_total{version=\"failed\"}") == 1
    });

    // A certificate that cannot be read changes nothing. A new valid one is offered without a
    // restart.
    std::fs::write(&chain, "no certificate").unwrap();
    wait_until("the refusal of the certificate", EVENT_LIMIT, || {
        server.log().contains("cannot use the new TLS certificate; the previous one remains in use")
    });
    assert!(secured(&installation, &first.2).is_ok_and(|mut tls| say(&mut tls, "NOOP").is_ok()));
    let second = certificate("trap.backscatter.example");
    write(&second);
    wait_until("the new certificate", EVENT_LIMIT, || {
        secured(&installation, &second.2).is_ok_and(|mut tls| say(&mut tls, "NOOP").is_ok())
    });
    server.stop();

    // `check` reports a key that does not belong to the certificate.
    std::fs::write(&key, &first.1).unwrap();
    let output = installation.run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success()
            && told.contains("smtp.tls_certificate, smtp.tls_key")
            && told.contains("does not match the certificate"),
        "{told}"
    );
}

#[test]
fn rfc2033_an_mta_in_front_says_from_whom_it_took_a_message() {
    let (installation, server) = with("listen_lmtp = [\"127.0.0.1:0\"]");
    let mut front = Smtp::greeted(TcpStream::connect(installation.lmtp_address()).unwrap()).unwrap();
    assert!(front.say("LHLO mx.example").unwrap().starts_with("250"));
    let received = |relay: &str| {
        format!(
            "Return-Path: <>\nReceived: from relay.example (relay.example [{relay}]) by mx.example; Mon, 1 Jan 2026 00:00:00 +0000\n"
        )
    };
    let message = |relay: &str, nth: u64| {
        received(relay) + &report("a@trap-one.example", &format!("u{nth}@relay.example"), "203.0.113.9", nth)
    };
    assert!(front.say("XFORWARD ADDR=198.18.0.25 HELO=relay.example").unwrap().starts_with("250"));
    assert!(front.deliver("", "a@trap-one.example", &message("198.18.0.25", 1)).unwrap().starts_with("250"));
    // Without XFORWARD the Received line of the front MTA names the client.
    assert!(front.deliver("", "a@trap-one.example", &message("198.18.0.26", 2)).unwrap().starts_with("250"));
    // LMTP sends a reply for each recipient.
    front.say("MAIL FROM:<>").unwrap();
    front.say("RCPT TO:<a@trap-one.example>").unwrap();
    front.say("RCPT TO:<b@trap-one.example>").unwrap();
    front.say("DATA").unwrap();
    front.send(b"x\r\n.\r\n").unwrap();
    assert!(front.reply().unwrap().starts_with("250") && front.reply().unwrap().starts_with("250"));
    installation.ok(&["advance", "1h"]);
    for relay in ["198.18.0.25", "198.18.0.26"] {
        let told = installation.ok(&["explain", relay]);
        assert!(told.contains("relation claimed"), "{told}");
    }
    server.stop();
}
