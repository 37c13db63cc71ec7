//! Plays the SMTP dialogues in `tests/dialogs/*.smtp` against a session without a socket.
//!
//! Each dialogue is played twice: line by line, and octet by octet. A line of a file begins with
//! one of:
//!
//! - `C: `: a line of the client, with C escapes; `~5000~` stands for 5,000 letters.
//! - `C> `: octets of the client without the end of the line.
//! - `S: `: the beginning of the next reply line. `S: 250...` is a whole reply of several lines.
//! - `+: `: an event: `message durable`, `message later`, `left`, `pause`, `tls`, `closed`.
//! - `P: `: a property of the connection: `lmtp`, `names-clients`, `tls`.
//!
//! Every other line is a comment.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use backscatterd::smtp::{
    Protocol, RecipientDomains, Session, SessionEvent, SessionLimits, SessionPeer, SessionTexts, TlsOffer,
};
use backscatterd::time::Span;
use backscatterd::transaction::{Client, IntakeOutcome, Transaction};
use backscatterd::trap::{Donor, KnownTraps, MailRoute, Scope, Trap, TrapMail, TrapSet};
use proptest::prelude::*;

use crate::support::world::{hasher, start};

/// The id of every transaction, and the queue id that is made from it.
const ID: &str = "0123456789abcdef0123456789abcdef";

fn limits() -> SessionLimits {
    SessionLimits {
        message_octets_max: 100_000,
        kept_octets_max: 50_000,
        recipients_max: 3,
        messages_max: 3,
        errors_max: 5,
        idle_timeout: Span::from_seconds(300),
        message_timeout: Span::from_hours(1),
        tarpit_max: Span::from_seconds(5),
    }
}

fn session() -> Session {
    session_with(SessionPeer {
        relay: "198.18.0.25".parse().unwrap(),
        protocol: Protocol::Smtp,
        unnamed: false,
        names_clients: false,
        tls: TlsOffer::None,
    })
}

fn session_with(peer: SessionPeer) -> Session {
    let mut traps = TrapSet::default();
    for (domain, route) in [
        ("trap.example", MailRoute::Here),
        ("handed-on.example", MailRoute::Elsewhere),
        ("unknown.example", MailRoute::Unknown),
    ] {
        let key = hasher().domain(domain);
        let donor = Donor::parse("own").unwrap();
        traps.insert(
            key,
            Trap {
                scope: Scope::Domain,
                domain: key,
                donor,
                since: start(),
                retired: None,
                silent_since: start(),
                barred: false,
            },
        );
        traps.set_mail(&TrapMail { domain: key, route, decided: false, name: None });
    }
    let texts = Arc::new(SessionTexts::new("mx.trap.example"));
    let known = KnownTraps { domains: traps.domains(), traps, hashing: Vec::new() };
    let trusted = Arc::from(["198.18.0.77/32".parse().unwrap()]);
    let recipients = RecipientDomains::new(
        hasher(),
        Arc::new(known),
        Arc::default(),
        Arc::clone(&texts.hostname),
        trusted,
    );
    Session::new(Arc::new(limits()), Arc::new(recipients), texts, peer, start())
}

/// The replies and events of a session, one line each, and its messages.
#[derive(Default)]
struct Heard {
    lines: std::collections::VecDeque<String>,
    messages: Vec<Transaction>,
    closed: bool,
}

