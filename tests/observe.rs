//! Tests of the observer with a name server on loopback: the relation of a report is confirmed,
//! refuted or unknown.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backscatterd::digest::Digest;
use backscatterd::evidence::{Entry, Offset};
use backscatterd::journal::{Journal, MemoryJournal};
use backscatterd::metrics::Metrics;
use backscatterd::observe::{Lookups, Networks, Observer, ObserverLimits};
use backscatterd::time::{Clock, LaboratoryClock};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::support::messages::report;
use crate::support::server::Installation;
use crate::support::wait_until;
use crate::support::world::{Report, World, start};

/// How long evidence may take to count.
const COUNT_LIMIT: Duration = Duration::from_secs(60);

/// A name server with a few records, whose answers can be switched off.
struct Dns {
    address: SocketAddr,
    answers: Arc<AtomicBool>,
    /// Whether the mail of moves.example goes elsewhere now.
    moved: Arc<AtomicBool>,
}

/// The records: name, type, data.
const RECORDS: [(&str, &str, &str); 16] = [
    ("25.0.18.198.in-addr.arpa.", "PTR", "mx.relay.example."),
    ("mx.relay.example.", "A", "198.18.0.25"),
    ("relay.example.", "MX", "mx.relay.example."),
    ("26.0.18.198.in-addr.arpa.", "PTR", "elsewhere.example."),
    ("elsewhere.example.", "A", "198.18.0.26"),
    ("authorised.example.", "TXT", "v=spf1 ip4:198.18.0.27 -all"),
    ("authorised.example.", "MX", "mx.relay.example."),
    ("trap-one.example.", "TXT", "v=spf1 -all"),
    ("_dmarc.trap-two.example.", "TXT", "v=DMARC1; p=reject; rua=mailto:a@b.example"),
    ("trap.backscatter.example.", "A", "198.18.0.77"),
    ("gets-mail.example.", "MX", "trap.backscatter.example."),
    ("by-address.example.", "MX", "mx.by-address.example."),
    ("mx.by-address.example.", "A", "198.18.0.77"),
    ("without-mx.example.", "A", "198.18.0.77"),
    ("handed-on.example.", "MX", "mx.relay.example."),
    ("moves.example.", "MX", "trap.backscatter.example."),
];

/// The answer of the name server; `None` for a name about which it says nothing.
fn answer(query: &Message, moved: bool) -> Option<Message> {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_available = true;
    let Some(asked) = query.queries.first() else { return Some(response) };
    response.add_query(asked.clone());
    let name = asked.name().to_ascii().to_lowercase();
    if name.contains("silent") {
        return None;
    }
    if name.starts_with("broken.") {
        response.metadata.response_code = ResponseCode::ServFail;
        return Some(response);
    }
    let of_name = RECORDS.iter().filter(|(owner, ..)| *owner == name);
    if of_name.clone().count() == 0 {
        response.metadata.response_code = ResponseCode::NXDomain;
    }
    for (_, kind, data) in of_name {
        let moves = name == "moves.example.";
        let data = if moves && moved { &"mx.relay.example." } else { data };
        let host = || Name::from_ascii(data).unwrap();
        let (record_type, data) = match *kind {
            "PTR" => (RecordType::PTR, RData::PTR(PTR(host()))),
            "A" => (RecordType::A, RData::A(A(data.parse().unwrap()))),
            "MX" => (RecordType::MX, RData::MX(MX::new(10, host()))),
            _ => (RecordType::TXT, RData::TXT(TXT::new(vec![(*data).to_owned()]))),
        };
        if record_type == asked.query_type() {
            response.add_answer(Record::from_rdata(asked.name().clone(), if moves { 0 } else { 300 }, data));
        }
    }
    Some(response)
}

