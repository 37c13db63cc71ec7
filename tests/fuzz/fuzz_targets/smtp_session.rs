//! Fuzz target: any octets from an SMTP or LMTP client are handled within every limit, and in the
//! same way in any pieces.
//!
//! The first octet selects the properties of the connection, the second the length of the pieces.

#![no_main]

use std::sync::Arc;

use backscatterd::smtp::{Protocol, RecipientDomains, Session, SessionEvent, SessionLimits, SessionPeer, SessionTexts, TlsOffer};
use backscatterd::time::{Span, Timestamp};
use backscatterd::transaction::IntakeOutcome;
use backscatterd::trap::{Donor, KnownTraps, MailRoute, Scope, Trap, TrapHasher, TrapMail, TrapSet};
use libfuzzer_sys::fuzz_target;

const MESSAGE_OCTETS_MAX: usize = 2_000;
const KEPT_OCTETS_MAX: usize = 500;
const RECIPIENTS_MAX: usize = 3;
/// Room for an incomplete command line and for the initial buffer of a message.
const HELD_OCTETS_MAX: usize = 16_384;

fn session(who: u8) -> Session {
    let hasher = TrapHasher::new([7; 32]);
    let mut traps = TrapSet::default();
    let key = hasher.domain("trap.example");
    let (at, donor) = (Timestamp::default(), Donor::parse("own").expect("a name"));
    traps.insert(key, Trap { scope: Scope::Subdomains, domain: key, donor, since: at, retired: None, silent_since: at, barred: false });
    traps.set_mail(&TrapMail { domain: key, route: MailRoute::Here, decided: true, name: None });
    let known = KnownTraps { domains: traps.domains(), traps, hashing: Vec::new() };
    let texts = Arc::new(SessionTexts::new("mx.example"));
    let limits = SessionLimits {
        message_octets_max: MESSAGE_OCTETS_MAX,
        kept_octets_max: KEPT_OCTETS_MAX,
        recipients_max: RECIPIENTS_MAX,
        messages_max: 20,
        errors_max: 20,
        idle_timeout: Span::from_seconds(300),
        message_timeout: Span::from_seconds(300),
        tarpit_max: Span::from_seconds(5),
    };
    let peer = SessionPeer {
        relay: "198.18.0.25".parse().expect("an address"),
        unnamed: who & 4 != 0,
        protocol: if who & 1 != 0 { Protocol::Lmtp } else { Protocol::Smtp },
        names_clients: who & 2 != 0,
        tls: if who & 8 != 0 { TlsOffer::Offered } else { TlsOffer::None },
    };
    let recipients =
        RecipientDomains::new(hasher, Arc::new(known), Arc::default(), Arc::clone(&texts.hostname), Arc::default());
    Session::new(Arc::new(limits), Arc::new(recipients), texts, peer, at)
}

/// The replies and events of a session that gets the octets in pieces of one size. It ends at
/// STARTTLS, because the session drops octets that arrive in the same piece.
fn converse(who: u8, octets: &[u8], piece: usize) -> Vec<String> {
    let (mut session, mut done) = (session(who), Vec::new());
    let mut pieces = octets.chunks(piece);
    loop {
        while let Some(event) = session.next_event() {
            match event {
                SessionEvent::Reply(reply) => {
                    let text = String::from_utf8(reply).expect("replies are text");
                    assert!(text.ends_with("\r\n") && text.len() <= 4_096);
                    for line in text.lines() {
                        assert!(line.len() <= 510 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit), "{line:?}");
                    }
                    done.push(text);
                }
                SessionEvent::Message(message) => {
                    assert!(message.octets <= MESSAGE_OCTETS_MAX as u64);
                    let recipients = message.traps.len() + message.operators.len();
                    assert!((1..=RECIPIENTS_MAX).contains(&recipients));
                    let kept = if message.operators.is_empty() { KEPT_OCTETS_MAX } else { MESSAGE_OCTETS_MAX };
                    assert!(message.message.len() <= kept);
                    done.push(format!("{message:?}"));
                    session.settle(&IntakeOutcome::Later);
                }
                SessionEvent::Left(left) => {
                    assert!(left.message.is_empty() && !left.traps.is_empty());
                    done.push(format!("{left:?}"));
                }
                SessionEvent::Pause(pause) => assert!(pause <= Span::from_seconds(5)),
                SessionEvent::StartTls => {
                    done.push("tls".to_owned());
                    return done;
                }
                SessionEvent::Close(ending) => {
                    done.push(format!("{ending:?}"));
                    return done;
                }
            }
        }
        assert!(session.held_octets() <= HELD_OCTETS_MAX + 2 * MESSAGE_OCTETS_MAX + octets.len().min(piece));
        match pieces.next() {
            Some(piece) => session.receive(piece, Timestamp::default()),
            None => return done,
        }
    }
}

fuzz_target!(|octets: &[u8]| {
    let [who, piece, octets @ ..] = octets else { return };
    let whole = converse(*who, octets, octets.len().max(1));
    assert_eq!(whole, converse(*who, octets, usize::from(*piece) + 1));
});