fn listen(session: &mut Session, heard: &mut Heard, outcome: &IntakeOutcome) {
    while !heard.closed {
        match session.next_event() {
            Some(SessionEvent::Reply(octets)) => {
                let text = String::from_utf8(octets).unwrap();
                assert!(text.ends_with("\r\n") && text.lines().all(|line| line.len() <= 510), "{text}");
                heard.lines.extend(text.lines().map(|line| format!("S: {line}")));
            }
            Some(SessionEvent::Message(transaction)) => {
                let word = if matches!(outcome, IntakeOutcome::Later) { "later" } else { "durable" };
                heard.lines.push_back(format!("+: message {word}"));
                heard.messages.push(*transaction);
                session.settle(outcome);
            }
            Some(SessionEvent::Left(_)) => heard.lines.push_back("+: left".to_owned()),
            Some(SessionEvent::Pause(pause)) => {
                assert!(pause <= limits().tarpit_max);
                heard.lines.push_back("+: pause".to_owned());
            }
            Some(SessionEvent::Recipient { .. }) => {}
            Some(SessionEvent::StartTls) => {
                heard.lines.push_back("+: tls".to_owned());
                session.secured(start());
            }
            Some(SessionEvent::Close(_)) => {
                heard.lines.push_back("+: closed".to_owned());
                heard.closed = true;
            }
            None => return,
        }
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('x') => {
                    let mut hex = || rest.next().and_then(|c| c.to_digit(16)).unwrap() as u8;
                    octets.push(hex() << 4 | hex());
                }
                Some('r') => octets.push(b'\r'),
                Some('n') => octets.push(b'\n'),
                other => panic!("\\{other:?}"),
            },
            // `~5000~` stands for 5,000 letters.
            '~' => {
                let count: String = rest.by_ref().take_while(|c| *c != '~').collect();
                octets.extend(std::iter::repeat_n(b'a', count.parse().unwrap()));
            }
            _ => octets.extend(c.to_string().bytes()),
        }
    }
    octets
}

fn play(path: &Path, octet_by_octet: bool) {
    let script = fs::read_to_string(path).unwrap();
    let outcome = if script.contains("+: message later") {
        IntakeOutcome::Later
    } else {
        IntakeOutcome::Durable { id: ID.to_owned() }
    };
    let peer = |word: &str| script.lines().any(|line| line.strip_prefix("P: ") == Some(word));
    let mut session = session_with(SessionPeer {
        relay: "198.18.0.25".parse().unwrap(),
        protocol: if peer("lmtp") { Protocol::Lmtp } else { Protocol::Smtp },
        unnamed: peer("names-clients"),
        names_clients: peer("names-clients"),
        tls: if peer("tls") { TlsOffer::Offered } else { TlsOffer::None },
    });
    let mut heard = Heard::default();
    listen(&mut session, &mut heard, &outcome);
    for (number, line) in script.lines().enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        if let Some(said) = line.strip_prefix("C: ").or(line.strip_prefix("C> ")) {
            let mut octets = unescape(said);
            if line.starts_with("C: ") {
                octets.extend(b"\r\n");
            }
            let size = if octet_by_octet { 1 } else { octets.len() };
            for piece in octets.chunks(size) {
                session.receive(piece, start());
                listen(&mut session, &mut heard, &outcome);
            }
        } else if line == "S: 250..." {
            let whole = heard.lines.iter().take_while(|line| line.starts_with("S: 250-")).count();
            heard.lines.drain(..whole);
            let last = heard.lines.pop_front().unwrap_or_default();
            assert!(whole > 0 && last.starts_with("S: 250 "), "{place}: {last:?}");
        } else if line.starts_with("S: ") || line.starts_with("+: ") {
            let next =
                heard.lines.pop_front().unwrap_or_else(|| panic!("{place}: no reply or event for {line:?}"));
            assert!(next.starts_with(line), "{place}: {next:?} instead of {line:?}");
        }
    }
    assert!(heard.lines.is_empty(), "{}: unexpected {:?}", path.display(), heard.lines);
}

#[test]
fn every_dialogue_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs");
    let mut played = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        play(&path, false);
        play(&path, true);
        played += 1;
    }
    assert!(played >= 10, "{played} dialogues");
}

fn converse(octets: &[u8]) -> Heard {
    let (mut session, mut heard) = (session(), Heard::default());
    let outcome = IntakeOutcome::Durable { id: ID.to_owned() };
    session.receive(octets, start());
    listen(&mut session, &mut heard, &outcome);
    heard
}

#[test]
fn rfc5321_s1_every_null_sender_is_taken_and_nothing_is_sent() {
    // A session produces replies and transactions only and cannot open a connection. No transaction
    // has a recipient outside of this host's domains.
    for _ in 0..1_000 {
        let heard = converse(
            b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<any@trap.example>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n",
        );
        assert_eq!(heard.messages.len(), 1);
        assert!(heard.messages[0].reverse_path.is_null());
    }
}