impl Dns {
    fn start(answers: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = Dns {
            address: socket.local_addr().unwrap(),
            answers: Arc::new(AtomicBool::new(answers)),
            moved: Arc::default(),
        };
        let (answers, moved) = (Arc::clone(&dns.answers), Arc::clone(&dns.moved));
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            let mut octets = [0; 4_096];
            while let Ok((length, client)) = socket.recv_from(&mut octets) {
                let Ok(query) = Message::from_vec(&octets[..length]) else { continue };
                let moved = moved.load(Ordering::Relaxed);
                let answer = answers.load(Ordering::Relaxed).then(|| answer(&query, moved)).flatten();
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer.to_vec().unwrap(), client);
                }
            }
        });
        dns
    }
}

/// An installation that asks this name server instead of the table of laboratory hosts.
fn installation(dns: &Dns) -> Installation {
    let installation = Installation::new();
    let text = std::fs::read_to_string(installation.config()).unwrap();
    let (before, rest) = text.split_once("[[observe.laboratory_hosts]]").unwrap();
    let (_, after) = rest.split_once("[control]").unwrap();
    let observe = format!("[observe]\nresolvers = [\"{}\"]\ntimeout = \"1s\"\n[control]", dns.address);
    std::fs::write(installation.config(), format!("{before}{observe}{after}")).unwrap();
    installation
}