#[test]
fn a_message_is_what_was_sent_with_its_dots() {
    let heard = converse(
        b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<any@trap.example>\r\nDATA\r\n..one\r\n.two\r\n\0\xff\r\n\n.\nthree\r\n.\r\n",
    );
    assert_eq!(heard.messages[0].message, b".one\r\ntwo\r\n\0\xff\r\n\n.\nthree\r\n");
}

#[test]
fn a_large_message_is_counted_whole_and_kept_in_part() {
    let body = vec![b'x'; 80_000];
    let octets =
        [&b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\n"[..], &body, b"\r\n.\r\n"]
            .concat();
    let heard = converse(&octets);
    assert_eq!((heard.messages[0].message.len(), heard.messages[0].octets), (50_000, 80_002));
    let body = vec![b'x'; 100_001];
    let octets =
        [&b"HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\n"[..], &body, b"\r\n.\r\nNOOP\r\n"]
            .concat();
    let heard = converse(&octets);
    assert!(heard.messages.is_empty());
    assert!(heard.lines.iter().any(|line| line.starts_with("S: 552 5.3.4")), "{:?}", heard.lines);
    assert!(heard.lines.back().unwrap().starts_with("S: 250"), "the session continues after the refusal");
}

#[test]
fn rfc5321_s2_what_people_write_to_the_operator_is_kept_whole() {
    let body = vec![b'x'; 80_000];
    let octets = [
        &b"HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<abuse@trap.example>\r\nDATA\r\n"[..],
        &body,
        b"\r\n.\r\n",
    ]
    .concat();
    let heard = converse(&octets);
    assert_eq!((heard.messages[0].message.len(), heard.messages[0].octets), (80_002, 80_002));
}

#[test]
fn a_silent_client_and_a_stop_end_a_session_with_421() {
    for end in [Session::timed_out as fn(&mut Session), Session::stop, Session::crowded_out] {
        let (mut session, mut heard) = (session(), Heard::default());
        end(&mut session);
        listen(&mut session, &mut heard, &IntakeOutcome::Later);
        assert!(heard.lines[1].starts_with("S: 421") && heard.closed, "{:?}", heard.lines);
    }
}

#[test]
fn rfc3207_what_came_with_starttls_is_forgotten() {
    let peer = SessionPeer {
        relay: "198.18.0.25".parse().unwrap(),
        protocol: Protocol::Smtp,
        unnamed: false,
        names_clients: false,
        tls: TlsOffer::Offered,
    };
    let (mut session, mut heard) = (session_with(peer), Heard::default());
    session.receive(b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\n", start());
    listen(&mut session, &mut heard, &IntakeOutcome::Later);
    assert_eq!(heard.lines.back().unwrap(), "+: tls", "{:?}", heard.lines);
}

#[test]
fn whom_a_trusted_peer_names_is_the_client_or_who_handed_it_over() {
    let named = |protocol, octets: &[u8]| {
        let peer = SessionPeer {
            relay: "198.18.0.25".parse().unwrap(),
            protocol,
            unnamed: true,
            names_clients: true,
            tls: TlsOffer::None,
        };
        let (mut session, mut heard) = (session_with(peer), Heard::default());
        session.receive(octets, start());
        listen(&mut session, &mut heard, &IntakeOutcome::Durable { id: ID.to_owned() });
        heard.messages.into_iter().map(|message| (message.client, message.helo)).collect::<Vec<_>>()
    };
    let relay = |text: &str| text.parse().unwrap();
    let mta = relay("198.18.0.25");
    let message = "MAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\nDATA\r\nx\r\n.\r\n";
    let text = format!("EHLO p\r\nXCLIENT ADDR=198.18.0.99 HELO=r.example\r\n{message}");
    assert_eq!(
        named(Protocol::Smtp, text.as_bytes()),
        [(Client::Relay(relay("198.18.0.99")), "r.example".to_owned())]
    );
    let unnamed = named(Protocol::Smtp, format!("EHLO p\r\n{message}").as_bytes());
    assert_eq!(
        unnamed,
        [(Client::Unnamed(mta), "p".to_owned())],
        "without XCLIENT the client of an unnamed peer is unknown"
    );
    // XFORWARD values for a transaction that was refused or reset do not apply to the next one.
    for gone in ["MAIL FROM:<> SIZE=99999999", "RSET", "LHLO mx"] {
        let text = format!("LHLO mx\r\nXFORWARD ADDR=198.18.0.99\r\n{gone}\r\n{message}");
        assert_eq!(
            named(Protocol::Lmtp, text.as_bytes()),
            [(Client::Front { mta, named: None }, "mx".to_owned())],
            "{gone}"
        );
    }
    // After XCLIENT the session belongs to the named client, which may not name another one.
    let text = format!(
        "EHLO p\r\nXCLIENT ADDR=198.18.0.99 HELO=r\r\nXCLIENT ADDR=198.18.0.1\r\nXFORWARD ADDR=198.18.0.1\r\n{message}"
    );
    assert_eq!(
        named(Protocol::Smtp, text.as_bytes()),
        [(Client::Relay(relay("198.18.0.99")), "r".to_owned())]
    );
    // XFORWARD applies to one transaction.
    let text =
        format!("LHLO mx\r\nXFORWARD ADDR=198.18.0.99\r\nXFORWARD HELO=r.example\r\n{message}{message}");
    assert_eq!(
        named(Protocol::Lmtp, text.as_bytes()),
        [
            (Client::Front { mta, named: Some(relay("198.18.0.99")) }, "r.example".to_owned()),
            (Client::Front { mta, named: None }, "mx".to_owned()),
        ]
    );
}

#[test]
fn rfc5321_a_command_that_dribbles_in_wins_no_time() {
    let mut session = session();
    while session.next_event().is_some() {}
    let after = |seconds| start().plus(Span::from_seconds(seconds));
    session.replied(after(0));
    for second in 0..300 {
        session.receive(b"x", after(second));
        assert!(session.next_event().is_none());
    }
    assert_eq!(session.patience(after(299)), Span::from_seconds(1));
    assert_eq!(session.patience(after(301)), Span::ZERO);
}

proptest! {
    /// Random octets in pieces of any length cause no panic and no message.
    #[test]
    fn garbage_is_answered_and_never_acknowledged_as_mail(
        octets in proptest::collection::vec(any::<u8>(), 0..4_096),
        piece in 1..97usize,
    ) {
        let (mut session, mut heard) = (session(), Heard::default());
        for piece in octets.chunks(piece) {
            session.receive(piece, start());
            listen(&mut session, &mut heard, &IntakeOutcome::Later);
        }
        prop_assert!(heard.messages.is_empty());
    }

    /// Commands in any order, with random lines between them, are answered.
    #[test]
    fn any_order_of_commands_is_answered(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("EHLO a".to_owned()), Just("HELO a".to_owned()), Just("MAIL FROM:<>".to_owned()),
                Just("MAIL FROM:<a@b.example> SIZE=100".to_owned()), Just("RCPT TO:<a@trap.example>".to_owned()),
                Just("RCPT TO:<a@other.example>".to_owned()), Just("DATA".to_owned()), Just(".".to_owned()),
                Just("RSET".to_owned()), Just("BDAT 4".to_owned()), Just("BDAT 3 LAST".to_owned()),
                Just("MAIL FROM:<> BODY=BINARYMIME".to_owned()), Just("NOOP".to_owned()), Just("VRFY a".to_owned()), Just("QUIT".to_owned()),
                "[ -~]{0,80}",
            ],
            0..40,
        )
    ) {
        let heard = converse((lines.join("\r\n") + "\r\n").as_bytes());
        prop_assert!(heard.lines.iter().all(|line| !line.starts_with("S: 5") || line.len() > 7));
        prop_assert!(heard.messages.iter().all(|message| !message.traps.is_empty()));
    }
}