fn send(installation: &Installation, from: &str, trap: &str, failed: &str, id: u64) {
    let mut smtp = installation.smtp_from(from).unwrap();
    smtp.say("EHLO relay.example").unwrap();
    let reply = smtp.deliver("", trap, &report(trap, failed, "192.0.2.44", id)).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

/// Waits until a relay's only report counts. Returns the line about it from the explanation.
fn told(installation: &Installation, address: &str) -> String {
    let mut line = None;
    wait_until(&format!("a report that counts against {address}"), COUNT_LIMIT, || {
        let text = installation.ok(&["explain", address]);
        let counted = |line: &&str| line.contains("entry ") && line.contains("to trap domain");
        line = text.lines().find(counted).map(str::to_owned);
        line.is_some()
    });
    line.unwrap()
}

/// The value of a metric of the server, with its labels.
fn metric(installation: &Installation, name: &str) -> u64 {
    let exposed = installation.metrics();
    let value = exposed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

fn add_traps(installation: &Installation) {
    for trap in ["trap-one.example", "trap-two.example"] {
        installation.ok(&["trap", "add", trap, "--silent-since", "2025-01-01T00:00:00Z", "--mail", "here"]);
    }
}

#[test]
fn the_dns_confirms_or_refutes_who_answers_for_a_report() {
    let dns = Dns::start(true);
    let installation = installation(&dns);
    let server = installation.start();
    add_traps(&installation);
    send(&installation, "198.18.0.25", "a@trap-one.example", "u1@relay.example", 1);
    send(&installation, "198.18.0.26", "a@trap-two.example", "u2@relay.example", 2);
    send(&installation, "198.18.0.27", "a@trap-one.example", "u3@authorised.example", 3);
    let exchanger = told(&installation, "198.18.0.25");
    assert!(
        exchanger.contains("relation claimed") && exchanger.contains("SPF or DMARC forbade the original"),
        "by MX: {exchanger}"
    );
    let stranger = told(&installation, "198.18.0.26");
    assert!(stranger.contains("relation refuted, "), "{stranger}");
    assert!(stranger.contains("SPF or DMARC forbade the original"), "by DMARC: {stranger}");
    let authorised = told(&installation, "198.18.0.27");
    assert!(authorised.contains("relation claimed"), "by SPF: {authorised}");
    server.stop();
}

/// The reply to RCPT for a domain, without its name.
fn reply_to(installation: &Installation, domain: &str) -> String {
    let mut smtp = installation.smtp_from("198.18.0.25").unwrap();
    smtp.say("EHLO relay.example").unwrap();
    smtp.say("MAIL FROM:<>").unwrap();
    smtp.say(&format!("RCPT TO:<a@{domain}>")).unwrap().replace(domain, "DOMAIN")
}

#[test]
fn a_domain_whose_mail_does_not_come_here_is_refused_like_a_strangers() {
    let (taken, refused) = ("250 2.1.5 Ok", "554 5.7.1 <a@DOMAIN>: Relay access denied");
    let dns = Dns::start(true);
    let installation = installation(&dns);
    installation.configure("[smtp]\n", "[smtp]\nrefused_recipients_per_hour = 0\n");
    let server = installation.start();
    assert_eq!(reply_to(&installation, "stranger.example"), refused);
    for (domain, told, reply) in [
        ("gets-mail.example", "comes here", taken),
        ("by-address.example", "comes here", taken),
        ("without-mx.example", "comes here", taken),
        ("handed-on.example", "goes elsewhere", refused),
        ("silent.example", "gave no answer", refused),
        ("moves.example", "comes here", taken),
    ] {
        let said = installation.ok(&["trap", "add", &format!("bait@{domain}")]);
        assert!(said.contains(told), "{domain}: {said}");
        assert_eq!(reply_to(&installation, domain), reply, "{domain}");
    }
    // A list is looked up after it was taken.
    let list = installation.path().join("list.txt");
    std::fs::write(&list, "a@gets-mail.example\n*.by-address.example\n").unwrap();
    installation.ok(&["trap", "retire", "bait@by-address.example"]);
    installation.ok(&["trap", "import", list.to_str().unwrap()]);
    wait_until("the mail of a list's domain", COUNT_LIMIT, || {
        reply_to(&installation, "deep.by-address.example") == taken
    });
    // The next look-up is within a day. The DNS that gives no answer changes nothing.
    dns.answers.store(false, Ordering::Relaxed);
    installation.ok(&["advance", "25h"]);
    assert_eq!(reply_to(&installation, "moves.example"), taken);
    dns.moved.store(true, Ordering::Relaxed);
    dns.answers.store(true, Ordering::Relaxed);
    installation.ok(&["advance", "25h"]);
    wait_until("the move of a domain's mail", COUNT_LIMIT, || {
        reply_to(&installation, "moves.example") == refused
    });
    // What the operator decided stands, until the operator ends it.
    installation.ok(&["trap", "mail", "moves.example", "here"]);
    installation.ok(&["trap", "mail", "gets-mail.example", "elsewhere"]);
    server.stop();
    let server = installation.start();
    installation.ok(&["advance", "25h"]);
    assert_eq!(reply_to(&installation, "moves.example"), taken);
    assert_eq!(reply_to(&installation, "gets-mail.example"), refused);
    assert_eq!(reply_to(&installation, "handed-on.example"), refused);
    assert!(installation.ok(&["trap", "mail", "moves.example"]).contains("goes elsewhere"));
    assert_eq!(reply_to(&installation, "moves.example"), refused);
    assert!(!installation.run(&["trap", "mail", "stranger.example", "here"]).status.success());
    server.stop();
    let store = std::fs::read(installation.store()).unwrap();
    for domain in ["gets-mail", "handed-on", "by-address"] {
        let is_readable = store.windows(domain.len()).any(|octets| octets == domain.as_bytes());
        assert!(!is_readable, "the store shows the name of a trap domain: {domain}");
    }
}

#[test]
fn what_nobody_answered_is_asked_again_after_a_restart() {
    let dns = Dns::start(false);
    let installation = installation(&dns);
    let server = installation.start();
    add_traps(&installation);
    send(&installation, "198.18.0.25", "a@trap-one.example", "u1@relay.example", 1);
    assert!(
        installation.ok(&["explain", "198.18.0.25"]).contains("no evidence and no listing"),
        "the report counts before its observation"
    );
    server.kill();
    dns.answers.store(true, Ordering::Relaxed);
    let server = installation.start();
    let line = told(&installation, "198.18.0.25");
    assert!(line.contains("relation claimed"), "{line}");
    server.stop();
}

#[test]
fn evidence_that_is_never_answered_counts_as_unknown_when_its_time_is_up() {
    let dns = Dns::start(false);
    let installation = installation(&dns);
    let server = installation.start();
    add_traps(&installation);
    send(&installation, "198.18.0.25", "a@trap-one.example", "u1@relay.example", 1);
    installation.ok(&["advance", "16m"]);
    let line = told(&installation, "198.18.0.25");
    assert!(line.contains("relation unknown"), "{line}");
    server.kill();
}

#[test]
fn evidence_that_counted_as_unknown_is_asked_about_after_a_restart_and_at_its_age() {
    for by_age in [false, true] {
        let dns = Dns::start(false);
        let installation = installation(&dns);
        let server = installation.start();
        add_traps(&installation);
        send(&installation, "198.18.0.25", "a@trap-one.example", "u1@relay.example", 1);
        installation.ok(&["advance", "16m"]);
        assert!(told(&installation, "198.18.0.25").contains("relation unknown"));
        server.kill();
        let server = if by_age {
            let server = installation.start();
            wait_until("the question after the restart", COUNT_LIMIT, || {
                metric(&installation, "backscatterd_observations_total{outcome=\"partial\"}") == 1
            });
            dns.answers.store(true, Ordering::Relaxed);
            installation.ok(&["advance", "1h"]);
            server
        } else {
            dns.answers.store(true, Ordering::Relaxed);
            installation.start()
        };
        wait_until("a late observation", COUNT_LIMIT, || {
            told(&installation, "198.18.0.25").contains("relation claimed")
        });
        server.stop();
    }
}

/// A relay that sends reports about many domains whose name servers are silent, and thirty true ones.
#[test]
fn silent_domains_starve_no_true_report() {
    const STARVERS: u32 = 400;
    let dns = Dns::start(true);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(LaboratoryClock::new(start()));
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new(Arc::clone(&clock)));
    let metrics = Arc::new(Metrics::new());
    // A question without an answer takes a slot for the whole timeout.
    let limits = ObserverLimits { inquiries_max: 64, queue_max: 800, timeout: Duration::from_millis(900) };
    let lookups = Lookups::dns(&[dns.address]).unwrap();
    let observer = runtime.block_on(async {
        Observer::new(lookups, Networks::default(), Arc::clone(&journal), Arc::clone(&metrics), clock, limits)
    });
    let _runtime = runtime.enter();
    let mut world = World::new();
    let mut inquire = |relay: String, failed: String| {
        let report = Report { failed, ..world.report(&relay) };
        let Entry::Evidence(evidence) = world.evidence(report) else { unreachable!() };
        let id = evidence.id;
        observer.inquire(evidence, Some("trap-one.example"));
        id
    };
    for nth in 0..2 * STARVERS {
        let address = std::net::Ipv4Addr::from(0xcb00_7100 + nth % STARVERS);
        inquire(address.to_string(), format!("user@silent{nth}.example"));
    }
    let mut wanted: BTreeSet<Digest> = (0..30)
        .map(|nth| inquire(format!("198.18.0.{}", 25 + nth), format!("u{nth}@relay.example")))
        .collect();
    wait_until("an observation of every true report", COUNT_LIMIT, || {
        for recorded in journal.read(Offset::START, usize::MAX).unwrap() {
            if let Entry::Observation(observation) = recorded.entry
                && observation.mx_of_recipient.is_some()
            {
                wanted.remove(&observation.evidence);
            }
        }
        wanted.is_empty()
    });
    let exposed = String::from_utf8(metrics.expose()).unwrap();
    let outcome = |name: &str| {
        let line = format!("backscatterd_observations_total{{outcome=\"{name}\"}} ");
        exposed.lines().find_map(|of| of.strip_prefix(&line)).map_or(0, |number| number.parse().unwrap())
    };
    let (whole, deferred): (u32, u32) = (outcome("whole"), outcome("deferred"));
    assert_eq!(whole, 30);
    assert!(deferred >= STARVERS / 2, "a quarter of the places is kept for new groups: {deferred}");
    runtime.block_on(observer.stop());
}
